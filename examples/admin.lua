-- An application whose /admin is open to the office, and to users with a password from elsewhere.
--
-- In nginx:   location /admin { satisfy any; allow 203.0.113.0/24; deny all; auth_basic "staff"; auth_basic_user_file ...; }
-- For Traefik, Caddy and HAProxy, see docs/access.md and docs/auth.md.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }

-- If a proxy or load balancer is in front of rsp, list its addresses: rsp then takes the client's address from it.
-- trusted = { "10.0.0.0/8" }

route { to = "app" }

-- `any = true`: the address or the password is enough.  Without it, users in the office need a password as well.
-- office.txt has one network per line; make htpasswd with  htpasswd -cB htpasswd ann.  rsp reads both again when they
-- change; both names are relative to this file.
route {
  path = "/admin", to = "app",
  allow = { "203.0.113.0/24", "file:office.txt" },
  auth = { basic = "htpasswd", realm = "staff" },
  any = true,
  rate_limit = { rate = "60r/m", burst = 60 }, -- limits password guessing
}

-- Only for clients on this machine, with or without a password.
route { path = "/admin/debug", to = "app", allow = "127.0.0.0/8" }
