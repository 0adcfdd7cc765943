-- For luacheck: what configurations of rsp can use.
std = "luajit"
max_line_length = 130
globals = {
  -- hooks
  "on_request", "on_upstream", "on_response", "on_error", "on_log", "on_start", "on_reload",
  -- settings
  "workers", "busy_poll", "cpu_affinity", "user", "group", "access_log", "max_memory", "worker_timeout", "request_id", "forwarded", "trusted", "via",
  "admin", "pid_file", "reload", "lua", "timeouts", "limits", "tls", "hsts", "keep_forwarded", "response_headers",
  "log_level", "log_format", "log_mask", "metrics", "dashboard", "tracing",
  "ready", "drain_delay", "security_headers", "compress", "discover_routes",
  "listenPort", "backendAddress", "backendPort",
}
read_globals = {
  "listen", "upstream", "route", "store", "certificate", "page", "every", "test", "simulate",
  "respond", "redirect", "proxy", "http", "sleep", "parallel", "dns", "file", "shared", "limit", "split",
  "json", "base64", "sha256", "hmac", "url", "cookie", "time", "jwt", "ip", "regex", "basic_auth",
}
