-- An application whose /admin is for the office, and for people with a password from elsewhere.
--
-- In nginx:   location /admin { satisfy any; allow 203.0.113.0/24; deny all; auth_basic "staff"; auth_basic_user_file ...; }
-- Traefik, Caddy and HAProxy: docs/access.md and docs/auth.md have their words.

listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }

-- If a proxy or load balancer is before rsp, its addresses: it alone names the client.
-- trusted = { "10.0.0.0/8" }

route { to = "app" }

-- `any = true`: one of the two is enough.  Leave it out, and staff needs a password in the office as well.
-- office.txt has a network in each line, htpasswd is made by  htpasswd -cB htpasswd ann.  Both are read again when they
-- change; both names are relative to this file.
route {
  path = "/admin", to = "app",
  allow = { "203.0.113.0/24", "file:office.txt" },
  auth = { basic = "htpasswd", realm = "staff" },
  any = true,
  rate_limit = { rate = "60r/m", burst = 60 }, -- passwords cannot be guessed faster than that
}

-- For the machine itself alone, whatever password there is.
route { path = "/admin/debug", to = "app", allow = "127.0.0.0/8" }
