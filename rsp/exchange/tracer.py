"""Tracing: each request becomes part of a trace, its caller's or a new one, and its spans are sent on if they count.

Rules of this room: whether a trace is recorded is decided when the request begins, so that rsp and its peers do the
same.  What fails or takes long is kept in any case, with rsp's own spans alone, and only so much of it in a
second: clients can make errors.  What a client says decides nothing but the trace's id, unless the client
is ``trusted``.
"""

from math import inf
from random import random
from typing import Final

from rsp.config.observe import Tracing
from rsp.exchange.forward.journal import Journal
from rsp.exchange.hooks.fields import bar
from rsp.exchange.spans import spans_of
from rsp.exchange.subject import Subject
from rsp.exchange.trace import Trace
from rsp.http.lines import drop, each
from rsp.http.message import RequestHead
from rsp.http.trace_context import TraceParent, parse_traceparent, sound_tracestate
from rsp.ipc.tap import Spans
from rsp.ipc.worker_cells import SPANS_DROPPED

_MOST_KEPT: Final = 100  # requests in a second of one worker that are kept without having been chosen


class Tracer:
    """Of one configuration.  Before all filters, so that hooks see its fields."""

    __slots__ = ("_kept", "_second", "_share", "_slow")

    def __init__(self, tracing: Tracing) -> None:
        self._share = tracing.sample
        self._slow = float(tracing.slow or inf)
        self._second = 0.0  # the tick that ``_kept`` is about
        self._kept = 0

    def begin(self, exchange: Subject) -> None:
        """The request's head is there."""
        head = exchange.head
        caller, state = _take(head)
        trusted = caller is not None and exchange.config.forwarded.trusts(exchange.session.client)
        trace = Trace.__new__(Trace)  # in the compiled build this is no call of Python
        trace.set_up(self, caller, state, self._samples(caller if trusted else None))
        head.fields += trace.lines(None)
        if exchange.journal is None:
            exchange.journal = Journal(head)
        exchange.journal.trace = trace

    def _samples(self, trusted: TraceParent | None) -> bool:
        """Whether the trace is recorded: as a caller that is trusted has decided, else at random."""
        if trusted is not None:
            return trusted.is_sampled
        return random() < self._share  # noqa: S311 - no secret, and clients do not see it

    def end(self, exchange: Subject, trace: Trace) -> None:
        """The request is over."""
        context, journal = exchange.context, exchange.journal
        ended = context.clock()
        if journal is None or not (trace.is_sampled or self._is_kept(exchange, journal, ended - exchange.started)):
            return
        spans = spans_of(exchange, trace, journal, ended)
        if context.tap is None or not context.tap.put(Spans(spans)):
            context.stats.add(SPANS_DROPPED, len(spans))

    def _is_kept(self, exchange: Subject, journal: Journal, seconds: float) -> bool:
        """Whether it is worth that, and there is room.  An upgraded connection that lasts is not slow."""
        status, now = exchange.status, exchange.context.now
        if status < 500 and not journal.cut and (seconds <= self._slow or status == 101):
            return False
        if now != self._second:
            self._second, self._kept = now, 0
        self._kept += 1
        if self._kept > _MOST_KEPT:
            exchange.context.stats.add(SPANS_DROPPED, 1)
        return self._kept <= _MOST_KEPT


def _take(head: RequestHead) -> tuple[TraceParent | None, bytes]:
    """What the client says of its trace, which is gone from the head then, and may not come back in trailers."""
    fields = head.fields
    given = each(fields, b"traceparent")
    states = each(fields, b"tracestate")
    if given:
        fields = drop(fields, b"traceparent")
    if states:
        fields = drop(fields, b"tracestate")
    head.fields = fields
    if head.framing != 0:
        bar(head, b"traceparent")
        bar(head, b"tracestate")
    caller = parse_traceparent(given)
    return caller, sound_tracestate(states) if caller is not None else b""
