-- The site of deploy/docker-compose.yml: every replica of the service "app" is a peer.

listen "0.0.0.0:8080"
-- listen "0.0.0.0:8443" { tls = true }
-- certificate { "/etc/rsp/tls/*.pem" }

admin = "/tmp/rsp.sock"
workers = 2

-- Docker's name server sends a TTL of ten minutes; replicas come and go faster.
dns = { max_ttl = "2s" }

upstream "app" {
  "app:8000",
  policy = "least_conn",
  slow_start = "5s",
}

route { to = "app" }

-- One worker tries a new configuration for five seconds before the others follow.
reload = { canary = "5s", max_error_increase = 0.01 }
