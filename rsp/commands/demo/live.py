"""The page's server: what it shows, and what its buttons order.

Rules of this room: it listens on the loopback address only; every request needs the token, which only the terminal
shows; a request for another host gets 421 (DNS rebinding), and an order has to come from the page itself.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncGenerator
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from rsp.commands.demo.backends import Backends
from rsp.commands.demo.load import FAILED, TRIAL, Load
from rsp.commands.demo.ports import LOOPBACK
from rsp.commands.demo.proxy import Proxy
from rsp.commands.demo.site import CHANGES, Site
from rsp.config.dashboard_rules import dashboard_of
from rsp.config.schema import Config
from rsp.config.units import Listen
from rsp.control import web
from rsp.control.document import JSON, assembled, check_order, event, secured
from rsp.control.hosts import Hosts
from rsp.control.web import Handler, Refused, Request, Response
from rsp.control.web_server import Server
from rsp.terminal.instance import Failure

PORT: Final = 8001
_EVERY: Final = 0.25  # seconds between two views
_STATES_EVERY: Final = 0.5  # seconds between two looks at rsp
_MOST_STREAMS: Final = 8
_MOST_NOTES: Final = 40


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """``name``: of a backend or of a change."""

    name: str = ""
    paused: bool = False


class Live:
    """``load`` is ``None`` where rsp has no address that the page's requests could go to."""

    def __init__(self, site: Site, backends: Backends, proxy: Proxy, load: Load | None) -> None:
        self._site = site
        self._backends = backends
        self._proxy = proxy
        self._load = load
        self.token = secrets.token_urlsafe(24)
        self._streams = 0
        self._paused = False
        self._status: dict[str, Any] = {}
        self._states: dict[str, str] = {}
        self._notes: list[dict[str, Any]] = []
        self._force = "original"  # the change that rsp runs with
        self._reloading: str | None = None
        handlers: dict[str, Handler] = {"GET /": self._seen(_page), "GET /events": self._seen(self._events)}
        orders = {"/kill": self._kill, "/revive": self._revive, "/reload": self._reload, "/pause": self._pause}
        handlers |= {f"POST {path}": self._ordered(handler) for path, handler in orders.items()}
        self._server = Server(web.Site(handlers, Hosts(Listen.parse(f"{LOOPBACK}:{PORT}"), ()), _refuse))

    async def serve(self, listening: socket.socket) -> None:
        """For ever."""
        await self._server.serve(listening)
        while True:
            if self._streams:
                await self._look()
            await asyncio.sleep(_STATES_EVERY)

    async def finish(self) -> None:
        await self._server.finish()

    async def _look(self) -> None:
        try:
            self._status, self._states = await self._proxy.status(), await self._proxy.states()
        except Failure:
            self._status, self._states = {}, {}

    # -- access

    def _seen(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if not secrets.compare_digest(request.query.get("token", "").encode(), self.token.encode()):
                raise Refused(403, "the token is missing or old; open the address that rsp demo shows in its terminal")
            return await handler(request)

        return guarded

    def _ordered(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            check_order(request, self.token)
            return await handler(request)

        return guarded

    # -- what there is

    async def _events(self, _request: Request) -> Response:
        if self._streams >= _MOST_STREAMS:
            raise Refused(503, f"{_MOST_STREAMS} pages are open already")
        return secured(200, "text/event-stream", self._stream(), live=True)

    async def _stream(self) -> AsyncGenerator[bytes, None]:
        self._streams += 1
        self._arrange()
        try:
            yield b"retry: 1000\n\n"
            yield _event(b"site", self._about())
            shown = self._load.total if self._load is not None else 0
            while True:
                yield _event(b"view", self._view(shown))
                shown = self._load.total if self._load is not None else 0
                await asyncio.sleep(_EVERY)
        finally:
            self._streams -= 1
            self._arrange()

    def _arrange(self) -> None:
        """Requests are sent while a page is open."""
        if self._load is None:
            return
        if self._streams and not self._paused:
            self._load.wanted.set()
        else:
            self._load.wanted.clear()

    def _about(self) -> dict[str, object]:
        changes = [
            {"name": name, "title": change.title, "about": change.about, "lines": change.lines}
            for name, change in self._site.changes.items()
        ]
        return {
            "file": self._site.shown,
            "own": self._site.file is not None,
            "text": self._site.text,
            "changes": changes,
            "pid": self._proxy.pid,
            "workers": self._proxy.workers,
            "address": self._load.url if self._load is not None else None,
            "dashboard": _dashboard_of(self._site.config),
        }

    def _view(self, shown: int) -> dict[str, object]:
        load = self._load
        new = min(load.total - shown, len(load.outcomes)) if load is not None else 0
        counts = dict(load.counts) if load is not None else {}
        failed, trial = counts.pop(FAILED, 0), counts.pop(TRIAL, 0)
        return {
            "sent": load.sent if load is not None else 0,
            "running": load.running if load is not None else 0,
            "answered": sum(counts.values()),
            "failed": failed,
            "trial": trial,
            "counts": counts,
            "new": list(load.outcomes)[-new:] if load is not None and new else [],
            "retries": self._status.get("totals", {}).get("retries", 0),
            "version": self._status.get("configuration", {}).get("version"),
            "backends": [self._backend(name, port) for name, port in self._backends.ports.items()],
            "paused": self._paused,
            "force": self._force,
            "reloading": self._reloading,
            "notes": self._notes,
        }

    def _backend(self, name: str, port: int) -> dict[str, object]:
        state = self._states.get(f"{LOOPBACK}:{port}", "")
        return {"name": name, "port": port, "runs": self._backends.runs(name), "state": state}

    # -- orders

    def _note(self, kind: str, text: str, detail: str = "") -> None:
        self._notes.append({"at": time.time(), "kind": kind, "text": text, "detail": detail})
        del self._notes[:-_MOST_NOTES]

    def _named(self, request: Request) -> str:
        """A backend.  Raises :class:`Refused`."""
        name = _decoded(request).name
        if name not in self._backends.ports:
            raise Refused(404, f"there is no backend {name[:40]}")
        return name

    async def _kill(self, request: Request) -> Response:
        name = self._named(request)
        self._backends.kill(name)
        self._note("warn", f"{name} is killed (kill -9).  rsp sends what it does not answer to the others.")
        return _done()

    async def _revive(self, request: Request) -> Response:
        name = self._named(request)
        try:
            self._backends.revive(name)
        except OSError as error:
            raise Refused(
                409, f"{name} cannot be started: port {self._backends.ports[name]}: {error.strerror}"
            ) from None
        self._note("good", f"{name} is started again.  rsp notices and sends it requests.")
        return _done()

    async def _pause(self, request: Request) -> Response:
        self._paused = _decoded(request).paused
        self._arrange()
        return _done()

    async def _reload(self, request: Request) -> Response:
        name = _decoded(request).name
        if name not in self._site.changes:
            raise Refused(404, f"there is no change {name[:40]}")
        if self._reloading is not None:
            raise Refused(409, "a reload is under way")
        self._reloading = name
        try:
            return await self._reloaded(name)
        finally:
            self._reloading = None

    async def _reloaded(self, name: str) -> Response:
        """The original is back in its place afterwards, so that a reload by a signal reads what the user has edited."""
        self._site.change(name)
        try:
            good, text = await self._proxy.reload()
        except Failure as error:
            good, text = False, f"rsp cannot be told to reload: {error}"
        self._site.change("original")
        if good:
            self._force = name
        first, _, rest = text.partition("\n")
        self._note("good" if good else "bad", f"{CHANGES[name].title}.  {first}", rest)
        return _done()


def _dashboard_of(config: Config) -> str | None:
    """Where the browser of this machine finds rsp's own dashboard."""
    dashboard = dashboard_of(config.settings)
    if dashboard is None or dashboard.address.is_unix or dashboard.address.host != LOOPBACK:
        return None
    return f"http://{LOOPBACK}:{dashboard.address.port}/"


@cache
def _assembled() -> Response:
    shared, own = files("rsp.control") / "page", files("rsp.commands.demo") / "page"
    return assembled(
        own / "page.html", [shared / "style.css", own / "style.css"], [shared / "format.js", own / "page.js"]
    )


async def _page(_request: Request) -> Response:
    return _assembled()


def _decoded(request: Request) -> Order:
    try:
        return msgspec.json.decode(request.body, type=Order)
    except msgspec.MsgspecError as error:
        raise Refused(400, str(error)) from None


def _event(name: bytes, data: object) -> bytes:
    return event(name, msgspec.json.encode(data))


def _done() -> Response:
    return secured(200, JSON, b"{}")


def _refuse(status: int, why: str) -> Response:
    return secured(status, JSON, msgspec.json.encode({"error": why}))
