"""Where a body ends (RFC 9112 section 6)."""

from typing import Final

from rsp.http1.errors import ProtocolError

# Framing of a body: a length in bytes (>= 0), or one of these.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2


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
