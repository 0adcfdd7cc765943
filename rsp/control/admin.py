"""The admin interface: HTTP/1.1 with JSON on a unix socket.  ``rspctl`` speaks it, and ``curl --unix-socket`` can.

GET  /status   GET /peers   GET /certs
POST /drain    {"peer": "10.0.0.1:80", "upstream": "app", "seconds": 30}
POST /enable   {"peer": ...}     POST /weight  {"peer": ..., "weight": 5}
POST /reload   {"dry_run": true} or {"now": true} or nothing               POST /upgrade
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Annotated, Final

import msgspec

from rsp.config.schema import encode_hook
from rsp.control.state import Mistake, State
from rsp.http.errors import ProtocolError
from rsp.http.h1.head import parse_request
from rsp.http.h1.write import own_response
from rsp.http.message import RequestHead
from rsp.ipc.channel import Outcome, What

_PATIENCE: Final = 10.0  # for a request to arrive
_HEAD_LIMIT: Final = 16 << 10
_BODY_LIMIT: Final = 64 << 10


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


Answer = tuple[int, object]


class Admin:
    """``order(what)`` has the master do something."""

    def __init__(self, state: State, order: Callable[[What], Awaitable[Outcome]]) -> None:
        self._state = state
        self._order = order
        self._running = 0
        self._server: asyncio.Server | None = None  # kept, or it would be collected

    async def serve(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_unix_server(self._client, sock=listening, limit=_HEAD_LIMIT)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; the connection ends with it."""
        self._running += 1
        try:
            try:
                status, data = await self._request(reader)
            except (Mistake, msgspec.ValidationError, msgspec.DecodeError) as error:
                status, data = 400, {"error": str(error)}
            except ProtocolError as error:
                status, data = error.status, {"error": str(error)}
            body = msgspec.json.format(msgspec.json.encode(data, enc_hook=encode_hook), indent=2) + b"\n"
            date = formatdate(usegmt=True).encode()
            writer.write(own_response(status, b"application/json", body, date))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the client has gone, or does not speak HTTP
        finally:
            self._running -= 1
            writer.close()

    async def finish(self) -> None:
        """Finish the answers that are being sent."""
        give_up = time.monotonic() + 0.5
        while self._running and time.monotonic() < give_up:
            await asyncio.sleep(0.01)

    async def _request(self, reader: asyncio.StreamReader) -> Answer:
        async with asyncio.timeout(_PATIENCE):
            head = parse_request(await reader.readuntil(b"\r\n\r\n"))
            if not 0 <= head.framing <= _BODY_LIMIT:
                raise ProtocolError("a body of at most 64 KB, with a Content-Length, is expected", 413)
            body = await reader.readexactly(head.framing)
        return await self._answer(head, body)

    async def _answer(self, head: RequestHead, body: bytes) -> Answer:
        state, method = self._state, head.method
        path = head.path.decode("latin-1")
        if path in ("/status", "/peers", "/certs"):
            return (200, self._shown(path)) if method == b"GET" else (405, {"error": f"GET {path}"})
        if path not in ("/drain", "/enable", "/weight", "/reload", "/upgrade"):
            return 404, {"error": "there are /status, /peers, /certs, /drain, /enable, /weight, /reload and /upgrade"}
        if method != b"POST":
            return 405, {"error": f"POST {path}"}
        if path == "/reload":
            wanted = msgspec.json.decode(body or b"{}", type=ReloadOrder)
            if wanted.dry_run:
                outcome = await self._order("dry-run")
                return 200 if outcome.good else 409, {"good": outcome.good, "message": outcome.text}
            outcome = await self._order("reload-now" if wanted.now else "reload")
            return 200 if outcome.good else 409, {
                "reloaded": outcome.good, "message": outcome.text, "version": outcome.version, "digest": outcome.digest,
            }  # fmt: skip
        if path == "/upgrade":
            outcome = await self._order("upgrade")
            return 200 if outcome.good else 409, {"upgraded": outcome.good, "message": outcome.text}
        order = msgspec.json.decode(body or b"{}", type=PeerOrder)
        if path == "/drain":
            peers = state.drain(order.upstream, order.peer, order.seconds)
            return 200, {"peers": peers, "warning": state.left_without(peers)}
        if path == "/enable":
            return 200, {"peers": state.enable(order.upstream, order.peer)}
        return 200, {"peers": state.weigh(order.upstream, order.peer, order.weight)}

    def _shown(self, path: str) -> object:
        state = self._state
        if path == "/status":
            return state.status()
        if path == "/peers":
            return {"peers": state.peers(), "unknown": state.unknown()}
        return {"certificates": state.certificates.report()}
