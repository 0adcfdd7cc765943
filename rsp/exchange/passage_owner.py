"""The exchange, as its passage knows it: what filters see of it, and how request and response go on behind them."""

from typing import Protocol

from rsp.exchange.backlog import BacklogOwner
from rsp.exchange.coder import CodedOwner
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.running_config import RouteTarget, RunningConfig
from rsp.http.message import RequestHead, ResponseHead


class PassageOwner(BacklogOwner, CodedOwner, Protocol):
    body: RequestBody | None
    config: RunningConfig
    dropped: bool
    head: RequestHead
    request_done: bool
    response_head: ResponseHead | None
    route: RouteTarget

    # -- the request goes on

    def enter(self) -> None: ...

    def handle(self, route: RouteTarget) -> None: ...

    def source_ready(self) -> None: ...

    # -- the response goes on

    def interim(self, head: ResponseHead) -> None: ...

    def send(self, head: ResponseHead, pieces: list[bytes], trailers: list[bytes] | None) -> None: ...

    def refuse(self, status: int, reason: str) -> None: ...

    def refuse_plainly(self, status: int, reason: str, fields: bytes) -> None: ...

    def abort_responder(self) -> None: ...

    def cut_off(self) -> None: ...
