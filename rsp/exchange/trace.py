"""The part of one request in a trace (W3C Trace Context): its ids, and what peers are told of it."""

from binascii import hexlify
from random import getrandbits  # of the shared generator, which is seeded anew after a fork
from typing import Any, Final

from rsp.exchange.forward.journal import Try
from rsp.exchange.subject import Subject
from rsp.http.message import OutgoingHead
from rsp.http.trace_context import TraceParent

# An id of zeros is not valid.  The last 7 bytes of a trace's are random all the same, as its flag says.
_NOT_ZERO: Final = 1 << 191 | 1 << 63
_CONTINUED: Final = (b"-00\r\n", b"-01\r\n")  # behind the ids, by whether the trace is recorded
_RANDOM: Final = (b"-02\r\n", b"-03\r\n")  # where the trace's id is known to be random


def new_ids() -> bytes:
    """Two in base 16: of a trace, and of its first span."""
    return hexlify((getrandbits(192) | _NOT_ZERO).to_bytes(24, "big"))


def new_span_id() -> bytes:
    return new_ids()[32:]


class Trace:
    """``parent``: the caller's span, empty where the trace begins; ``state``: its tracestate.

    ``is_sampled``: spans are recorded, here and by peers; ``flags``: those of the field.
    """

    __slots__ = ("_end", "_line", "_tracer", "flags", "is_sampled", "parent", "span_id", "state", "trace_id")

    def set_up(self, tracer: Any, caller: TraceParent | None, state: bytes, is_sampled: bool) -> None:
        """``tracer``: ``tracer.py``, which is above this room."""
        ids = new_ids()
        self._tracer = tracer
        self.span_id = ids[32:]
        self.state = state
        self.is_sampled = is_sampled
        if caller is None:
            self.trace_id, self.parent, is_random = ids[:32], b"", True
        else:
            self.trace_id, self.parent, is_random = caller.trace_id, caller.span_id, caller.is_random
        self.flags = 2 * is_random + is_sampled
        self._end = (_RANDOM if is_random else _CONTINUED)[is_sampled]
        self._line = self._about(self.span_id)

    def _about(self, span_id: bytes) -> bytes:
        """The field that names that span as the caller."""
        return b"traceparent: 00-" + self.trace_id + b"-" + span_id + self._end

    def lines(self, noted: Try | None) -> bytes:
        """The fields.  They name the span of that try as the caller; where nothing is recorded, the request's own."""
        state = b"tracestate: " + self.state + b"\r\n" if self.state else b""
        return (self._line if noted is None or not self.is_sampled else self._of_try(noted)) + state

    def _of_try(self, noted: Try) -> bytes:
        noted.id = noted.id or new_span_id()
        return self._about(noted.id)

    def name_try(self, outgoing: OutgoingHead, noted: Try | None) -> None:
        """Put the try's span into the field that :meth:`lines` has made.

        A value that a hook, or a rule of the route, has put in its place stays.
        """
        if noted is not None and self.is_sampled:
            outgoing.fields = outgoing.fields.replace(self._line, self._of_try(noted), 1)

    def end(self, exchange: Subject) -> None:
        """The request is over."""
        self._tracer.end(exchange, self)
