"""The dashboard: one page without external resources, events for it, and orders from it where they are allowed.

Rules of this room: a page of another origin gets nothing to read (no CORS, a check of Host against DNS rebinding) and
can order nothing (an order needs a token that only the stream of events has, and JSON, and an Origin that is ours).
What clients of rsp have sent comes to the page as JSON, which makes text nodes of it, never HTML.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncGenerator
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from rsp.auth.passwords import Busy, Users
from rsp.config.dashboard_rules import dashboard_of
from rsp.config.schema import Config, encode_hook
from rsp.control.live import Live
from rsp.control.recent import Recent
from rsp.control.state import State
from rsp.control.web import Handler, Refused, Request, Response, Site

_SCRIPTS: Final = ("format.js", "chart.js", "table.js", "page.js", "live.js")
_MOST_STREAMS: Final = 24
_MORE_EVERY: Final = 5  # views
_LONGEST_FIND: Final = 200
_REALM: Final = {"WWW-Authenticate": 'Basic realm="rsp", charset="UTF-8"'}
_JSON: Final = "application/json"


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
                return _secured(401, "text/plain; charset=utf-8", b"a name and a password are needed\n", _REALM)
            return await handler(request)

        return guarded

    def _ordered(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            self._check_order(request)
            response = await handler(request)
            return _secured(response.status, response.type, response.body)

        return guarded

    def _check_order(self, request: Request) -> None:
        """Raises :class:`Refused` for an order that is not allowed, or that another page may have sent."""
        fields = request.fields
        if not self._actions:
            raise Refused(403, "actions are off; dashboard = { address =, actions = true, users = } allows them")
        if fields.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
            raise Refused(403, "an order from another site")
        origin = fields.get(b"origin")
        if origin is not None and origin.partition(b"://")[2] != fields.get(b"host", b""):
            raise Refused(403, "an order from another origin")
        if fields.get(b"content-type", b"").partition(b";")[0].strip().lower() != _JSON.encode():
            raise Refused(415, "an order is application/json")
        if not secrets.compare_digest(fields.get(b"x-csrf-token", b""), self._token.encode()):
            raise Refused(403, "the token of the page is missing or old; load the page again")

    # -- what there is

    async def _page(self, _request: Request) -> Response:
        page, policy = _assembled()
        return _secured(200, "text/html; charset=utf-8", page, {"Content-Security-Policy": policy})

    async def _history(self, request: Request) -> Response:
        try:
            seconds = min(86400.0, max(60.0, float(request.query.get("seconds", "300"))))
        except ValueError:
            raise Refused(400, "seconds: a number is expected") from None
        name = request.query.get("name", "")
        points = self._live.history(request.query.get("kind", "total"), name, seconds)
        if points is None:
            raise Refused(404, "nothing is remembered of that")
        return _secured(200, _JSON, _encoded(points))

    async def _events(self, request: Request) -> Response:
        if self._streams >= _MOST_STREAMS:
            raise Refused(503, f"{_MOST_STREAMS} pages are open already")
        find = request.query.get("find", "")[:_LONGEST_FIND]
        return _secured(200, "text/event-stream", self._stream(find), live=True)

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
def _assembled() -> tuple[bytes, str]:
    """The page, and the policy that allows what is in it and nothing else."""
    folder = files("rsp.control") / "page"
    style = (folder / "style.css").read_text("utf-8")
    script = "".join((folder / name).read_text("utf-8") for name in _SCRIPTS)
    page = (folder / "page.html").read_text("utf-8").replace("{style}", style, 1).replace("{script}", script, 1)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page.encode(), policy


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _encoded(data: object) -> bytes:
    return msgspec.json.encode(data, enc_hook=encode_hook)


def _event(name: bytes, data: object) -> bytes:
    """JSON has no line break."""
    return b"event: %b\ndata: %b\n\n" % (name, _encoded(data))


def _refuse(status: int, why: str) -> Response:
    return _secured(status, _JSON, _encoded({"error": why}))


def _secured(
    status: int,
    kind: str,
    body: bytes | AsyncGenerator[bytes, None],
    fields: dict[str, str] | None = None,
    *,
    live: bool = False,
) -> Response:
    """With what keeps other pages out."""
    always = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
    return Response(status, kind, body, {**always, **(fields or {})}, live)
