"""What placeholders of the configuration and hooks are told of a request, beside its fields."""

from typing import TYPE_CHECKING

from rsp.exchange.filters.forwarded import name_of, scheme
from rsp.http.message import CHUNKED, RequestHead, ResponseHead

if TYPE_CHECKING:
    from rsp.exchange.exchange import Exchange


def told(exchange: "Exchange", name: str) -> bytes:
    """What the placeholder ``name`` stands for."""
    head, downstream = exchange.head, exchange.downstream
    if name == "client":
        if head.forwarded and downstream is not None:
            downstream.forwarded(exchange)  # which finds out, if nothing was sent to a peer yet
        return exchange.client
    if name == "request_id":
        return exchange.request_id
    if name == "target":
        return head.target
    if name == "upstream":
        return exchange.group.name.encode() if exchange.group is not None else b""
    if name == "scheme":
        return scheme_of(exchange)
    path, _, query = head.target.partition(b"?")
    if name == "path":
        return path if path != b"*" else b"/"
    if name == "query":
        return query
    authority = head.host or (downstream.own_name() if downstream is not None else b"")
    return authority if name == "authority" else name_of(authority)


def scheme_of(exchange: "Exchange") -> bytes:
    """How the client reached rsp, or the trusted proxy that says so."""
    direct = exchange.downstream.client if exchange.downstream is not None else exchange.client
    return scheme(exchange.head) if exchange.head.forwarded and exchange.site.trusts(direct) else b"http"


def request_field(head: RequestHead, name: bytes) -> bytes | None:
    """A field that rsp keeps apart from the others; ``name`` is in lower case."""
    if name == b"host":
        return head.host
    if name == b"content-length":
        return b"%d" % head.framing if head.framing > 0 else None
    if name == b"transfer-encoding":
        return b"chunked" if head.framing == CHUNKED else None
    if name == b"x-request-id":
        return head.request_id or None
    if name == b"upgrade":
        return head.upgrade or None
    if name == b"expect":
        return b"100-continue" if head.expect_continue else None
    values = [line.partition(b":")[2].strip() for line in head.forwarded if line.partition(b":")[0].lower() == name]
    return b", ".join(values) if values else None


def response_field(head: ResponseHead, name: bytes) -> bytes | None:
    """The same of a response."""
    if name == b"content-length":
        line = head.length_line or (b":%d" % head.framing if head.framing >= 0 else b"")
        return line.partition(b":")[2].strip() or None
    return b"chunked" if name == b"transfer-encoding" and head.framing == CHUNKED else None
