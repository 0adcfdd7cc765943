"""What an exchange does for a call of gRPC, beside passing it on: its deadline, and how rsp itself ends it.

A client of gRPC looks for ``grpc-status``: in the head of a response that has nothing else, or in trailers.
"""

from typing import Final

from rsp.http.grpc import TYPE, message, status_for, status_in, timeout
from rsp.http.lines import get, without
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.stream import ClientStream

_LONGEST: Final = 1000  # of a text that becomes a message
_ERRORS: Final = 300  # and above
_REPLACED: Final = (b"content-type", b"content-encoding", b"grpc-status", b"grpc-message")


def bound_call(stream: ClientStream, head: RequestHead, started: float, most: float) -> None:
    """Let ``grpc-timeout`` bound the call on ``stream``; ``most``: seconds that it may take anyway, if not 0.

    Both count from ``started``: the time of the turn may be older, and would end the call too early.
    """
    seconds = timeout(head.fields)
    if seconds < 0 or 0 < most < seconds:
        seconds = most or seconds
    if seconds >= 0:
        stream.set_deadline(started + seconds)


def answer_call(head: ResponseHead, pieces: list[bytes], code: int) -> list[bytes]:
    """Make an answer of rsp's own one to a call, and return what is left of its body; ``code``: if it is known.

    The status on the wire is 200.  What is no error is left alone: it may be meant for gRPC.
    """
    if head.status < _ERRORS or status_in(head.fields) >= 0:
        return pieces
    code = status_for(head.status) if code < 0 else code
    said = b"Content-Type: %b\r\ngrpc-status: %d\r\ngrpc-message: %b\r\n" % (TYPE, code, message(_text(head, pieces)))
    head.fields = without(head.fields, _REPLACED) + said
    head.status, head.reason = 200, b"OK"
    head.framing, head.has_length, head.length_line = 0, False, b""
    return []


def _text(head: ResponseHead, pieces: list[bytes]) -> bytes:
    """Its body where that is plain text, in one line."""
    kind = get(head.fields, b"content-type") or b""
    lines = b"".join(pieces).split(b"\n") if kind.startswith(b"text/plain") else []
    text = b"; ".join([line.strip() for line in lines if line.strip()])
    return text[:_LONGEST] or b"%d %b" % (head.status, head.reason)


def code_told(code: int, head: ResponseHead | None) -> int:
    """The status that a client was told, below 0 if none; ``code``: in trailers, ``head``: of the response."""
    return status_in(head.fields) if code < 0 and head is not None else code


def broken_off(code: int) -> list[bytes]:
    """The trailers of a response that cannot be completed."""
    return [b"grpc-status: %d" % code, b"grpc-message: the response broke off"]
