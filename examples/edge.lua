-- An HTTP front end for several applications, without hooks.
-- See docs/configuration.md for every key, and docs/http.md for how rsp reads and writes HTTP.

listen "0.0.0.0:8080"

-- A separate listener for partners: smaller limits, fewer connections for each address.
listen {
  "0.0.0.0:8081",
  limits = { line = "2KB", body = "1MB", per_client = 50 },
  timeouts = { head = "5s", idle = "20s" },
}

upstream "app" { "127.0.0.1:9001", "127.0.0.1:9002" }
upstream "api" { "127.0.0.1:9003" }

-- Clients come through a load balancer in 10.0.0.0/8: rsp trusts its forwarded fields.
trusted = { "10.0.0.0/8", "127.0.0.0/8" }
via = "edge"

-- /api/users is /users for the backend, which expects another Host.
route {
  host = "shop.example.com", path = "/api/", to = "api",
  strip = true,
  send_host = "api.internal",
  request_headers = { remove = { "Cookie" }, set = { ["X-Tenant"] = "shop" } },
  response_headers = { remove = { "Server", "X-Powered-By" }, set = { ["Cache-Control"] = "no-store" } },
  timeouts = { response = "5s", request = "10s" },
}

-- Only this route allows large and slow uploads.
route { host = "shop.example.com", path = "/upload/", to = "app", limits = { body = "2GB" }, timeouts = { body = "2m" } }

-- Redirects of old URLs.
route { host = "www.example.com", redirect = { to = "https://shop.example.com{path}", status = 308 } }
route { path = "/old-blog/", to = "app", rewrite = "/blog/" }

-- Responses without a backend.
route { exact = "/healthz", respond = { body = "ok\n" } }
route { exact = "/robots.txt", respond = { body = "User-agent: *\nDisallow: /\n" } }

route { to = "app" }

-- Error pages for clients; other statuses keep rsp's plain format.
page { status = { 502, 503, 504 }, body = "<h1>Back in a minute</h1><p>Request {request_id}</p>\n" }
