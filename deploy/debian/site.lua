-- The configuration of the service "rsp".
--   rsp -t /etc/rsp/site.lua    checks it
--   systemctl reload rsp        loads it; if it is not valid, the current configuration stays in use
--   rspctl -s /run/rsp/admin.sock peers
-- All keys: man rsp.lua    Examples: /usr/share/doc/rsp/examples

listen "0.0.0.0:80"

admin = "/run/rsp/admin.sock"
access_log = "/var/log/rsp/access.log"

-- In place of the last route:
-- upstream "app" { "127.0.0.1:8000" }
-- route { to = "app" }

route { respond = { status = 200, body = "rsp is installed. Its configuration is /etc/rsp/site.lua.\n" } }
