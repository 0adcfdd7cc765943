-- A configuration for rsp, with comments.  Try it:  make run
-- Every key and its default:  docs/configuration.md.  Check a file:  rsp -t rsp.lua

-- Where clients connect.  As many as you like; "[::]:8000" is IPv6, "unix:/run/rsp.sock" a unix socket.
listen "127.0.0.1:8000"

-- A named group of peers, which get requests in turn; a peer with weight 2 gets twice as many.
upstream "app" {
  "127.0.0.1:9001",
  "127.0.0.1:9002",
  { "127.0.0.1:9003", weight = 2 },
}

-- Which requests go where: the most specific host first, then the longest path.
-- route { host = "api.example.com", to = "api" }
-- route { host = "*.example.com", path = "/static/", files = "/srv/www/static" }
route { to = "app" }

-- The file is a program.  Peers can come from a loop, secrets and addresses from the environment:
--
--   local peers = {}
--   for port = 9001, 9003 do
--     peers[#peers + 1] = "127.0.0.1:" .. port
--   end
--   upstream "app" (peers)
--   listen(os.getenv("LISTEN") or "127.0.0.1:8000")

-- Functions in it can handle every request: see docs/lua.md and examples/.
--
--   function on_request(req)
--     if req.headers["X-Beta"] == "1" then return proxy "beta" end
--   end

-- Settings are global variables.  These lines show defaults or examples.
access_log = "stdout"         -- "off", or a path
-- compress = true            -- responses, for clients that accept it
-- workers = "auto"           -- or a number; rsp -w overrides it
-- user = "www-data"          -- user of the workers if root starts rsp; default: `nobody`
-- pid_file = "/run/rsp.pid"  -- for rsp -s reload rsp.lua and other commands
-- reload = { canary = "5s" } -- one worker tries a new configuration for 5 s and is compared with the others
-- max_memory = "512MB"       -- rsp replaces a worker that uses more memory
-- timeouts = { idle = "75s", response = "60s" }
-- limits = { head = "32KB" }
