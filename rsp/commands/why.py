"""``rsp explain --why``: which routes are looked at for a request, in which order, and why each is not taken.

It goes the way of ``http/paths.py``, step by step and in words; ``tests/property/test_routing.py`` compares the two.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from rsp.config.route_names import label
from rsp.exchange.filter import PASS, Filter
from rsp.http.conditions import Unroutable
from rsp.http.message import RequestHead
from rsp.http.paths import Choice, normalise_path
from rsp.http.regex import TooCostly
from rsp.http.routing import AmbiguousPath, Level, match
from rsp.terminal.plain import plain

_MOST: Final = 40  # routes whose path is another one, and that are shown all the same
_WIDEST: Final = 60  # characters of a route's name
_TAKEN: Final = "taken"


class RoutesLookedAt(Filter):
    """After the hooks for all routes: the routing of the request as they have left it."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: list[str] = [
            "no routes were tried: the request was answered before"
        ]  # by a hook for all routes, or a listener

    def request(self, exchange: Any) -> int:
        if exchange.passage.sent_to is not None:
            self.lines = ["no routes were tried: a hook for all routes has sent the request to an upstream"]
        else:
            head, config = exchange.head, exchange.config
            self.lines = list(why(config.router.levels(head.host), len(config.router.choices), head, exchange))
        return PASS


def why(levels: Sequence[Level], routes: int, head: RequestHead, source: Any) -> Iterator[str]:
    """In lines; ``routes``: how many there are in all."""
    yield from _listed(list(looked_at(levels, head.path, False, head, source)))
    here = {choice.number for level in levels for choice in level.choices}
    if others := routes - len(here):
        yield f"{others} {'routes are' if others > 1 else 'route is'} for other hosts"
    try:
        match(list(levels), head, source)
    except AmbiguousPath:
        normal = normalise_path(head.path)
        yield f"the normalised path is {_text(normal)}, which another route would match, so the response is 400:"
        yield from _listed(list(looked_at(levels, normal, True, head, source)))
    except Unroutable as error:
        yield f"the response is {error.status}: {error.reason}"


def looked_at(
    levels: Sequence[Level], path: bytes, normal: bool, head: RequestHead, source: Any
) -> Iterator[tuple[Choice, str]]:
    """Each route that is looked at, and what is found; the last may be taken."""
    for level in levels:
        for choice in _in_order(level, path, normal, head, source):
            said = _why_not(choice, path, normal, head, source)
            yield choice, said or _TAKEN
            if not said:
                return


def _in_order(level: Level, path: bytes, normal: bool, head: RequestHead, source: Any) -> list[Choice]:
    prefixes = [choice for choice in level.choices if choice.pattern is None and not choice.exact]
    prefixes.sort(key=lambda choice: -len(_path(choice, normal)))  # stable: equals stay in order
    longest = next((one for one in prefixes if not _why_not(one, path, normal, head, source)), None)
    patterns = [choice for choice in level.choices if choice.pattern is not None]
    if longest is not None and longest.first:
        patterns = []
    return [*(choice for choice in level.choices if choice.exact), *patterns, *prefixes]


def _why_not(choice: Choice, path: bytes, normal: bool, head: RequestHead, source: Any) -> str:
    """Empty: it is for the request."""
    if not _covers(choice, path, normal):
        return f"the path is {_text(path)}"
    for condition in choice.conditions:
        try:
            if not condition.holds(head, source):
                return f"{condition.said}, but {plain(condition.found(head, source))}"
        except Unroutable as error:
            return error.reason
    return ""


def _covers(choice: Choice, path: bytes, normal: bool) -> bool:
    if choice.pattern is not None:
        with suppress(TooCostly):  # the answer says so
            return choice.pattern.finds(path)
        return False
    own = _path(choice, normal)
    if choice.exact:
        return path == own
    return path == own or path.startswith(own if own[-1:] == b"/" else own + b"/")


def _path(choice: Choice, normal: bool) -> bytes:
    return normalise_path(choice.path) if normal else choice.path


def _listed(looks: list[tuple[Choice, str]]) -> Iterator[str]:
    """Routes whose path is another one only while they are few."""
    named = [(label(choice.destination.config), said) for choice, said in looks]
    width = min(max((len(name) for name, _ in named), default=0), _WIDEST)
    shown = 0
    for name, said in named:
        other_path = said.startswith("the path is ")
        shown += other_path
        if not other_path or shown <= _MOST:
            yield f"  {name:{width}}  {said}"
    if shown > _MOST:
        yield f"  and {shown - _MOST} more for other paths"
    if not looks or looks[-1][1] != _TAKEN:
        yield "  no route matches"


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
