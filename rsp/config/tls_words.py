"""Words for TLS that people bring from other programs, by where they stand, and what says the same in rsp."""

from typing import Final

import msgspec

from rsp.config.routes import Route
from rsp.config.schema import Listener
from rsp.config.tls import Certificate, Tls, UpstreamTls
from rsp.config.upstreams import Upstream, UpstreamPeer

SECURE: Final = 'listen "0.0.0.0:443" { tls = true }'
CERTIFICATE: Final = 'certificate { "cert.pem", key = "key.pem" }'
_BY_ITSELF: Final = f"{CERTIFICATE}, by itself: it is used for the names in it"
_BOTH: Final = f"{SECURE} and {CERTIFICATE}"
_PROFILE: Final = 'tls = { min = "1.2", ciphers = "intermediate" }'
_TO_HTTPS: Final = 'listen "0.0.0.0:80" { redirect = "https" }'
_PEERS: Final = 'tls = { name = "...", ca = "ca.pem", verify = true } in an upstream'
_OWN: Final = 'tls = { certificate = "cert.pem", key = "key.pem" } in an upstream'
_CLIENTS: Final = 'client_ca = "ca.pem" in the routes of a host'
_TICKETS: Final = "tls = { session_tickets = true }; rsp generates the keys; there is no session cache"

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("ssl", "https", "sslengine", "tlsconfig", "tlscontext", "certfile", "keyfile"), _BOTH),
    **dict.fromkeys(("cert", "certs", "certificates", "crt", "crtlist", "sslcertificate", "pem"), _BY_ITSELF),
    **dict.fromkeys(("sslcertificatekey", "certificatekey", "certificatefile", "privatekey"), _BY_ITSELF),
    "sslpasswordfile": 'certificate { "cert.pem", key = "key.pem", password = "file" }',
    **dict.fromkeys(("sslprotocols", "protocols", "minversion", "tlsversion", "sslminver"), _PROFILE),
    **dict.fromkeys(("sslciphers", "ciphersuites", "sslciphersuites", "sslecdhcurve", "ssldhparam"), _PROFILE),
    "sslpreferserverciphers": f"{_PROFILE}; clients choose among its ciphers",
    **dict.fromkeys(("sslsessiontickets", "sslsessionticketkey", "sslsessioncache", "sslsessiontimeout"), _TICKETS),
    **dict.fromkeys(("sslstapling", "sslstaplingverify", "ocsp", "ocspstapling"), "tls = { stapling = true }"),
    **dict.fromkeys(("sslrejecthandshake", "strictsni", "snistrict"), "tls = { strict_sni = true }"),
    **dict.fromkeys(("sslclientcertificate", "ssltrustedcertificate", "clientauth", "cafile", "clientca"), _CLIENTS),
    "sslverifyclient": f'{_CLIENTS}, and client_verify = "required" or "optional"',
    **dict.fromkeys(("sslcrl", "crlfile"), 'client_crl = "crl.pem" in the routes of a host'),
    **dict.fromkeys(("proxysslverify", "proxysslname", "proxysslservername", "proxyssltrustedcertificate"), _PEERS),
    **dict.fromkeys(("sni", "insecureskipverify", "tlsinsecureskipverify", "serverstransport"), _PEERS),
    **dict.fromkeys(("proxysslcertificate", "proxysslcertificatekey", "clientcertificate"), _OWN),
    **dict.fromkeys(("stricttransportsecurity", "sts", "stsseconds"), "hsts = true, for all or in a route"),
    **dict.fromkeys(("forcessl", "sslredirect", "redirectscheme", "httpsredirect", "httptohttps"), _TO_HTTPS),
    **dict.fromkeys(
        ("acme", "letsencrypt", "certresolver", "autocert", "autohttps"),
        f"rsp does not obtain certificates itself yet; use those of certbot: {CERTIFICATE}",
    ),
}

_SPEAKS: Final = f"in rsp: tls = true, and {_BY_ITSELF}"
_ASKS: Final = 'in rsp: tls = true, or tls = { name = "...", ca = "ca.pem" }'
_FILE_FIRST: Final = f"in rsp: {CERTIFICATE}, the file without a key"
_FROM_CERTIFICATE: Final = "rsp reads the names from the certificate"
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Listener: dict.fromkeys(
        ("ssl", "https", "certificate", "certificates", "cert", "key", "crt", "pem", "sslcertificate", "password"),
        _SPEAKS,
    ),
    Upstream: dict.fromkeys(
        ("ssl", "https", "verify", "ca", "sni", "certificate", "cert", "cafile", "secure", "proxysslverify"), _ASKS
    ),
    UpstreamPeer: dict.fromkeys(
        ("ssl", "https", "tls", "verify", "ca", "sni", "certificate"),
        "in rsp: tls = true, or a table, in the upstream; it applies to all its peers",
    ),
    Route: {
        **dict.fromkeys(("ssl", "tls", "https", "certificate", "cert", "key"), f"in rsp: {_BOTH}"),
        **dict.fromkeys(("ca", "cafile", "verify", "clientauth", "mtls"), "in rsp: client_ca"),
    },
    Tls: {
        **dict.fromkeys(("minversion", "version", "versions", "protocols", "minimum"), 'in rsp: min = "1.2"'),
        **dict.fromkeys(("ciphersuites", "profile", "cipherlist"), 'in rsp: ciphers = "intermediate"'),
        **dict.fromkeys(("tickets", "sessions", "sessioncache"), "in rsp: session_tickets = true"),
        **dict.fromkeys(("certificate", "certificates", "cert", "key", "crt", "file"), f"in rsp: {_BY_ITSELF}"),
        **dict.fromkeys(("ca", "clientca", "clientauth", "verify"), f"in rsp: {_CLIENTS}"),
        **dict.fromkeys(("ocsp", "ocspstapling"), "in rsp: stapling = true"),
        "enabled": f"in rsp: {SECURE}",
    },
    Certificate: {
        **dict.fromkeys(("cert", "crt", "certificate", "pem", "bundle", "chain", "fullchain", "path"), _FILE_FIRST),
        **dict.fromkeys(("keyfile", "privatekey", "private", "certificatekey"), 'in rsp: key = "key.pem"'),
        **dict.fromkeys(("host", "hosts", "name", "names", "domain", "domains", "sni"), _FROM_CERTIFICATE),
        **dict.fromkeys(("passphrase", "passwordfile"), 'in rsp: password = "file"'),
    },
    UpstreamTls: {
        **dict.fromkeys(
            ("cert", "crt", "certfile", "clientcertificate", "clientcert"), 'in rsp: certificate = "x.pem"'
        ),
        **dict.fromkeys(("keyfile", "privatekey", "clientkey"), 'in rsp: key = "key.pem"'),
        **dict.fromkeys(("sni", "servername", "hostname", "host"), 'in rsp: name = "..."'),
        **dict.fromkeys(("cafile", "trusted", "rootca", "rootcas", "trustedcertificate"), 'in rsp: ca = "ca.pem"'),
        **dict.fromkeys(("insecure", "insecureskipverify", "noverify", "skipverify"), "in rsp: verify = false"),
        **dict.fromkeys(("minversion", "version", "protocols"), 'in rsp: min = "1.2"'),
    },
}
