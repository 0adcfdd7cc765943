-- HTTP/2: with browsers over TLS, with a load balancer without, and HTTP/1.1 beside both.  docs/http2.md explains it.
-- Check it:  rsp -t examples/http2.lua

-- Over TLS each client says in its handshake what it speaks; HTTP/2 is taken if it is among that.
listen "0.0.0.0:443" { tls = true }
listen "0.0.0.0:80" { redirect = "https" }
certificate {
  "/etc/letsencrypt/live/example.com/fullchain.pem",
  key = "/etc/letsencrypt/live/example.com/privkey.pem",
}

-- Clients that need a connection for each request, such as those that authenticate with NTLM.
listen "0.0.0.0:8443" { tls = true, http2 = false }

-- Without TLS: a load balancer that begins with HTTP/2, and a health check that begins with HTTP/1.1, on one port.
listen "127.0.0.1:8080" {
  http2 = "prior-knowledge",
  limits = { streams = 1000 },                 -- requests at a time on its few connections
}

-- Peers get HTTP/1.1, whatever the client speaks.
upstream "app" { "127.0.0.1:9001", "127.0.0.1:9002" }
route { to = "app" }

-- These speak HTTP/2: without TLS from the first byte on, with it by ALPN.
upstream "api" { "127.0.0.1:9003", http = 2 }
route { path = "/api/", to = "api" }

-- A WebSocket over HTTP/2 reaches a peer of HTTP/1.1 as it always does; it may be silent for a day.
route { path = "/live", to = "app", timeouts = { tunnel = "24h" } }

access_log = {
  path = "stdout",
  format = '{client} {protocol} "{method} {path}" {status} {duration} {upstream}',
}
