-- Metrics, access logs, a dashboard, traces.  All of them are optional; leave out what you do not use.
-- See docs/configuration.md for every key.

listen "0.0.0.0:8080"

upstream "app" { "127.0.0.1:9001", "127.0.0.1:9002" }
upstream "api" { "127.0.0.1:9003" }

-- Prometheus reads http://127.0.0.1:9145/metrics; load balancers and Kubernetes use /live and /ready.  Only this
-- machine can reach loopback addresses.  docs/metrics.md
metrics = "127.0.0.1:9145"

-- The same figures as a web page: open http://127.0.0.1:9146/.  For other machines, and for buttons that drain peers, it
-- needs users:  dashboard = { address = "10.0.0.5:9146", actions = true, users = "htpasswd" }  docs/dashboard.md
dashboard = "127.0.0.1:9146"

-- Access logs: any number, each with its own format and its own condition.  docs/logs.md
access_log = {
  -- a line for each request, as in nginx and Apache; the service manager decides where standard output goes
  "stdout",
  -- errors and slow requests as JSON, with additional fields
  {
    path = "observe-errors.json",
    format = "json",
    when = "status >= 500 or duration > 1s",
    fields = {
      agent = "request.header.user-agent",
      wait = "wait",              -- time until the last attempt began: hooks, queue, failed attempts
      connect = "connect",        -- time to connect; 0 if an open connection was used
      first_byte = "first_byte",  -- time until the head of the response
      retries = "retries",
      user = "log.user",          -- the value that the hook below assigns
    },
  },
  -- one of a hundred requests, in a custom format
  { path = "observe-sample.log", format = "{time} {client} {status} {duration} {method} {host}{target}", sample = 0.01 },
  -- also possible:  { path = "syslog:/dev/log" },  { path = "syslog:192.0.2.1:514" },  { path = "journald" }
}

-- rsp never logs values of Authorization, cookies, and keys such as `token` in a query.  More keys:
log_mask = { "ticket" }

-- Messages about rsp itself, on standard error: only warnings and errors, as text.  log_format = "json" makes objects.
log_level = "warning"

-- Spans for an OpenTelemetry collector: one of a hundred requests, and all requests that fail or take longer than 2 s.
-- docs/tracing.md
tracing = { endpoint = "http://127.0.0.1:4318/v1/traces", sample = 0.01, slow = "2s", service = "shop" }

-- Health checks are not logged.
route { path = "/up", access_log = "off", respond = { body = "ok\n" } }

-- `name` is the route's name in metrics, logs and the dashboard; `metrics` gives it its own histograms.
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
