"""What placeholders of the configuration stand for: what rsp knows of a request, beside its fields."""

from rsp.config.placeholders import IN_TLS
from rsp.exchange.filters.forwarded import name_of, scheme_told
from rsp.exchange.subject import Subject
from rsp.exchange.tls import tls_told


def told(exchange: Subject, name: str) -> bytes:
    """What the placeholder ``name`` stands for."""
    head = exchange.head
    if name == "client":
        if head.forwarded and not exchange.over:
            exchange.tell()  # which finds out, if nothing was sent to a peer yet
        value = exchange.client
    elif name == "request_id":
        value = exchange.request_id
    elif name == "target":
        value = head.target
    elif name == "upstream":
        value = exchange.upstream.name.encode() if exchange.upstream is not None else b""
    elif name == "scheme":
        value = scheme_of(exchange)
    elif name in IN_TLS:
        value = tls_told(exchange, name)
    elif name in ("path", "query"):
        path, _, query = head.target.partition(b"?")
        value = query if name == "query" else path if path != b"*" else b"/"
    else:
        authority = head.host or exchange.stream.local_name()
        value = authority if name == "authority" else name_of(authority)
    return value


def scheme_of(exchange: Subject) -> bytes:
    """How the client reached rsp, or the trusted proxy that says so."""
    session = exchange.session
    scheme = session.scheme
    if exchange.head.forwarded and exchange.config.forwarded.trusts(session.client):
        return scheme_told(exchange.head, scheme)
    return scheme
