"""The locations that ``auth_request`` names: which upstream is asked for which path, or what decides without one.

A location that asks no service says by ``if`` and ``return`` whether a client comes in: its statements become lines of
the hook.  nginx evaluates them in a request of its own, with another path and without the query: conditions on these
are not translated.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.peers import proxy
from rsp.importing.nginx.rewrite.guards import MODULE, Dynamic, Guards, until_break
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.variables import Unsayable, pieces
from rsp.importing.site import Declaration

NO_PEER: Final = "192.0.2.1:9"  # RFC 5737: in no network
# What rsp sends it (docs/forward-auth.md), and what does not matter for a request without a body.
_SENT: Final = frozenset(
    """
    host x-original-url x-original-uri x-original-method x-forwarded-for x-forwarded-proto x-forwarded-host
    x-forwarded-uri x-forwarded-method x-real-ip content-length connection upgrade transfer-encoding accept-encoding
    cookie authorization
    """.split()  # noqa: SIM905 - a list of words
)
_SAME: Final = frozenset("host scheme remote_addr binary_remote_addr request_uri request_method https".split())  # noqa: SIM905
_FAMILIES: Final = ("http_", "cookie_", "ssl_")


class Services:
    """Those of one server."""

    def __init__(self, context: Context, server: Server) -> None:
        self._context = context
        self._server = server
        self._found: dict[str, tuple[str, str]] | None = None

    @property
    def asked(self) -> Mapping[str, tuple[str, str]]:
        """Upstream and path, by the location's path."""
        if self._found is None:
            self._found = {}
            inner = (self._server.level, *(location.level for location in self._server.all_locations()))
            levels = {id(level): level for each in inner for level in each.around()}  # each of them once
            asked = {each.value for level in levels.values() for each in level.block if each.name == "auth_request"}
            for location in self._server.locations:
                if location.path in asked and location.content is not None and not location.is_regex:
                    found = self._service(location)
                    if found is not None:
                        self._found[location.path] = found
            if self._context.zones.guesses:
                for path in sorted(asked - {"off", *self._found}):
                    place = self._server.find(path)
                    is_elsewhere = place is None or place.level.value("auth_request") == path
                    if is_elsewhere and path.startswith("/") and "$" not in path:
                        self._found[path] = self._elsewhere(path)
        return self._found

    def _elsewhere(self, path: str) -> tuple[str, str]:
        """A part of a configuration asks a service that another file names: until it is named here, none is asked."""
        result = self._context.result
        name = result.upstream("auth", [NO_PEER], {}, None)
        for part in result.upstreams:
            if isinstance(part, Declaration) and part.name == name and not part.comments:
                part.comments.append("Another file names the service that decides about requests: put it here.")
        said = f"another file has the location {path} of auth_request: name its service in the upstream {name}"
        result.upstreams.note(None, f"{said}, and its path in `auth`; until then, all requests are refused")
        return name, path

    def _service(self, location: Location) -> tuple[str, str] | None:
        statement = location.content
        if statement is None or statement.name != "proxy_pass":
            return None
        names, context = self._server.names_at(location), self._context
        try:
            target = proxy.target(statement, location.level, names, context.blocks, context.result, Parts())
        except Unsayable:
            return None
        path = names.expand(target.uri) if target.uri is not None else location.path
        path = re.sub(r"\$is_args\$args$|\?\$args$", "", path)
        if "$" in path:
            return None
        statement.used = True
        for each in location.level.all("proxy_method", "proxy_set_body", "proxy_pass_request_headers"):
            if each.value.upper() not in ("GET", "ON"):
                context.result.upstreams.lost(
                    each, "rsp asks the service of auth_request by GET, with fields of its own"
                )
        lost = [each for each in location.level.all("proxy_set_header") if each.value.lower() not in _SENT]
        if lost:
            said = f"the service of auth_request does not get {', '.join(dict.fromkeys(each.value for each in lost))}"
            context.result.upstreams.note(lost[0], said)
        for name in ("proxy_pass_request_body", "proxy_set_header", "internal"):
            location.level.own(name)
        return target.upstream, path or "/"


def deciding(level: Level, server: Server) -> Location | None:
    """The location that ``auth_request`` of ``level`` names, if it answers by itself."""
    path = level.value("auth_request", "off")
    found = server.find(path) if path.startswith("/") else None
    if found is None or found.path != path or found.is_regex or found.content is not None:
        return None
    return found if found.level.has("return") else None


def verdict(
    location: Location, level: Level, guards: Guards, functions: Dynamic, refuse: Callable[[str], str]
) -> list[str]:
    """Of a hook.  ``refuse``: what it does instead of going on, for a status.  Raises :class:`Unsayable`."""
    if level.value("satisfy") == "any":
        raise Unsayable(f"auth_request {location.path} beside `satisfy any`")
    block = [_simple(each) for each in location.level.block if each.name in MODULE]
    known = guards.jump, guards.branches
    guards.jump = lambda code: "break" if code.startswith("2") else refuse(code if code in ("401", "403") else "500")
    try:
        found = guards.some(block)
    finally:
        guards.jump, guards.branches = known
    words = [word for each in block if each.name == "if" for word in each.args]
    for name in _asked([guards.names.expand(word) for word in words], functions):
        if name not in _SAME and not name.startswith(_FAMILIES):
            raise Unsayable(f"auth_request {location.path}: nginx has another ${name} there")
    return until_break(found[:-1] if found[-1] == "break" else found)


def _simple(statement: Statement) -> Statement:
    """An ``if`` with ``return``, or ``return``: without the text, which no client gets.  Raises :class:`Unsayable`."""
    block = statement.block
    if statement.name == "return":
        code = statement.value if statement.value.isdigit() else "302"
        return Statement("return", [code], statement.origin)
    if statement.name != "if" or block is None or [each.name for each in block] != ["return"]:
        raise Unsayable(f"rsp import does not translate `{statement.name}` in a location of auth_request")
    return Statement("if", statement.args, statement.origin, [_simple(each) for each in block])


def _asked(texts: list[str], functions: Dynamic) -> set[str]:
    """The variables in them, and in the place of maps those that these ask for."""
    names: set[str] = set()
    for text in texts:  # which grows
        for _, name in pieces(text):
            if name and name not in names:
                names.add(name)
                texts += functions.sources(name) or []
    return {name for name in names if functions.sources(name) is None}
