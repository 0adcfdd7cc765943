"""Redirects and fixed responses."""

import html
import json
from collections.abc import Callable

from rsp.config.answers import HeaderRules, Redirect, Respond
from rsp.config.placeholders import IN_KEYS, Names, Source, Template
from rsp.config.routes import Route
from rsp.config.url_template import UrlTemplate
from rsp.exchange.answers import Answer
from rsp.exchange.exchange import Exchange
from rsp.exchange.filters.headers import Rules
from rsp.exchange.handler import Handler
from rsp.exchange.rewrite import one_slash
from rsp.http import percent
from rsp.http.values import PHRASES


class Fixed(Handler):
    """For a route with ``redirect`` or ``respond``."""

    __slots__ = ("_body", "_location", "_more", "_status", "_type")

    def __init__(self, route: Route) -> None:
        redirect, respond = route.redirect, route.respond
        if isinstance(redirect, str):
            redirect = Redirect(to=redirect)
        if redirect is not None:
            respond = Respond(status=redirect.status, body=f"{PHRASES[redirect.status].decode()}\n")
        respond = respond or Respond()
        known = IN_KEYS.of(route)
        fields = {name: value for name, value in respond.headers.items() if name.lower() != "content-type"}
        types = [value for name, value in respond.headers.items() if name.lower() == "content-type"]
        media = (types or [respond.type])[-1]
        self._status = respond.status
        self._location = Location(redirect.to, known) if redirect is not None else None
        self._type = Template(media, known if types else ())
        self._more = Rules(HeaderRules(add=fields), known=known)
        self._body = Template(respond.body, known, escape_for(media))

    def start(self, exchange: Exchange) -> None:
        exchange.answer(self.answer(exchange))

    def answer(self, source: Source) -> Answer:
        """``source`` knows what placeholders stand for."""
        more = self._more.apply(b"", source)
        if self._location is not None:
            more += b"Location: %b\r\n" % self._location.fill(source)
        return self._status, self._type.fill(source), more, self._body.fill(source)


class Location:
    """Where a redirect leads.  The request's query is kept, unless ``to`` has a ``?``, or says by ``{query}`` or
    ``{uri}`` where it goes."""

    __slots__ = ("_after", "_keeps_query", "_target", "_trims")

    def __init__(self, to: str, known: Names = IN_KEYS) -> None:
        before, mark, fragment = to.partition("#")
        self._target, self._after = UrlTemplate(before, known), UrlTemplate(mark + fragment, known)
        names = self._target.names | self._after.names
        self._keeps_query = "?" not in before and names.isdisjoint(("query", "uri"))
        self._trims = before.endswith(("?{query}", "&{query}"))

    def fill(self, source: Source) -> bytes:
        target = self._target.fill(source)
        # "//name" is another host, and browsers take a backslash for a slash: no client's path may become one.
        if target[:1] == b"/":
            target = one_slash(target, self._target.start)
        if self._keeps_query:
            query = source.placeholder("query")
            target += b"?" + percent.query(query) if query else b""
        elif self._trims:
            target = target.rstrip(b"?&")
        return target + self._after.fill(source)


def escape_for(media: str) -> Callable[[bytes], bytes] | None:
    """What makes a value plain text in a body of that type; ``None``: it is."""
    media = media.lower()
    if "html" in media or "xml" in media:
        return _for_markup
    return _for_json if "json" in media or "javascript" in media else None


def _for_markup(value: bytes) -> bytes:
    return html.escape(value.decode("latin-1")).encode("latin-1")


def _for_json(value: bytes) -> bytes:
    """Within quotes."""
    return json.dumps(value.decode("utf-8", "replace"))[1:-1].encode()
