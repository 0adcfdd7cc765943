-- Routes that containers ask for by labels, beside those of the file.  See docs/routes-from-labels.md.
--
--   docker run -l rsp.enable=true -l rsp.host=shop.apps.example.com -l rsp.port=8000 shop

listen "0.0.0.0:8080"

discover_routes = {
  docker = "unix:/run/rsp-docker.sock",  -- examples/docker-socket.lua
  hosts = { "*.apps.example.com" },      -- labels can ask for these and no others
}

-- Routes of the file go first, on hosts of labels as well.
route { exact = "/healthz", respond = { body = "ok\n" } }
route { host = "status.apps.example.com", respond = { body = "all is well\n" } }

-- What no container asks for.
route { respond = { status = 404, body = "no such site\n" } }
