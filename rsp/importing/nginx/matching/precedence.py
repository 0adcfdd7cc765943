"""Which of several locations has a path: what makes rsp's order of routes nginx's, or refuses.

nginx takes an exact path, else the longest prefix; then expressions: those inside of that prefix, then those of the
server, unless the prefix says ``^~``.  In rsp, expressions come before prefixes, but those with ``first``.
"""

from rsp.importing.nginx.matching.paths import as_sent
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.values.variables import Unsayable
from rsp.importing.site import Value


def prefix(location: Location, server: Server) -> dict[str, Value]:
    """What a route for a prefix matches."""
    match: dict[str, Value] = {"path": as_sent(location.path)}
    right, wrong = expressions(location, server)
    if wrong and not right:
        match["first"] = True
    return match


def expressions(location: Location, server: Server) -> tuple[list[Location], list[Location]]:
    """Those that nginx tries for paths of a prefix, and others that match such paths."""
    tried = server.tried(location)
    said = {_said(each) for each in tried}
    others = [
        each
        for each in server.expressions
        if each not in tried and (each.home is None or location.path.startswith(each.home.path))
    ]
    return tried, [each for each in others if _said(each) not in said]


def _said(location: Location) -> tuple[str, ...]:
    return tuple(each.modifier + each.path for each in (location, *location.around()) if each.is_regex)


def _is_above(location: Location) -> bool:
    """Whether ``^~`` says that expressions come behind it."""
    return any(each.modifier == "^~" for each in (location, *location.around()))


def keep(location: Location, server: Server, match: dict[str, Value]) -> None:
    """Raises :class:`Unsayable` where no route gets the location's paths; ``match`` then has more than these."""
    if location.is_regex:
        if not all(each.is_regex for each in server.inside(location)):
            raise Unsayable("rsp import does not translate paths inside of an expression")
    elif location.modifier in ("", "^~") and _is_above(location) and all(expressions(location, server)):
        match["first"] = True
        raise Unsayable("in rsp, ^~ cannot come before some expressions and behind those inside of it")


def taken_from(location: Location, server: Server, settled: list[Location]) -> Location | None:
    """A prefix whose paths rsp, unlike nginx, would give to an expression inside of a shorter prefix.

    ``settled``: prefixes that become expressions.
    """
    if not location.is_regex or location.home is None:
        return None
    for each in server.locations:
        if each.modifier == "" and not _is_above(each) and each not in settled:
            right, wrong = expressions(each, server)
            if right and location in wrong:
                return each
    return None


def may_be_others(location: Location, server: Server) -> bool:
    """Whether a path that begins as that of ``location`` may be another location's."""
    others = [each for each in server.locations if each is not location]
    if location.modifier != "^~" and any(each.is_regex for each in others):
        return True
    return location.is_regex or any(each.path.startswith(location.path) for each in others)
