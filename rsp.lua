-- A configuration for rsp, with comments.  Try it:  make run
-- Every key and its default:  docs/configuration.md.  Check a file:  rsp -t rsp.lua

-- Where clients connect.  As many as you like; "[::]:8000" is IPv6, "unix:/run/rsp.sock" a unix socket.
listen "127.0.0.1:8000"

-- A named group of backends.  Requests take turns; a weight of 2 means two turns for the others' one.
upstream "app" {
  "127.0.0.1:9001",
  "127.0.0.1:9002",
  { "127.0.0.1:9003", weight = 2 },
}

-- Which requests go where: the most specific host first, then the longest path.
-- route { host = "api.example.com", to = "api" }
-- route { host = "*.example.com", path = "/static/", files = "/srv/www/static" }
route { to = "app" }

-- This is a program.  Backends can come from a loop, secrets and addresses from the environment:
--
--   local peers = {}
--   for port = 9001, 9003 do
--     peers[#peers + 1] = "127.0.0.1:" .. port
--   end
--   upstream "app" (peers)
--   listen(os.getenv("LISTEN") or "127.0.0.1:8000")

-- And it may see every request: docs/lua.md, and the examples in examples/.
--
--   function on_request(req)
--     if req.headers["X-Beta"] == "1" then return proxy "beta" end
--   end

-- Settings are global variables.  These are their defaults, or show their form.
access_log = "stdout"         -- "off", or a path
-- compress = true            -- responses, for clients that accept it
-- workers = "auto"           -- or a number; rsp -w overrides it
-- user = "www-data"          -- for workers, when started by root; without it they run as nobody
-- pid_file = "/run/rsp.pid"  -- for rsp -s reload rsp.lua, and others
-- reload = { canary = "5s" } -- one worker tries a new configuration, and is compared with the others
-- max_memory = "512MB"       -- a worker that grows beyond it is replaced
-- timeouts = { idle = "75s", response = "60s" }
-- limits = { head = "32KB" }
