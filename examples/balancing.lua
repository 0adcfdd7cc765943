-- A service that has to stay up: peers that are checked, ejected, retried, drained.  docs/balancing.md explains it all.
-- Check it:  rsp -t examples/balancing.lua       Watch it:  rspctl peers

listen "127.0.0.1:8000"
admin = "/tmp/rsp-example.sock"   -- rspctl -s /tmp/rsp-example.sock peers

upstream "app" {
  "127.0.0.1:9001",
  { "127.0.0.1:9002", weight = 2 },
  { "127.0.0.1:9003", backup = true },   -- asked when no other peer can be

  policy = "ewma",                       -- or least_conn, random2, round_robin, hash, sticky
  slow_start = "30s",                    -- a peer that is new or back gets its share by and by
  max_conns = 200,                       -- at each peer, for all workers together
  queue = { size = 500, timeout = "2s" },

  -- Seen in traffic: three failures in a row, and a peer is out for 1 s, 2 s, 4 s ...  These are the defaults.
  failures = { count = 3, out = "1s", longest = "60s" },
  -- Seen in comparison: ten times as slow as the others, or a fifth of its answers are errors.
  outliers = { latency = 10, errors = 0.2 },
  -- Asked for.
  health = { path = "/", interval = "5s", timeout = "1s", status = "200-399" },

  retry = { on = { 502, 503, 504 } },    -- what another peer may do better
  hedge = true,                          -- late answers are overtaken
}

-- One cache key, one peer.
upstream "cache" { "127.0.0.1:9001", "127.0.0.1:9002", policy = "hash", key = "uri" }

-- Sessions stay where they began.  Each address of the name is a peer.
upstream "shop" {
  "localhost:9001",
  policy = "least_conn",
  sticky = { cookie = "shop_peer", secret = os.getenv("STICKY_SECRET") },
  drain = "10m",
}

route { host = "shop.example.com", to = "shop" }
route { path = "/static/", to = "cache" }
route { to = "app" }
