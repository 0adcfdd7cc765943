"""The data of an exchange: for counters, logs, traces, placeholders.

Rules of this room: what is known and nothing else; an :class:`rsp.exchange.exchange.Exchange` is one.
"""

from rsp.exchange.forward.journal import Journal
from rsp.exchange.forward.upstream import Upstream
from rsp.exchange.running_config import RouteTarget, RunningConfig
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.peer_stream import Responder
from rsp.http.stream import ClientEvents, ClientSession, ClientStream
from rsp.net.context import WorkerContext


class Subject(ClientEvents):
    """``started``: the moment of the request's head, by the clock of ``context``.

    ``client``      the client's address, as a trusted proxy tells it once :meth:`tell` was called
    ``route``       ``config.nowhere`` until it is found
    ``upstream``    whose peers were asked, if any were
    ``responder``   what the response comes from, and when it came
    ``captures``    what the groups of the route's ``regex`` have found, by number and name; ``None``: it has none
    ``target``      the request target as a peer sees it
    ``status``      of the response; 0: there is none yet
    ``grpc_status`` of a call of gRPC, where trailers say it or rsp has given it up; else ``grpc.NO_STATUS``
    ``received``    bytes of the request's body, ``sent`` of the response's body; of a tunnel, too
    ``response_head``  as it was sent to the client; ``None``: nothing was
    ``logged``      values that hooks have given to the log, by name
    ``own``         the response is rsp's own
    ``journal``     what has happened, step by step, if something looks at single requests; else ``None``
    ``over``        it has ended
    ``user``        the name that it has shown to be its client's; empty: none
    """

    # fmt: off
    __slots__ = (
        "captures", "client", "config", "context", "grpc_status", "head", "journal", "logged", "over", "own",
        "received", "request_id", "responder", "response_head", "route", "sent", "session", "started", "status",
        "stream", "target", "upstream", "user",
    )
    # fmt: on

    captures: dict[str, bytes] | None
    client: bytes
    config: RunningConfig
    context: WorkerContext
    grpc_status: int
    head: RequestHead
    journal: Journal | None
    logged: dict[str, bytes | float] | None
    over: bool
    own: bool
    received: int
    request_id: bytes
    responder: Responder
    response_head: ResponseHead | None
    route: RouteTarget
    sent: int
    session: ClientSession
    started: float
    status: int
    stream: ClientStream
    target: bytes
    upstream: Upstream | None
    user: bytes

    def local_name(self) -> bytes:
        ends = self.stream.ends()
        return b"%b:%d" % (ends[1][0].encode(), ends[1][1]) if ends is not None else b""

    def tell(self) -> None:
        """Find out the client's real address."""
        raise NotImplementedError
