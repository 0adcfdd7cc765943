"""Which requests may be sent again, and how logs name the peers that were asked.

Rules of this room: plain values in, plain values out.
"""

from typing import Final

# RFC 9110 section 9.2.1: what changes nothing, and 9.2.2: what may be sent twice without asking the client.
SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
IDEMPOTENT: Final = SAFE | {b"PUT", b"DELETE"}
MOST_NAMES: Final = 8  # peers that the logs name for one request; access logs also name the last one


def with_name(names: bytes, asked: int, name: bytes) -> bytes:
    """``names`` with that of one more peer; ``asked``: how many were asked before it.

    A log line names the first ones and the last one, and says how many are left out: ``a,b,c,d,e,f,g,h,+491,i``.
    """
    if asked < MOST_NAMES:
        return b"%b,%b" % (names, name) if asked else name
    first = b",".join(names.split(b",", MOST_NAMES)[:MOST_NAMES])
    left_out = asked - MOST_NAMES
    return b"%b%b,%b" % (first, b",+%d" % left_out if left_out else b"", name)
