-- What can be seen of rsp: metrics, access logs, a dashboard, traces.  None of it is needed; leave out what you do not use.
-- Every key is explained in docs/configuration.md.

listen "0.0.0.0:8080"

upstream "app" { "127.0.0.1:9001", "127.0.0.1:9002" }
upstream "api" { "127.0.0.1:9003" }

-- Prometheus reads http://127.0.0.1:9145/metrics; load balancers and Kubernetes ask /live and /ready.  Addresses of
-- loopback are reached from this machine only.  docs/metrics.md
metrics = "127.0.0.1:9145"

-- The same as a page: open http://127.0.0.1:9146/.  For other machines, and for buttons that drain peers, it needs
-- users:  dashboard = { address = "10.0.0.5:9146", actions = true, users = "htpasswd" }  docs/dashboard.md
dashboard = "127.0.0.1:9146"

-- Access logs: as many as you like, each with its own format and its own choice of requests.  docs/logs.md
access_log = {
  -- a line for each request, as nginx's and Apache's; where standard output goes, the service manager decides
  "stdout",
  -- errors and slow requests as JSON, with fields of your choice beside the usual ones
  {
    path = "observe-errors.json",
    format = "json",
    when = "status >= 500 or duration > 1s",
    fields = {
      agent = "request.header.user-agent",
      wait = "wait",              -- until the peer was asked: hooks, queue, failed tries
      connect = "connect",        -- connecting to it; 0 if an open connection was used
      first_byte = "first_byte",  -- until the head of its response
      retries = "retries",
      user = "log.user",          -- what the hook below assigns
    },
  },
  -- one of a hundred requests, in a format of your own
  { path = "observe-sample.log", format = "{time} {client} {status} {duration} {method} {host}{target}", sample = 0.01 },
  -- also possible:  { path = "syslog:/dev/log" },  { path = "syslog:192.0.2.1:514" },  { path = "journald" }
}

-- Values of Authorization, cookies, and of keys such as `token` in a query are never logged.  Keys of your own:
log_mask = { "ticket" }

-- Lines about rsp itself, on standard error: warnings and errors only, as text.  log_format = "json" is for machines.
log_level = "warning"

-- Spans for an OpenTelemetry collector: one of a hundred requests, and all that fail or take longer than 2 s.
-- docs/tracing.md
tracing = { endpoint = "http://127.0.0.1:4318/v1/traces", sample = 0.01, slow = "2s", service = "shop" }

-- Health checks are not logged.
route { path = "/up", access_log = "off", respond = { body = "ok\n" } }

-- `name` is what metrics, logs and the dashboard call the route; `metrics` gives it histograms of its own.
route {
  path = "/api/",
  to = "api",
  name = "api",
  metrics = true,
  on_request = function(req)
    req.log.user = req.headers["x-user"]
  end,
}

route { to = "app" }

-- While it runs:
--   rspctl top
--   rspctl log 'status >= 500'
--   rspctl trace 'route = "api" and duration > 250ms' -n 5
