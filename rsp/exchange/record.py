"""What is recorded of an exchange when it is over: counters, and lines of access logs."""

from rsp.exchange.grpc import code_told
from rsp.exchange.subject import Subject
from rsp.ipc.worker_cells import GRPC_CALLS, GRPC_FAILURES, IN_FLIGHT


def record(exchange: Subject) -> None:
    """It is over: its ``status`` is final."""
    context, responder, route = exchange.context, exchange.responder, exchange.route
    ended = responder.ended or context.clock()
    context.stats.add(IN_FLIGHT, -1)
    _count(exchange, ended)
    for log in route.logs:
        log.write(exchange, ended)
    if context.watch is not None:
        context.watch.see(exchange, ended)


def _count(exchange: Subject, ended: float) -> None:
    route, responder, session, upstream = exchange.route, exchange.responder, exchange.session, exchange.upstream
    status, sent = exchange.status, exchange.sent
    exchange.context.stats.answered(status, sent)
    route.series.answered(status, sent, exchange.received)
    if exchange.head.grpc:
        _count_call(exchange)
    if session.series is not None:
        session.series.answered(status, exchange.head.version if exchange.head.method else b"")
    first, connect = responder.first_byte, responder.connect_seconds
    if upstream is not None and upstream.series is not None and responder.begun > 0.0:
        begun = responder.begun
        upstream.series.took(ended - begun, first - begun if first > 0.0 else 0.0, connect, sent)
    if route.times is not None:
        started = exchange.started
        route.times.took(ended - started, first - started if first > 0.0 else 0.0, connect, sent)


def _count_call(exchange: Subject) -> None:
    stats = exchange.context.stats
    stats.add(GRPC_CALLS, 1)
    if code_told(exchange.grpc_status, exchange.response_head) != 0:
        stats.add(GRPC_FAILURES, 1)
