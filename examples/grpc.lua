-- gRPC: calls are balanced one by one over the servers.  docs/grpc.md explains it all.
-- Check it:  rsp -t examples/grpc.lua

-- Clients without TLS speak HTTP/2 at once ("prior knowledge").  With TLS nothing has to be said:
--   listen "0.0.0.0:443" { tls = true }   certificate { "shop.pem", key = "shop.key" }
listen "127.0.0.1:8000" { http2 = "prior-knowledge" }

upstream "shop" {
  "127.0.0.1:50051",
  "127.0.0.1:50052",
  http = 2,                                    -- gRPC needs HTTP/2 at the peers as well
  policy = "least_conn",                       -- of the fewest running calls
  health = { type = "grpc", service = "shop.Cart", interval = "5s", timeout = "1s" },
  retry = { on_grpc = { "unavailable" }, tries = 2 },
}

-- The path of a call is /package.Service/Method.
route { path = "/shop.Cart/", to = "shop" }

-- Calls of one method may take longer, or be larger.
route {
  path = "/shop.Cart/Watch",
  to = "shop",
  timeouts = { tunnel = "6h", response = "6h" },   -- silent for hours
}

-- Without a route a client is told UNIMPLEMENTED; this one is told PERMISSION_DENIED, and why.
route { path = "/shop.Admin/", respond = { status = 403, body = "only from inside" } }

access_log = { path = "stdout", format = "{time} {client} {path} {status} {grpc_status} {duration} {upstream}" }
