"""The head of a request as its peer gets it, for ``rsp explain``: peers are played over HTTP/1.1 always."""

from rsp.config.upstreams import Upstream
from rsp.http.h1.codec import parse_request
from rsp.http.h2.websocket import is_websocket
from rsp.lua.runtime import text


def shown_head(upstream: Upstream | None, received: bytes) -> list[str]:
    """The lines of ``received``; for peers that are asked over HTTP/2 alone, its fields (RFC 9113 section 8.3.1)."""
    if upstream is None or upstream.http != 2:
        return text(received).rstrip().split("\r\n")
    head = parse_request(received)
    websocket = is_websocket(head)
    scheme = b"https" if upstream.secure is not None else b"http"
    lines = [b":method: CONNECT", b":protocol: websocket"] if websocket else [b":method: " + head.method]
    lines += [b":scheme: " + scheme, b":authority: " + head.host, b":path: " + head.target]
    for line in head.fields.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name.lower() not in (b"host", b"sec-websocket-key"):
            lines.append(name.lower() + colon + value)
    if head.framing > 0:
        lines.append(b"content-length: %d" % head.framing)
    if head.te_trailers:
        lines.append(b"te: trailers")
    return [text(line) for line in lines]
