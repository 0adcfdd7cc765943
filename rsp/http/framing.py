"""Where a body ends (RFC 9112 section 6)."""

from rsp.http.errors import ProtocolError
from rsp.http.message import CHUNKED, ResponseHead


def framing_of(lengths: list[bytes], codings: list[bytes], minor: int) -> int:
    """Body framing from the two fields that decide it (RFC 9112 section 6), refusing every doubt."""
    if not codings:
        length = lengths[0]
        if len(lengths) > 1 or not length.isdigit() or len(length) > 18:
            raise ProtocolError("invalid Content-Length")
        return int(length)
    if lengths:
        raise ProtocolError("both Content-Length and Transfer-Encoding")
    if minor == 0:
        raise ProtocolError("Transfer-Encoding in HTTP/1.0")
    coding = b",".join(codings).lower()  # RFC 9110 section 5.3: lines of one name are one list
    if coding != b"chunked":
        # 501 is for codings that we do not know, but only where the end of the message is beyond doubt.
        unknown = coding.endswith((b", chunked", b",chunked")) and b"chunked" not in coding[:-7]
        raise ProtocolError("unsupported Transfer-Encoding", 501 if unknown else 400)
    return CHUNKED


def ends_with_head(status: int) -> bool:
    """Whether a response of this status has no body, whatever its head says (RFC 9112 section 6.3)."""
    return status == 204 or status == 304


def has_content(status: int) -> bool:
    """Whether a response of this status may have content; 205 has none, but is framed like others."""
    return status != 205 and not ends_with_head(status)


def reframe(head: ResponseHead, method: bytes, length: int | None) -> bool:
    """Decide where the body ends, for a response whose status or body is not the peer's any more; ``length``: of the
    body that replaces the peer's, if there is one.  Returns whether a body is sent.
    """
    framing = head.framing if length is None else length
    if ends_with_head(head.status):
        head.framing, head.has_length, head.length_line = 0, False, b""
        return False
    if not has_content(head.status):  # RFC 9110 section 15.3.6
        framing = length = 0
    if method == b"HEAD":
        head.framing = 0
        if length is not None:
            head.length_line = b"Content-Length: %d\r\n" % length
        return False
    head.framing, head.has_length, head.length_line = framing, framing >= 0, b""
    return framing != 0
