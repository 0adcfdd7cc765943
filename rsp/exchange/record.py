"""What is recorded of an exchange when it is over: counters, and a line of the access log."""

from rsp.http.message import RequestHead
from rsp.http.peer_stream import Responder
from rsp.ipc.worker_cells import IN_FLIGHT
from rsp.logs.access_log import AccessLog
from rsp.logs.combined import combined
from rsp.net.context import WorkerContext


def record(
    context: WorkerContext, log: AccessLog, client: bytes, head: RequestHead, status: int, sent: int, started: float,
    request_id: bytes, responder: Responder,
) -> None:  # fmt: skip
    """``sent``: bytes of the response's body; ``started``: by the monotonic clock."""
    context.stats.add(IN_FLIGHT, -1)
    context.stats.answered(status, sent)
    if log.enabled:
        log.add(combined(
            client, log.stamp, head.method, head.target, head.version, status, sent, head.referer, head.user_agent,
            responder.peers_tried, (responder.ended or context.clock()) - started, responder.seconds, request_id,
        ))  # fmt: skip
