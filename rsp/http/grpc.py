"""gRPC, as far as a proxy has a part in it: which requests are calls, how long they may take, how they end.

Rules of this room: plain values in, plain values out.  What is said here is PROTOCOL-HTTP2.md of gRPC; gRPC-Web is
another protocol, whose requests are like any others.
"""

import re
from typing import Final

from rsp.http.lines import get

TYPE: Final = b"application/grpc"
CODES: Final = {
    "ok": 0, "cancelled": 1, "unknown": 2, "invalid_argument": 3, "deadline_exceeded": 4, "not_found": 5,
    "already_exists": 6, "permission_denied": 7, "resource_exhausted": 8, "failed_precondition": 9, "aborted": 10,
    "out_of_range": 11, "unimplemented": 12, "internal": 13, "unavailable": 14, "data_loss": 15, "unauthenticated": 16,
}  # fmt: skip
NO_STATUS: Final = -1
UNKNOWN: Final = 2
DEADLINE_EXCEEDED: Final = 4
UNAVAILABLE: Final = 14
_HIGHEST: Final = 16

# http-grpc-status-mapping.md, the other way round: what a client makes of the status by itself, should say the same.
_BY_STATUS: Final = {
    400: 13, 401: 16, 403: 7, 404: 12, 429: UNAVAILABLE, 502: UNAVAILABLE, 503: UNAVAILABLE, 504: UNAVAILABLE,
    # These say more than that mapping.
    408: DEADLINE_EXCEEDED, 413: 8, 431: 8,
}  # fmt: skip
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_NOT_IN_A_MESSAGE: Final = re.compile(rb"[^ -$&-~]")


def is_call(fields: bytes) -> bool:
    """Whether these are a call's: its Content-Type is ``application/grpc``, with or without the messages' format."""
    kind = get(fields, b"content-type")
    return kind is not None and kind[:16].lower() == TYPE and kind[16:17] in b"+; "


def timeout(fields: bytes) -> float:
    """Seconds that a call may take, by its ``grpc-timeout``; below 0: it does not say."""
    match = _TIMEOUT.fullmatch(get(fields, b"grpc-timeout") or b"")
    return float(match[1]) * _UNITS[match[2]] if match is not None else -1.0


def status_in(fields: bytes) -> int:
    """The ``grpc-status`` in the head of a response, which says it if there is nothing else; or ``NO_STATUS``."""
    return _number(get(fields, b"grpc-status") or b"")


def status_of(trailers: list[bytes]) -> int:
    """The ``grpc-status`` in the trailers of a response, or ``NO_STATUS``."""
    for line in trailers:
        if line[:12].lower() == b"grpc-status:":
            return _number(line[12:].strip(b" \t"))
    return NO_STATUS


def _number(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) <= 2 and int(value) <= _HIGHEST else NO_STATUS


def status_for(status: int) -> int:
    """What an HTTP status of rsp's own answers says to a client of gRPC."""
    return _BY_STATUS.get(status, UNKNOWN)


def message(text: bytes) -> bytes:
    """``text`` as a ``grpc-message``: percent-encoded."""
    return _NOT_IN_A_MESSAGE.sub(lambda match: b"%%%02X" % match[0][0], text)
