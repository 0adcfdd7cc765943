"""What is recorded of an exchange when it is over: counters, and lines of access logs."""

from rsp.exchange.subject import Subject
from rsp.ipc.worker_cells import IN_FLIGHT


def record(exchange: Subject) -> None:
    """It is over: its ``status`` is final."""
    context, responder, route = exchange.context, exchange.responder, exchange.route
    ended = responder.ended or context.clock()
    context.stats.add(IN_FLIGHT, -1)
    context.stats.answered(exchange.status, exchange.sent)
    for log in route.logs:
        log.write(exchange, ended)
    if context.watch is not None:
        context.watch.see(exchange, ended)
