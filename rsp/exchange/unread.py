"""A request of which nothing could be read, as counters and logs see it."""

from typing import Final

from rsp.exchange.inert import NO_RESPONDER, NO_STREAM
from rsp.exchange.running_config import RunningConfig
from rsp.exchange.subject import Subject
from rsp.http.grpc import NO_STATUS
from rsp.http.message import RequestFields, RequestHead
from rsp.http.stream import ClientSession
from rsp.net.context import WorkerContext

_NOTHING: Final = RequestHead(b"", b"", 1, RequestFields())


def unread(
    context: WorkerContext, config: RunningConfig, session: ClientSession, request_id: bytes, status: int, sent: int
) -> Subject:
    """It was answered with ``status`` and ``sent`` bytes, and is over."""
    made = Subject()
    made.context, made.config, made.session = context, config, session
    made.client, made.request_id, made.target = session.client, request_id, b""
    made.head, made.stream, made.responder = _NOTHING, NO_STREAM, NO_RESPONDER
    made.route, made.upstream = config.nowhere, None
    made.status, made.sent, made.received = status, sent, 0
    made.response_head = made.logged = made.journal = made.captures = None
    made.user = b""
    made.grpc_status = NO_STATUS
    made.started = context.clock()
    made.over = made.own = True
    return made
