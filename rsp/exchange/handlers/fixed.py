"""Redirects and fixed responses."""

import re
from typing import Final

from rsp.config.placeholders import IN_FIELDS, IN_REDIRECTS, Source, Template
from rsp.config.schema import HeaderRules, Redirect, Respond, Route
from rsp.exchange.answers import Answer
from rsp.exchange.exchange import Exchange
from rsp.exchange.filters.headers import Rules
from rsp.exchange.handler import Handler
from rsp.http.values import PHRASES

_SLASHES: Final = (b"/", b"\\")
_PATH: Final = re.compile(r"(?<!\{)\{path\}(?!\})")
_IN_LOCATION: Final = (*IN_REDIRECTS, "target")


class Fixed(Handler):
    """For a route with ``redirect`` or ``respond``."""

    __slots__ = ("_location", "_more", "_respond", "_type")

    def __init__(self, route: Route) -> None:
        redirect, respond = route.redirect, route.respond
        if isinstance(redirect, str):
            redirect = Redirect(to=redirect)
        if redirect is not None:
            respond = Respond(status=redirect.status, body=f"{PHRASES[redirect.status].decode()}\n")
        self._location = Location(redirect.to) if redirect is not None else None
        self._respond = respond or Respond()
        fields = {name: value for name, value in self._respond.headers.items() if name.lower() != "content-type"}
        types = [value for name, value in self._respond.headers.items() if name.lower() == "content-type"]
        self._type = Template((types or [self._respond.type])[-1], IN_FIELDS if types else ())
        self._more = Rules(HeaderRules(add=fields))

    def start(self, exchange: Exchange) -> None:
        exchange.answer(self.answer(exchange))

    def answer(self, source: Source) -> Answer:
        """``source`` knows what placeholders stand for."""
        more = self._more.apply(b"", source)
        if self._location is not None:
            more += b"Location: %b\r\n" % self._location.fill(source)
        respond = self._respond
        return respond.status, self._type.fill(source), more, respond.body.encode()


class Location:
    """Where a redirect leads.  The request's query is kept: behind ``{path}``, at the end, or where ``{query}`` stands;
    a target with a query of its own and without ``{path}`` is complete."""

    def __init__(self, to: str) -> None:
        before, mark, fragment = to.partition("#")
        path, question, query = before.partition("?")
        names = Template(to, IN_REDIRECTS).names
        own = Template(query, IN_REDIRECTS).names
        if "path" in own and "query" not in names:  # /login?next={path} says where the client wanted to go
            before = path + question + _PATH.sub("{target}", query)
        complete = "query" in names or (question and ("path" in own or "path" not in names))
        self._joint = b"" if complete else b"&" if question else b"?"
        self._before, self._after = Template(before, _IN_LOCATION), Template(mark + fragment, IN_REDIRECTS)

    def fill(self, source: Source) -> bytes:
        target = self._before.fill(source)
        query = source.placeholder("query") if self._joint else b""
        if query:
            target += self._joint + query
        # "//name" is another host, and browsers take a backslash for a slash: no client's path may become one.
        if target[:1] == b"/" and target[1:2] in _SLASHES and self._before.start[1:2] not in _SLASHES:
            target = b"/" + target.lstrip(b"/\\")
        return target + self._after.fill(source)
