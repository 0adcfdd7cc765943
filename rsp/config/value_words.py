"""Names that nginx, Caddy, Traefik, HAProxy and Envoy have for what placeholders stand for, and what rsp calls it."""

import re
from typing import Final

# Other names of rsp's own for placeholders and for fields of logs.
ALIASES: Final = {
    "tls.version": "tls_version", "tls.cipher": "tls_cipher", "tls.sni": "sni", "tls.client_cert": "client_cert",
    "tls.client_cert_subject": "client_cert_subject", "tls.client_cert_fingerprint": "client_cert_fingerprint",
}  # fmt: skip
# nginx's variables, with their dollar sign; HAProxy's fetches and aliases.
VARIABLES: Final = {
    **dict.fromkeys(("$remote_addr", "$realip_remote_addr", "$binary_remote_addr", "%[src]", "%ci"), "{client}"),
    "$host": "{host}",
    "$http_host": "{authority}",
    "$scheme": "{scheme}",
    **dict.fromkeys(("$request_id", "%ID", "%[unique-id]"), "{request_id}"),
    **dict.fromkeys(("$request_uri", "%[url]", "%[pathq]"), "{uri}"),
    **dict.fromkeys(("$uri", "$document_uri", "%[path]"), "{path}"),
    **dict.fromkeys(("$args", "$query_string", "%[query]"), "{query}"),
    **dict.fromkeys(("$upstream_addr", "%si"), "{peer}"),
    **dict.fromkeys(("$proxy_host", "$upstream_name"), "{upstream}"),
    **dict.fromkeys(("$time_iso8601", "$time_local", "$msec"), "{time}"),
    **dict.fromkeys(("$ssl_protocol", "%[ssl_fc_protocol]", "%sslv"), "{tls_version}"),
    **dict.fromkeys(("$ssl_cipher", "%[ssl_fc_cipher]", "%sslc"), "{tls_cipher}"),
    **dict.fromkeys(("$ssl_server_name", "%[ssl_fc_sni]"), "{sni}"),
    **dict.fromkeys(("$ssl_client_cert", "$ssl_client_escaped_cert"), "{client_cert}"),
    **dict.fromkeys(("$ssl_client_s_dn", "%[ssl_c_s_dn]"), "{client_cert_subject}"),
    "$ssl_client_fingerprint": "{client_cert_fingerprint}",
}
_MAPPED: Final = "rewrite_location = true in a route with strip"
_REPLACED: Final = 'regex = "^/old/(.*)$", rewrite = "/new/{1}" in a route'
# Keys and directives, by the word in lower case without underscores.
SAID: Final = {
    **dict.fromkeys(("proxyredirect", "proxycookiepath", "proxycookiedomain", "proxypassreverse"), _MAPPED),
    **dict.fromkeys(("striprefix", "uristripprefix", "stripuri"), "strip = true in a route"),
    **dict.fromkeys(("addprefix", "prefixrewrite"), 'rewrite = "/prefix{path}" in a route'),
    **dict.fromkeys(("replacepath", "setpath", "pathrewrite"), 'rewrite = "/new" in a route'),
    **dict.fromkeys(("replacepathregex", "rewriteregex", "regexrewrite", "rewritepath", "stripprefixregex"), _REPLACED),
    **dict.fromkeys(
        ("redirectregex",), 'regex = "^/old/(.*)$", redirect = { to = "/new/{1}", status = 301 } in a route'
    ),
    "redirectscheme": 'listen "0.0.0.0:80" { redirect = "https" }',
}
_VARIABLE_FAMILIES: Final = (
    (re.compile(r"\$http_([a-z0-9_]+)"), "header."),
    (re.compile(r"%\[(?:req\.)?f?hdr\(([A-Za-z0-9_.\-]+)\)\]"), "header."),
    (re.compile(r"\$cookie_([A-Za-z0-9_]+)"), "cookie."),
    (re.compile(r"%\[req\.cook\(([A-Za-z0-9_.\-]+)\)\]"), "cookie."),
    (re.compile(r"\$([1-9][0-9]?)"), ""),
)
# In braces.
_NAMES: Final = {
    **dict.fromkeys(
        ("remote_host", "http.request.remote.host", "http.vars.client_ip", "client_ip", "remote_addr", "ip"), "client"
    ),
    **dict.fromkeys(("http.request.host", "hostname", "server_name"), "host"),
    **dict.fromkeys(("hostport", "http.request.hostport"), "authority"),
    **dict.fromkeys(("http.request.scheme", "proto", "protocol"), "scheme"),
    **dict.fromkeys(("http.request.uri.path",), "path"),
    **dict.fromkeys(("http.request.uri.query", "args", "query_string", "querystring"), "query"),
    **dict.fromkeys(("http.request.uri", "http.request.orig_uri", "request_uri", "url", "target"), "uri"),
    **dict.fromkeys(("http.request.uuid", "uuid", "id", "requestid"), "request_id"),
    **dict.fromkeys(("http.reverse_proxy.upstream.address", "http.reverse_proxy.upstream.hostport"), "peer"),
    **dict.fromkeys(("backend", "service"), "upstream"),
    **dict.fromkeys(("now", "time.now", "time.now.http", "date", "timestamp"), "time"),
    **dict.fromkeys(("http.request.tls.version",), "tls.version"),
    **dict.fromkeys(("http.request.tls.cipher_suite",), "tls.cipher"),
    **dict.fromkeys(("http.request.tls.server_name", "tls_server_name", "server_name_indication"), "tls.sni"),
    "http.request.tls.client.subject": "client_cert_subject",
    "http.request.tls.client.fingerprint": "client_cert_fingerprint",
}
_FAMILIES: Final = (
    (re.compile(r"(?:http\.request\.|request\.|req\.)?(?:headers?|hdr)[._-](.+)", re.I), "header."),
    (re.compile(r"http_(.+)", re.I), "header."),
    (re.compile(r"(?:http\.request\.|request\.|req\.)?(?:cookies?|cook)[._-](.+)", re.I), "cookie."),
    (re.compile(r"(?:http\.regexp|re)\.(?:[A-Za-z_]\w*\.)?(\w+)"), ""),
)


def variable(written: str) -> str:
    """The placeholder for another program's variable, ``$remote_addr`` or ``%[src]``; or ``""``."""
    if written in VARIABLES:
        return VARIABLES[written]
    for pattern, family in _VARIABLE_FAMILIES:
        if found := pattern.fullmatch(written):
            return "{" + family + _field(family, found[1]) + "}"
    return ""


def said(name: str) -> str:
    """The name of a placeholder that another program calls ``name``; or ``""``."""
    if (own := _NAMES.get(name.lower())) is not None:
        return own
    for pattern, family in _FAMILIES:
        if found := pattern.fullmatch(name):
            return family + _field(family, found[1])
    return ""


def _field(family: str, name: str) -> str:
    """nginx writes the names of fields with underscores."""
    return name.replace("_", "-") if family == "header." else name
