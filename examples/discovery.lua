-- Discovered peers: the configuration names the source of the list, and rsp follows it.  See docs/discovery.md.
--
--   etcdctl put /services/app/1 10.0.0.1:8000
--   etcdctl put /services/app/2 '{"address": "10.0.0.2:8000", "weight": 2}'

listen "0.0.0.0:8080"
admin = "/tmp/rsp-discovery.sock" -- rspctl -s /tmp/rsp-discovery.sock status

upstream "app" {
  discover = {
    url = "etcd://127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379/services/app/", -- the members of one cluster
    minimum = 2,    -- fewer members come into force
    doubt = "30s",  -- only when the list has not changed for this time
  },
  health = "/up",   -- a listed member may still be down
  slow_start = "10s",
}

-- A file that a deployment writes, and a peer for the time when its list is empty.
upstream "static" {
  discover = "file:///etc/rsp/static.json", -- ["10.0.1.1:8000", "10.0.1.2:8000"]
  { "10.0.9.9:8000", backup = true },
}

-- A list from an HTTP server, read every 10 s.
upstream "reports" {
  discover = { url = "https://config.example.com/reports.json", interval = "10s" },
}

route { path = "/static/", to = "static" }
route { path = "/reports/", to = "reports" }
route { to = "app" }
