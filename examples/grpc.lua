-- gRPC: rsp balances each call over the servers.  See docs/grpc.md.
-- Check it:  rsp -t examples/grpc.lua

-- Clients without TLS use HTTP/2 at once ("prior knowledge").  With TLS, no key is needed:
--   listen "0.0.0.0:443" { tls = true }   certificate { "shop.pem", key = "shop.key" }
listen "127.0.0.1:8000" { http2 = "prior-knowledge" }

upstream "shop" {
  "127.0.0.1:50051",
  "127.0.0.1:50052",
  http = 2,                                    -- gRPC needs HTTP/2 to the peers as well
  policy = "least_conn",                       -- the peer with the fewest running calls
  health = { type = "grpc", service = "shop.Cart", interval = "5s", timeout = "1s" },
  retry = { on_grpc = { "unavailable" }, tries = 2 },
}

-- The path of a call is /package.Service/Method.
route { path = "/shop.Cart/", to = "shop" }

-- Calls of one method may take longer, or be larger.
route {
  path = "/shop.Cart/Watch",
  to = "shop",
  timeouts = { tunnel = "6h", response = "6h" },   -- hours without a message
}

-- Without a route, clients get UNIMPLEMENTED; this route sends PERMISSION_DENIED with a reason.
route { path = "/shop.Admin/", respond = { status = 403, body = "only from inside" } }

access_log = { path = "stdout", format = "{time} {client} {path} {status} {grpc_status} {duration} {upstream}" }
