"""Which requests may be sent again, and how logs name the peers that were asked.

Rules of this room: plain values in, plain values out.
"""

from typing import Final

from rsp.http.grpc import status_in
from rsp.http.message import ResponseHead

# RFC 9110 section 9.2.1: what changes nothing, and 9.2.2: what may be sent twice without asking the client.
_SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
_IDEMPOTENT: Final = _SAFE | {b"PUT", b"DELETE"}
_GET: Final = b"GET"
_POST: Final = b"POST"
MOST_NAMES: Final = 8  # peers that the logs name for one request; access logs also name the last one


def is_safe(method: bytes) -> bool:
    return method == _GET or (method != _POST and method in _SAFE)


def is_idempotent(method: bytes) -> bool:
    return method == _GET or (method != _POST and method in _IDEMPOTENT)


class RetryOn:
    """Responses after which another peer is asked: by HTTP status, and by that of a call of gRPC."""

    __slots__ = ("_codes", "_statuses")

    def __init__(self, statuses: frozenset[int], codes: frozenset[int]) -> None:
        self._statuses = statuses
        self._codes = codes

    def reason(self, head: ResponseHead, repeatable: bool, call: bool) -> str:
        """Why the peer of this response is no longer asked, or empty.

        ``repeatable``: the request may be sent again; ``call``: it is one of gRPC that can be sent again, ``head`` is
        all of its response, and which of those may be repeated is the configuration's to say.
        """
        if repeatable and head.status in self._statuses:
            return f"answered {head.status}"
        if call and (code := status_in(head.fields)) in self._codes:
            return f"answered with grpc-status {code}"
        return ""


def with_name(names: bytes, asked: int, name: bytes) -> bytes:
    """``names`` with that of one more peer; ``asked``: how many were asked before it.

    A log line names the first ones and the last one, and says how many are left out: ``a,b,c,d,e,f,g,h,+491,i``.
    """
    if asked < MOST_NAMES:
        return b"%b,%b" % (names, name) if asked else name
    first = b",".join(names.split(b",", MOST_NAMES)[:MOST_NAMES])
    left_out = asked - MOST_NAMES
    return b"%b%b,%b" % (first, b",+%d" % left_out if left_out else b"", name)
