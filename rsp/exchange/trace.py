"""The part of one request in a trace (W3C Trace Context): its ids, and what peers are told of it."""

from random import getrandbits
from typing import Any

from rsp.exchange.forward.journal import Try, new_span_id
from rsp.exchange.subject import Subject
from rsp.http.message import OutgoingHead
from rsp.http.trace_context import RANDOM, SAMPLED, TraceParent, traceparent


class Trace:
    """``parent``: the caller's span, empty where the trace begins; ``state``: its tracestate.

    ``flags``: those of the field; ``is_sampled``: spans are recorded, here and by those who are asked.
    """

    __slots__ = ("_field", "_tracer", "flags", "parent", "span_id", "state", "trace_id")

    def __init__(self, tracer: Any, caller: TraceParent | None, state: bytes, is_sampled: bool) -> None:
        """``tracer``: ``filters/tracing.py``, which is above this room."""
        self._tracer = tracer
        self.span_id = new_span_id()
        self.state = state
        if caller is None:
            self.trace_id, self.parent, self.flags = b"%032x" % (getrandbits(128) or 1), b"", RANDOM
        else:
            self.trace_id, self.parent, self.flags = caller.trace_id, caller.span_id, caller.flags & RANDOM
        if is_sampled:
            self.flags |= SAMPLED
        self._field = traceparent(self.trace_id, self.span_id, self.flags)

    @property
    def is_sampled(self) -> bool:
        return self.flags & SAMPLED != 0

    def lines(self, noted: Try | None) -> bytes:
        """The fields.  For the peer, the caller is the span of that try; where it is not noted, the request's own."""
        state = b"tracestate: %b\r\n" % self.state if self.state else b""
        return b"traceparent: %b\r\n%b" % (self._told(noted), state)

    def _told(self, noted: Try | None) -> bytes:
        if noted is None or not noted.id:
            return self._field
        return traceparent(self.trace_id, noted.id, self.flags)

    def name_try(self, outgoing: OutgoingHead, noted: Try | None) -> None:
        """In the field that :meth:`lines` has made.  A hook, or a rule, that has written another one has its way."""
        outgoing.fields = outgoing.fields.replace(self._field, self._told(noted), 1)

    def end(self, exchange: Subject) -> None:
        """The request is over."""
        self._tracer.end(exchange, self)
