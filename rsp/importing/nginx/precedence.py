"""Which of several locations has a path: what makes rsp's order of routes nginx's, or refuses.

nginx takes an exact path, else the longest prefix; then expressions: those inside of that prefix, then those of the
server, unless the prefix says ``^~``.  In rsp, expressions come before prefixes, but those with ``first``.
"""

from typing import Final
from urllib.parse import quote

from rsp.importing.nginx.servers import Location, Server
from rsp.importing.nginx.variables import Unsayable
from rsp.importing.site import Value

_AS_THEY_ARE: Final = "/!\"$&'()+,;<=>@[]^`|}~:"  # of a path, besides letters, digits and "-._"


def as_sent(path: str) -> str:
    """nginx compares decoded paths, rsp those that clients send.  Raises :class:`Unsayable`."""
    if "*" in path or "{" in path:
        raise Unsayable("a path in rsp has no * and no {")
    return quote(path, safe=_AS_THEY_ARE)


def prefix(location: Location, server: Server) -> dict[str, Value]:
    """What a route for a prefix matches."""
    match: dict[str, Value] = {"path": as_sent(location.path)}
    if any(each.is_regex for each in server.locations) and (
        location.modifier == "^~" or _is_kept(location) or _is_above_expressions(location, server)
    ):
        match["first"] = True
    return match


def _is_kept(location: Location) -> bool:
    """Whether it stands inside of a ``^~``, so that it comes before the server's expressions, too."""
    return any(each.modifier == "^~" for each in location.around())


def _expressions(server: Server) -> list[Location]:
    """Those that are for all paths of the server."""
    return [each for each in server.locations if each.is_regex and each.outer is None]


def _inner(location: Location, server: Server) -> list[Location]:
    return [each for each in server.locations if each.is_regex and each.outer is location]


def _is_above_expressions(location: Location, server: Server) -> bool:
    """Whether expressions of a shorter prefix would take its paths, and no others are to."""
    if _expressions(server) or _inner(location, server):
        return False
    return any(
        each.is_regex and each.outer is not None and not each.outer.is_regex and _is_longer(location, each.outer)
        for each in server.locations
    )


def _is_longer(location: Location, other: Location) -> bool:
    return (
        location is not other
        and location.modifier in ("", "^~")
        and location.path.startswith(other.path)
        and len(location.path) > len(other.path)
    )


def keep(location: Location, server: Server, match: dict[str, Value]) -> None:
    """Changes ``match`` so that the location gets nginx's paths.  Raises :class:`Unsayable`: there is no such route."""
    if location.is_regex:
        if server.inside(location):
            raise Unsayable("rsp import does not translate locations inside of an expression")
    elif location.modifier == "^~" and _inner(location, server):
        if not match.get("first"):
            return
        inner = {(each.modifier, each.path) for each in _inner(location, server)}
        if any((each.modifier, each.path) not in inner for each in _expressions(server)):
            raise Unsayable("in rsp, ^~ cannot come before the server's expressions and behind those inside of it")
        del match["first"]
    elif _is_kept(location) and any(_inner(each, server) for each in location.around()) and _expressions(server):
        raise Unsayable("rsp import does not translate expressions and prefixes beside each other inside of ^~")


def taken_from(location: Location, server: Server) -> Location | None:
    """A longer prefix whose paths rsp, unlike nginx, would give to an expression inside of a shorter prefix."""
    outer = location.outer
    if not location.is_regex or outer is None or outer.is_regex:
        return None
    longer = (each for each in server.locations if _is_longer(each, outer))
    return next((each for each in longer if "first" not in prefix(each, server)), None)


def may_be_others(location: Location, server: Server) -> bool:
    """Whether a path that begins as that of ``location`` may be another location's."""
    others = [each for each in server.locations if each is not location]
    if location.modifier != "^~" and any(each.is_regex for each in others):
        return True
    return location.is_regex or any(each.path.startswith(location.path) for each in others)
