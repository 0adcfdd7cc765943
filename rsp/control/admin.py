"""The admin interface: HTTP/1.1 with JSON on a unix socket.  ``rspctl`` speaks it, and ``curl --unix-socket`` can.

GET  /status   GET /peers   GET /certs
POST /drain    {"peer": "10.0.0.1:80", "upstream": "app", "seconds": 30}
POST /enable   {"peer": ...}     POST /weight  {"peer": ..., "weight": 5}
POST /reload   {"dry_run": true} or {"now": true} or nothing               POST /upgrade
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from rsp.config.schema import encode_hook
from rsp.control import routes
from rsp.control.state import Data, Mistake, State
from rsp.control.web import Handler, Refused, Request, Response
from rsp.ipc.channel import Outcome, What
from rsp.logs import log

T = TypeVar("T")


class PeerOrder(msgspec.Struct, forbid_unknown_fields=True):
    """``seconds`` is for drain, ``weight`` for weight."""

    peer: str
    upstream: str | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    weight: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None


class ReloadOrder(msgspec.Struct, forbid_unknown_fields=True):
    """``now``: without a trial.  ``dry_run``: only say what would change."""

    now: bool = False
    dry_run: bool = False


class Admin:
    """``order(what)`` has the master do something.  ``warnings(since)``: what processes have logged since then."""

    def __init__(
        self, state: State, order: Callable[[What], Awaitable[Outcome]], warnings: Callable[[float], list[str]]
    ) -> None:
        self._state = state
        self._order = order
        self._warnings = warnings

    def handlers(self) -> dict[str, Handler]:
        """For a site whose ``refuse`` is :func:`refuse`."""
        return {
            "GET /status": self._status,
            "GET /peers": self._peers,
            "GET /certs": self._certs,
            "GET /routes": self._routes,
            **self.peer_orders(),
            "POST /reload": self._reload,
            "POST /upgrade": self._upgrade,
        }

    def peer_orders(self) -> dict[str, Handler]:
        """What may be ordered of peers."""
        return {"POST /drain": self._drain, "POST /enable": self._enable, "POST /weight": self._weight}

    async def _status(self, _request: Request) -> Response:
        return answer(self._state.status())

    async def _peers(self, _request: Request) -> Response:
        state, peers = self._state, list[Data]()
        for piece in state.peers_in_pieces():
            peers += piece
            await asyncio.sleep(0)
        return answer({"peers": peers, "unknown": state.unknown(), "discovery": state.sources()})

    async def _certs(self, _request: Request) -> Response:
        return answer({"certificates": self._state.certificates.report()})

    async def _routes(self, _request: Request) -> Response:
        return answer(routes.report(self._state.bundle.config, self._state.labels_problem()))

    async def _drain(self, request: Request) -> Response:
        order = _decoded(request, PeerOrder)
        peers = self._change(lambda: self._state.drain(order.upstream, order.peer, order.seconds), "is drained")
        return answer({"peers": peers, "warning": self._state.left_without(peers)})

    async def _enable(self, request: Request) -> Response:
        order = _decoded(request, PeerOrder)
        peers = self._change(lambda: self._state.enable(order.upstream, order.peer), "is enabled")
        return answer({"peers": peers})

    async def _weight(self, request: Request) -> Response:
        order = _decoded(request, PeerOrder)
        weight = "its configured weight" if order.weight is None else f"weight {order.weight}"
        peers = self._change(lambda: self._state.weigh(order.upstream, order.peer, order.weight), f"is given {weight}")
        return answer({"peers": peers})

    @staticmethod
    def _change(change: Callable[[], list[Data]], said: str) -> list[Data]:
        """``said``: for the log, which shows what has changed where nothing has failed."""
        try:
            peers = change()
        except Mistake as error:
            raise Refused(400, str(error)) from None
        for peer in peers:
            log.line(f'upstream "{peer["upstream"]}": peer {peer["peer"]} {said} by an operator')
        return peers

    async def _reload(self, request: Request) -> Response:
        wanted = _decoded(request, ReloadOrder)
        if wanted.dry_run:
            outcome = await self._ordered("dry-run")
            return answer({"good": outcome.good, "message": outcome.text, **_beside(outcome)}, good=outcome.good)
        began = time.time()
        outcome = await self._ordered("reload-now" if wanted.now else "reload")
        said = {"message": outcome.text, "version": outcome.version, "digest": outcome.digest, **_beside(outcome)}
        if not outcome.good:
            said["warnings"] = self._warnings(began)
        return answer({"reloaded": outcome.good, **said}, good=outcome.good)

    async def _upgrade(self, _request: Request) -> Response:
        outcome = await self._ordered("upgrade")
        return answer({"upgraded": outcome.good, "message": outcome.text}, good=outcome.good)

    async def _ordered(self, what: What) -> Outcome:
        try:
            return await self._order(what)
        except Mistake as error:
            raise Refused(400, str(error)) from None


def _beside(outcome: Outcome) -> Data:
    """Of a refusal, what the names of files in it are relative to."""
    try:
        return {} if outcome.good else {"directory": str(Path.cwd())}
    except OSError:  # it has been removed
        return {}


def answer(data: object, *, good: bool = True) -> Response:
    """409 where it is not ``good``."""
    return _response(200 if good else 409, data)


def refuse(status: int, why: str) -> Response:
    return _response(status, {"error": why})


def _response(status: int, data: object) -> Response:
    encoded = msgspec.json.encode(data, enc_hook=encode_hook)
    return Response(status, "application/json", msgspec.json.format(encoded, indent=2) + b"\n")


def _decoded(request: Request, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(request.body or b"{}", type=wanted)
    except msgspec.MsgspecError as error:
        raise Refused(400, str(error)) from None
