-- HTTP/2: with browsers over TLS, with a load balancer without, and HTTP/1.1 beside both.  See docs/http2.md.
-- Check it:  rsp -t examples/http2.lua

-- Over TLS, each client lists its protocols in the handshake; rsp chooses HTTP/2 if it is listed.
listen "0.0.0.0:443" { tls = true }
listen "0.0.0.0:80" { redirect = "https" }
certificate {
  "/etc/letsencrypt/live/example.com/fullchain.pem",
  key = "/etc/letsencrypt/live/example.com/privkey.pem",
}

-- HTTP/1.1 only, for clients that need a connection of their own, such as clients that authenticate with NTLM.
listen "0.0.0.0:8443" { tls = true, http2 = false }

-- Without TLS: a load balancer that begins with HTTP/2, and a health check that begins with HTTP/1.1, on one port.
listen "127.0.0.1:8080" {
  http2 = "prior-knowledge",
  limits = { streams = 1000 },                 -- concurrent requests on each of its few connections
}

-- Peers get HTTP/1.1, for any HTTP version of the client.
upstream "app" { "127.0.0.1:9001", "127.0.0.1:9002" }
route { to = "app" }

-- These peers get HTTP/2: without TLS from the first byte on, with TLS by ALPN.
upstream "api" { "127.0.0.1:9003", http = 2 }
route { path = "/api/", to = "api" }

-- A WebSocket over HTTP/2 reaches an HTTP/1.1 peer as an ordinary upgrade; it may be idle for a day.
route { path = "/live", to = "app", timeouts = { tunnel = "24h" } }

access_log = {
  path = "stdout",
  format = '{client} {protocol} "{method} {path}" {status} {duration} {upstream}',
}
