"""Routing: a request to a destination.  Pure; built once per configuration.

The most specific host goes first (``hosts.py``); among the routes of one host the path decides (``paths.py``), and
what else a route asks of a request (``conditions.py``).  A host none of whose routes is for a request falls through to
the less specific ones.

Guests are routes that others than the configuration's author ask for.  A guest gets the requests for which there is
no other route, or only a default: one for every path of every host, or of a wildcard.  All of this is settled when the
router is made: a guest's host has a list of levels of its own.
"""

from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from rsp.http.conditions import Condition, Unroutable
from rsp.http.hosts import HostTable, normalise_host
from rsp.http.message import RequestHead
from rsp.http.paths import Choice, PathTable, PatternTable, check_dots, normalise_path
from rsp.http.regex import Pattern

T = TypeVar("T")


class AmbiguousPath(Unroutable):
    """The path as written and the path as normalised lead to different routes."""

    status, reason = 400, "ambiguous path"


class Rule(NamedTuple):
    """Which requests a route is for.  ``hosts``: as a configuration has them; none: every host.

    ``path`` is a prefix; with ``exact``, the whole path; with ``pattern`` it means nothing.  ``guest``: its hosts are
    names in full, its path is a prefix.
    """

    hosts: tuple[str, ...] = ()
    path: str = "/"
    exact: bool = False
    pattern: Pattern | None = None
    first: bool = False
    conditions: tuple[Condition, ...] = ()
    guest: bool = False


class Level:
    """The routes of one host.  ``written``, ``normal``: for paths as they are received, and as they are normalised."""

    __slots__ = ("choices", "normal", "written")

    def __init__(self, choices: Iterable[Choice] = ()) -> None:
        self.choices = list(choices)  # in the order of their declaration
        self.written: PathTable
        self.normal: PathTable

    def build(self) -> None:
        patterns = [choice for choice in self.choices if choice.pattern is not None]
        table = PatternTable(patterns) if patterns else None
        self.written = PathTable(self.choices, table, False)
        plain = all(choice.path == normalise_path(choice.path) for choice in self.choices)
        self.normal = self.written if plain else PathTable(self.choices, table, True)


class Router(Generic[T]):
    """``routes``: in the order of their declaration."""

    def __init__(self, routes: Iterable[tuple[Rule, T]]) -> None:
        self.choices: list[Choice] = []  # all of them
        self._hosts = HostTable(Level)
        guests: dict[bytes, Level] = {}
        for number, (rule, destination) in enumerate(routes):
            choice = Choice(
                number, destination, rule.path.encode(), rule.exact, rule.pattern, rule.first, rule.conditions
            )
            self.choices.append(choice)
            for host in dict.fromkeys(rule.hosts or ("*",)):
                level = (
                    guests.setdefault(normalise_host(host.encode()), Level()) if rule.guest else self._hosts.at(host)
                )
                level.choices.append(choice)
        for level in (*self._hosts.every(), *guests.values()):
            level.build()
        around = {host: self._around(host, level) for host, level in guests.items()}
        self._hosts.order(around)

    def _around(self, host: bytes, guest: Level) -> list[Level]:
        """``guest`` in its place among what there is for ``host``: before the first default, behind all else."""
        before: list[Level] = []
        for level in self._hosts.levels(host):
            default = None if self._hosts.is_named(host, level) else _default(level)
            if default is not None:  # what is less specific is never reached
                return [*before, _without(level, default), guest, _built([default])]
            before.append(level)
        return [*before, guest]

    def only(self) -> list[Level] | None:
        """The routes to try for every Host value, where no route names a host."""
        return self._hosts.only()

    def levels(self, host: bytes) -> list[Level]:
        """The routes to try for a Host value: of one host after the other."""
        return self._hosts.levels(host)


def _default(level: Level) -> Choice | None:
    """Its route for every path."""
    return next((one for one in level.choices if _is_for_all(one) and not one.conditions and not one.first), None)


def _without(level: Level, default: Choice) -> Level:
    """The routes of ``level`` that go before its ``default``."""
    return _built(one for one in level.choices if not _is_for_all(one) or one.number < default.number)


def _is_for_all(choice: Choice) -> bool:
    return choice.path == b"/" and choice.pattern is None and not choice.exact


def _built(choices: Iterable[Choice]) -> Level:
    level = Level(choices)
    level.build()
    return level


def match(levels: list[Level], head: RequestHead, source: Any) -> Any:
    """The destination of a request among the routes of its host, or ``None``; ``source`` as conditions want it.

    Raises :class:`Unroutable`, above all where the path's raw and normalised forms would part company.
    """
    found = find(levels, head.path, False, head, source)
    if not head.plain:
        check_dots(head.path)
        if find(levels, normalise_path(head.path), True, head, source) is not found:
            raise AmbiguousPath
    return found


def find(levels: list[Level], path: bytes, normal: bool, head: RequestHead | None, source: Any) -> Any:
    """The destination for ``path``, which is ``normal`` or as received; without a ``head`` all conditions hold.

    Raises :class:`Unroutable`.
    """
    for level in levels:
        table = level.normal if normal else level.written
        choice = table.find(path, head, source)
        if choice is not None:
            return choice.destination
    return None
