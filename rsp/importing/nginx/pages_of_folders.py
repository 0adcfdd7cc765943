"""The index of a directory that an expression has: which locations nginx finds for it, when it asks again by its name.

All directories that the expression matches are looked at, by automata; what is not understood counts as possible.
"""

import re

from rsp.importing.nginx.automata import Automaton, TooMuch, automaton, same
from rsp.importing.nginx.both import Expression, both
from rsp.importing.nginx.inside import UNREACHED
from rsp.importing.nginx.servers import Location, Server
from rsp.importing.nginx.variables import Unsayable


def has_directories(location: Location) -> bool:
    """Whether an expression matches paths that end in a slash."""
    try:
        _directories(location)
    except Unsayable as error:
        return not str(error).startswith(UNREACHED)
    return True


def led_to(location: Location, word: str, server: Server) -> list[Location]:
    """Those that may have the page ``word`` of a directory of ``location``, which is an expression."""
    try:
        pages = _pages(location, word)
        own = _automaton(location.searched)
        keeps = same(lambda found: found[1] or not found[0], [pages, own])
    except (Unsayable, TooMuch):
        return [each for each in server.locations if each is not location]
    return [
        each
        for each in server.locations
        if each is not location and _may_have(each, pages, location, word, server, keeps=keeps)
    ]


def _may_have(each: Location, pages: Automaton, location: Location, word: str, server: Server, *, keeps: bool) -> bool:
    """``keeps``: ``location`` matches all of ``pages``."""
    order = server.locations
    is_before = order.index(each) < order.index(location)
    if keeps and each.is_regex and each.home is location.home and not is_before:
        return False
    if keeps and each.modifier in ("", "^~") and location in server.tried(each):
        return False
    try:
        if each.is_regex:
            other = _automaton(each.searched)
        else:
            start = re.escape(each.path)
            other = _automaton(Expression(f"^{start}$" if each.modifier == "=" else f"^{start}", ignores_case=False))
        if each.is_regex and is_before and each.home is location.home and has_directories(each):
            own = _pages(each, word)  # of directories that it has itself
            return not same(lambda found: not (found[0] and found[1]) or found[2], [pages, other, own])
        return not same(lambda found: not all(found), [pages, other])
    except (Unsayable, TooMuch):
        return True


def _directories(location: Location) -> Expression:
    return both(location.searched, Expression("/$", ignores_case=False))


def _pages(location: Location, word: str) -> Automaton:
    """Raises :class:`TooMuch` and :class:`Unsayable`."""
    found = _directories(location)
    ways = found.said.split("$|")  # each ends in /$: both.py
    if not all(each.endswith("/") for each in [*ways[:-1], ways[-1].removesuffix("$")]):
        raise TooMuch
    said = "|".join(f"{each.removesuffix('$')}{re.escape(word)}$" for each in ways)
    return _automaton(Expression(said, found.ignores_case))


def _automaton(expression: Expression) -> Automaton:
    return automaton(expression.said, ignores_case=expression.ignores_case)
