"""Fields of a message that conditions, hooks and logs read like all others, but that rsp keeps apart from them."""

from rsp.http.message import CHUNKED, RequestHead, ResponseHead


def request_field(head: RequestHead, name: bytes) -> bytes | None:
    """A field that is kept apart; ``name`` is in lower case."""
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
    values = forwarded_fields(head, name)
    return b", ".join(values) if values else None


def forwarded_fields(head: RequestHead, name: bytes) -> list[bytes]:
    """The value of each field ``name``, of those that tell of the client."""
    return [line.partition(b":")[2].strip() for line in head.forwarded if line.partition(b":")[0].lower() == name]


def response_field(head: ResponseHead, name: bytes) -> bytes | None:
    """The same of a response."""
    if name == b"content-length":
        line = head.length_line or (b":%d" % head.framing if head.framing >= 0 else b"")
        return line.partition(b":")[2].strip() or None
    return b"chunked" if name == b"transfer-encoding" and head.framing == CHUNKED else None
