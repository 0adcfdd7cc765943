-- Docker's socket for an unprivileged rsp: a second instance, which passes on two requests and nothing else.
-- See docs/routes-from-labels.md.  The first instance has  docker = "unix:/run/rsp-docker.sock".

user = "root"  -- the socket is root's; clients of this instance reach nothing but the routes below
workers = 1
access_log = "off"

listen "unix:/run/rsp-docker.sock"

upstream "docker" { "unix:/var/run/docker.sock" }

-- Which containers run, and what happens to them.  Docker's events are a response without an end.
route { exact = "/containers/json", methods = { "GET" }, to = "docker" }
route { exact = "/events", methods = { "GET" }, to = "docker", timeouts = { read = "1d" } }

route { respond = { status = 403, body = "only containers/json and events\n" } }
