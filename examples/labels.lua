-- Routes that containers request by labels, beside those of the file.  See docs/routes-from-labels.md.
--
--   docker run -l rsp.enable=true -l rsp.host=shop.apps.example.com -l rsp.port=8000 shop

listen "0.0.0.0:8080"

discover_routes = {
  docker = "unix:/run/rsp-docker.sock",  -- examples/docker-socket.lua
  hosts = { "*.apps.example.com" },      -- labels can request only these hosts
}

-- Routes of the file have precedence, also on hosts of labels.
route { exact = "/healthz", respond = { body = "ok\n" } }
route { host = "status.apps.example.com", respond = { body = "all is well\n" } }

-- All other requests.
route { respond = { status = 404, body = "no such site\n" } }
