-- Docker's socket for an unprivileged rsp: a second instance that forwards only two requests.
-- See docs/routes-from-labels.md.  The first instance has  docker = "unix:/run/rsp-docker.sock".

user = "root"  -- the socket belongs to root; clients of this instance reach only the routes below
workers = 1
access_log = "off"

listen "unix:/run/rsp-docker.sock"

upstream "docker" { "unix:/var/run/docker.sock" }

-- The running containers, and their events.  Docker's event stream is a response without an end.
route { exact = "/containers/json", methods = { "GET" }, to = "docker" }
route { exact = "/events", methods = { "GET" }, to = "docker", timeouts = { read = "1d" } }

route { respond = { status = 403, body = "only containers/json and events\n" } }
