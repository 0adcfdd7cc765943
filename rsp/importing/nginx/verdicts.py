"""``auth_request`` to a location that asks no service, and says by ``if`` and ``return`` whether a client comes in.

Its statements become lines of the hook.  nginx evaluates them in a request of its own, with another path and without
the query: conditions on these are not translated.
"""

from collections.abc import Callable
from typing import Final

from rsp.importing.nginx.guards import MODULE, Dynamic, Guards, until_break
from rsp.importing.nginx.levels import Level
from rsp.importing.nginx.servers import Location, Server
from rsp.importing.nginx.tree import Statement
from rsp.importing.nginx.variables import Unsayable, pieces

_SAME: Final = frozenset("host scheme remote_addr binary_remote_addr request_uri request_method https".split())  # noqa: SIM905
_FAMILIES: Final = ("http_", "cookie_", "ssl_")


def location_of(level: Level, server: Server) -> Location | None:
    """The location that ``auth_request`` of ``level`` names, if it answers by itself."""
    path = level.value("auth_request", "off")
    found = server.find(path) if path.startswith("/") else None
    if found is None or found.path != path or found.is_regex or found.content is not None:
        return None
    return found if found.level.has("return") else None


def lines(
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
