"""The dashboard: one page without external resources, events for it, and orders from it where they are allowed.

Rules of this room: a page of another origin cannot read anything (no CORS, a check of Host against DNS rebinding).  It
cannot send orders either: an order needs a token that only the stream of events has, JSON, and rsp's own Origin.
What clients of rsp have sent comes to the page as JSON, which makes text nodes of it, never HTML.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from rsp.auth.passwords import Busy, Users
from rsp.config.dashboard_rules import dashboard_of
from rsp.config.schema import Config, encode_hook
from rsp.control.document import JSON, assembled, check_order, event, secured
from rsp.control.live import Live
from rsp.control.recent import Recent
from rsp.control.state import State
from rsp.control.web import Handler, Refused, Request, Response, Site

_SCRIPTS: Final = ("format.js", "chart.js", "table.js", "page.js", "live.js")
_MOST_STREAMS: Final = 24
_MORE_EVERY: Final = 5  # views
_LONGEST_FIND: Final = 200
_REALM: Final = {"WWW-Authenticate": 'Basic realm="rsp", charset="UTF-8"'}


class Dashboard:
    """``orders``: handlers for what operators may order, by method and path."""

    def __init__(self, state: State, live: Live, recent: Recent, orders: dict[str, Handler]) -> None:
        self._state = state
        self._live = live
        self._recent = recent
        self._users: Users | None = None
        self._operators = b""
        self._actions = False
        self._token = secrets.token_urlsafe(24)
        self._streams = 0
        self._generation = 0  # of what decides which users see it
        _assembled()  # later, the process may not be allowed to read it
        shown = {"GET /": self._page, "GET /events": self._events, "GET /history": self._history}
        handlers = {path: self._for_users(handler) for path, handler in shown.items()}
        handlers |= {path: self._for_users(self._ordered(handler)) for path, handler in orders.items()}
        self.site = Site(handlers, refuse=_refuse)

    def arrange(self, config: Config) -> None:
        """As ``config`` says.  Other users, or other rights: streams end, and browsers ask anew."""
        dashboard = dashboard_of(config.settings)
        restricted = dashboard is not None and dashboard.users is not None
        actions = dashboard is not None and dashboard.actions and restricted
        wanted = (restricted, actions, config.operators)
        if wanted != (self._users is not None, self._actions, self._operators):
            self._users = Users(config.operators) if restricted else None
            self._actions, self._operators = actions, config.operators
            self._generation += 1

    # -- who may

    def _for_users(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if self._users is not None and not await _is_known(self._users, request):
                return secured(401, "text/plain; charset=utf-8", b"a name and a password are required\n", _REALM)
            return await handler(request)

        return guarded

    def _ordered(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            self._check_order(request)
            response = await handler(request)
            return secured(response.status, response.type, response.body)

        return guarded

    def _check_order(self, request: Request) -> None:
        """Raises :class:`Refused` for an order that is not allowed, or that another page may have sent."""
        if not self._actions:
            raise Refused(403, "actions are off; dashboard = { address =, actions = true, users = } allows them")
        check_order(request, self._token)

    # -- what there is

    async def _page(self, _request: Request) -> Response:
        return _assembled()

    async def _history(self, request: Request) -> Response:
        try:
            seconds = min(86400.0, max(60.0, float(request.query.get("seconds", "300"))))
        except ValueError:
            raise Refused(400, "seconds: a number is expected") from None
        name = request.query.get("name", "")
        points = self._live.history(request.query.get("kind", "total"), name, seconds)
        if points is None:
            raise Refused(404, "there is no history for this")
        return secured(200, JSON, _encoded(points))

    async def _events(self, request: Request) -> Response:
        if self._streams >= _MOST_STREAMS:
            raise Refused(503, f"{_MOST_STREAMS} pages are open already")
        find = request.query.get("find", "")[:_LONGEST_FIND]
        return secured(200, "text/event-stream", self._stream(find), live=True)

    async def _stream(self, find: str) -> AsyncGenerator[bytes, None]:
        generation = self._generation
        self._streams += 1
        try:
            yield b"retry: 1000\n\n"
            number = 0
            while generation == self._generation:
                view = self._live.view(find)
                if view is not None:
                    yield _event(b"view", view)
                    if number % _MORE_EVERY == 0:
                        yield _event(b"more", self._more(view))
                    number += 1
                await self._live.news()
        finally:
            self._streams -= 1

    def _more(self, view: dict[str, object]) -> dict[str, object]:
        """What changes more seldom."""
        slow = self._recent.slow
        return {
            "actions": self._actions,
            "token": self._token if self._actions else None,
            "sparks": self._live.sparks(view),
            "certificates": self._state.certificates.report()[:200],
            "slow": slow.slowest(),
            "threshold": slow.threshold,
            "errors": list(self._recent.errors),
            "reloads": list(self._recent.reloads),
        }


async def _is_known(users: Users, request: Request) -> bool:
    """By HTTP's Basic authentication.  Raises :class:`Refused`."""
    scheme, _, given = request.fields.get(b"authorization", b"").partition(b" ")
    given = given.strip()
    if scheme.lower() != b"basic" or not given:
        return False
    if users.recall(given) is not None:
        return True
    try:
        found = await asyncio.wrap_future(users.begin(given))
    except Busy:
        raise Refused(503, "too many passwords wait to be checked; try again later") from None
    if found is not None:
        users.remember(given, found)
    return found is not None


@cache
def _assembled() -> Response:
    folder = files("rsp.control") / "page"
    return assembled(folder / "page.html", [folder / "style.css"], [folder / name for name in _SCRIPTS])


def _encoded(data: object) -> bytes:
    return msgspec.json.encode(data, enc_hook=encode_hook)


def _event(name: bytes, data: object) -> bytes:
    return event(name, _encoded(data))


def _refuse(status: int, why: str) -> Response:
    return secured(status, JSON, _encoded({"error": why}))
