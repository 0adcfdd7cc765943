"""Names that nginx, Caddy, Traefik and Envoy have for what logs and conditions show, and what rsp calls it."""

import re
from typing import Final

# By the name in lower case, without "$".
_SAID: Final = {
    **dict.fromkeys(("remote_addr", "remote_ip", "client_ip", "clientip", "clientaddr", "clienthost", "ip"), "client"),
    **dict.fromkeys(("request_method", "verb", "requestmethod"), "method"),
    **dict.fromkeys(("request_uri", "url", "requestpath"), "target"),
    **dict.fromkeys(("document_uri",), "path"),
    **dict.fromkeys(("args", "query_string", "querystring"), "query"),
    **dict.fromkeys(("server_protocol", "proto", "requestprotocol"), "protocol"),
    **dict.fromkeys(("code", "status_code", "response_code", "downstreamstatus", "originstatus"), "status"),
    **dict.fromkeys(("body_bytes_sent", "bytes_sent", "size", "bytes_read"), "bytes"),
    **dict.fromkeys(("request_length", "content_length"), "bytes_received"),
    **dict.fromkeys(("request_time", "latency", "elapsed", "time_taken", "seconds"), "duration"),
    **dict.fromkeys(("time_iso8601", "msec", "ts", "timestamp", "start_time", "startutc"), "time"),
    **dict.fromkeys(("upstream_addr", "backend"), "upstream"),
    **dict.fromkeys(("upstream_response_time", "upstream_duration"), "upstream_time"),
    **dict.fromkeys(("upstream_connect_time",), "connect"),
    **dict.fromkeys(("upstream_header_time", "ttfb"), "first_byte"),
    **dict.fromkeys(("http_user_agent", "useragent", "agent"), "user_agent"),
    **dict.fromkeys(("http_referer", "referrer"), "referer"),
    **dict.fromkeys(("http_host", "server_name", "requesthost"), "host"),
    **dict.fromkeys(("ssl_protocol", "tls_protocol"), "tls_version"),
    "ssl_cipher": "tls_cipher",
    "ssl_server_name": "sni",
    "ssl_client_s_dn": "client_cert_subject",
    "ssl_client_fingerprint": "client_cert_fingerprint",
    "ssl_session_reused": "tls_resumed",
    **dict.fromkeys(
        ("grpc_status_number", "upstream_trailer_grpc_status", "sent_trailer_grpc_status", "grpcstatus"), "grpc_status"
    ),
    **dict.fromkeys(("traceid", "otel_trace_id"), "trace_id"),
}  # fmt: skip
_SAME: Final = ("time_local", "request")  # which have these names in rsp as well
# What stands before a name of the user's, as a pattern.
_FAMILIES: Final = (
    (re.compile(r"(?:request[._])?(?:req_)?headers?[._>](.+)", re.I), "request.header."),
    (re.compile(r"(?:response|resp|sent)[._](?:headers?|http)[._>](.+)", re.I), "response.header."),
    (re.compile(r"request\.headers[.>](.+)", re.I), "request.header."),
    (re.compile(r"http_(.+)", re.I), "request.header."),
    (re.compile(r"arg_(.+)", re.I), "query."),
    (re.compile(r"cookies?[._](.+)", re.I), "cookie."),
)
_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")


def said(name: str) -> str:
    """rsp's name for a field that another program calls ``name``; or ``""``."""
    name = name.removeprefix("$")
    if name in _SAME or name in _SAID.values():
        return name
    if (own := _SAID.get(name.lower())) is not None:
        return own
    for pattern, prefix in _FAMILIES:
        if found := pattern.fullmatch(name):
            rest = found[1].replace("_", "-").lower() if "header" in prefix else found[1]
            return prefix + rest
    return ""


def template(text: str) -> str:
    """nginx's ``$remote_addr $status`` as rsp writes it; or ``""`` where a variable is not known, or there is none."""
    names = _VARIABLE.findall(text)
    if not names or not all(map(said, names)):
        return ""
    return _VARIABLE.sub(lambda found: "{" + said(found[1]) + "}", text)
