-- Grafana under /grafana: an application that knows its own path, so rsp does not strip it.
--   GF_SERVER_ROOT_URL=https://example.com/grafana/  GF_SERVER_SERVE_FROM_SUB_PATH=true
-- Its live channel is a WebSocket whose Origin has to be the Host: rsp keeps the client's Host.  The same applies
-- to Prometheus (--web.external-url), Jupyter (base_url), Gitea (ROOT_URL) and similar applications.

listen "127.0.0.1:8000"
upstream "grafana" { "127.0.0.1:3000" }
upstream "site" { "127.0.0.1:9002" }

route { path = "/grafana", slash = "redirect", to = "grafana",
        request_headers = { set = { ["X-Real-IP"] = "{client}" } },
        timeouts = { tunnel = "1h" } } -- idle timeout of the live channel
route { to = "site" }

test("the path stays", function()
  local r = simulate{ path = "/grafana/login?redirect=%2F", client = "192.0.2.1" }
  assert(r.upstream == "grafana" and r.request.path == "/grafana/login?redirect=%2F")
  assert(r.request.headers["x-real-ip"] == "192.0.2.1")
  assert(r.request.headers["x-forwarded-prefix"] == nil)
end)

test("its directory is one", function()
  assert(simulate{ path = "/grafana" }.headers["location"] == "/grafana/")
  assert(simulate{ path = "/grafana-old" }.upstream == "site")
end)
