"""What is recorded of an exchange when it is over: counters, and lines of access logs."""

from rsp.exchange.subject import Subject
from rsp.ipc.worker_cells import IN_FLIGHT
from rsp.logs.combined import combined


def record(exchange: Subject) -> None:
    """It is over: its ``status`` is final."""
    context, responder, route = exchange.context, exchange.responder, exchange.route
    status, sent = exchange.status, exchange.sent
    seconds = (responder.ended or context.clock()) - exchange.started
    context.stats.add(IN_FLIGHT, -1)
    context.stats.answered(status, sent)
    for log in route.logs:
        head = exchange.head
        log.add(combined(
            exchange.client, log.stamp, head.method, head.target, head.version, status, sent, head.referer,
            head.user_agent, responder.peers_tried, seconds, responder.seconds, exchange.request_id,
        ))  # fmt: skip
