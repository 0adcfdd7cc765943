-- HTTPS for two sites and an internal one that needs a client certificate; peers over TLS.
-- docs/tls.md says how certificates are renewed, and what is checked; every key is in docs/configuration.md.

listen "0.0.0.0:443" { tls = true }
listen "0.0.0.0:80" { redirect = "https" }

-- A directory of bundles: certificate, intermediate certificates and key in one file each.  The names are in the
-- certificates.  The first certificate is the default, for clients that send no name or an unknown name.
certificate { "/etc/rsp/tls/*.pem" }

-- Two files, as certbot makes them.  A name may have an ECDSA and an RSA certificate.
certificate {
  "/etc/letsencrypt/live/example.com/fullchain.pem",
  key = "/etc/letsencrypt/live/example.com/privkey.pem",
}

-- The default is Mozilla's "intermediate" profile: TLS 1.2 and 1.3.  For TLS 1.3 only:
-- tls = { ciphers = "modern" }

-- Browsers use only TLS for these names.  Begin with a short time: browsers keep it.
hsts = "1d"

upstream "shop" { "127.0.0.1:9001" }

-- TLS to peers: verified by a private authority, with a client certificate of rsp.
upstream "payments" {
  "payments.internal:8443",
  tls = {
    ca = "/etc/rsp/internal-ca.pem",
    certificate = "/etc/rsp/rsp.pem",
    key = "/etc/rsp/rsp.key",
  },
  health = { path = "/healthz" },
}

route { host = "example.com", to = "shop" }
route { host = "example.com", path = "/pay/", to = "payments" }

-- Only clients with a certificate of the company's authority.  The peer gets the certificate's subject.
route {
  host = "staff.example.com", to = "shop",
  client_ca = "/etc/rsp/staff-ca.pem",
  client_crl = "/etc/rsp/staff-ca.crl",
  request_headers = { set = { ["Client-Cert"] = "{client_cert}", ["X-Staff"] = "{client_cert_subject}" } },
}
