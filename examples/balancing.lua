-- A highly available service: health checks, ejection, retries, draining.  See docs/balancing.md.
-- Check it:  rsp -t examples/balancing.lua       Watch it:  rspctl peers

listen "127.0.0.1:8000"
admin = "/tmp/rsp-example.sock"   -- rspctl -s /tmp/rsp-example.sock peers

upstream "app" {
  "127.0.0.1:9001",
  { "127.0.0.1:9002", weight = 2 },
  { "127.0.0.1:9003", backup = true },   -- gets requests if no other peer can

  policy = "ewma",                       -- or least_conn, random2, round_robin, hash, sticky
  slow_start = "30s",                    -- ramp-up time of a new or recovered peer
  max_conns = 200,                       -- per peer, for all workers together
  queue = { size = 500, timeout = "2s" },

  -- By traffic: after three failures in a row, a peer is ejected for 1 s, 2 s, 4 s ...  These are the defaults.
  failures = { count = 3, out = "1s", longest = "60s" },
  -- By comparison: ten times as slow as the other peers, or a fifth of its responses are errors.
  outliers = { latency = 10, errors = 0.2 },
  -- By active health checks.
  health = { path = "/", interval = "5s", timeout = "1s", status = "200-399" },

  retry = { on = { 502, 503, 504 } },    -- statuses after which another peer gets the request
  hedge = true,                          -- a second peer gets a request whose response is late
}

-- Requests with the same cache key go to the same peer.
upstream "cache" { "127.0.0.1:9001", "127.0.0.1:9002", policy = "hash", key = "uri" }

-- A session stays at its peer.  Each address of the name is a peer.
upstream "shop" {
  "localhost:9001",
  policy = "least_conn",
  sticky = { cookie = "shop_peer", secret = os.getenv("STICKY_SECRET") },
  drain = "10m",
}

route { host = "shop.example.com", to = "shop" }
route { path = "/static/", to = "cache" }
route { to = "app" }
