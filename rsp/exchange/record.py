"""What is recorded of an exchange when it is over: counters, and a line of the access log."""

from time import monotonic

from rsp.http.message import RequestHead
from rsp.http.peer_stream import Responder
from rsp.ipc.worker_cells import IN_FLIGHT
from rsp.ipc.worker_stats import WorkerStats
from rsp.logs.access_log import AccessLog
from rsp.logs.combined import combined


def record(
    stats: WorkerStats, log: AccessLog, client: bytes, head: RequestHead, status: int, sent: int, started: float,
    request_id: bytes, responder: Responder,
) -> None:  # fmt: skip
    """``sent``: bytes of the response's body; ``started``: by the monotonic clock."""
    stats.add(IN_FLIGHT, -1)
    stats.answered(status, sent)
    if log.enabled:
        log.add(combined(
            client, log.stamp, head.method, head.target, head.version, status, sent, head.referer, head.user_agent,
            responder.peers_tried, (responder.ended or monotonic()) - started, responder.seconds, request_id,
        ))  # fmt: skip
