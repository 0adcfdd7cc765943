"""The index of a directory that an expression has: which locations nginx finds for it, when it asks again by its name.

All directories that the expression matches are looked at, by automata; what is not understood counts as possible.
"""

import re

from rsp.importing.automata import Automaton, TooMuch, apart, automaton, covers, followed
from rsp.importing.nginx.matching.both import Expression
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.values.variables import Unsayable


def has_directories(location: Location) -> bool:
    """Whether an expression matches paths that end in a slash."""
    try:
        return _pages(location, "") is not None
    except (Unsayable, TooMuch):
        return True


def is_taken(prefix: Location, each: Location, server: Server) -> bool:
    """Whether ``each`` has all paths of ``prefix``, which then has none."""
    if prefix.is_regex or prefix.modifier == "=":
        return False
    if not each.is_regex:
        return each.path == prefix.path and prefix in each.around()
    try:
        paths = _automaton(Expression(f"^{re.escape(prefix.path)}", ignores_case=False))
        own = _automaton(each.searched)
        return each in server.tried(prefix) and covers(paths, paths, own)
    except (Unsayable, TooMuch):
        return False


def led_to(location: Location | None, word: str, server: Server, those: list[Location]) -> list[Location]:
    """Of ``those``, what may have the page ``word`` of a directory of ``location``, which is no exact path."""
    those = [each for each in those if each is not location]
    try:
        if location is not None and location.is_regex:
            pages = _pages(location, word)
            if pages is None:
                return []
            own = _automaton(location.searched)
            keeps = covers(pages, pages, own)
        else:
            path = location.path if location is not None else "/"
            if those and _are_taken(_pages_of_prefix(path, ""), server.tried(location)):
                return []
            pages, keeps = _pages_of_prefix(path, word), True
    except (Unsayable, TooMuch):
        return those
    return [each for each in those if _may_have(each, pages, location, word, server, keeps=keeps)]


def _are_taken(folders: Automaton, those: list[Location]) -> bool:
    """Whether expressions have all these directories."""
    taken = [_automaton(each.searched) for each in those if each.is_regex]
    return bool(taken) and covers(folders, folders, *taken)


def may_share(location: Location | None, word: str, one: Location, other: Location) -> bool:
    """Whether two expressions may match the same page ``word`` of a directory of ``location``."""
    try:
        is_regex = location is not None and location.is_regex
        path = location.path if location is not None else "/"
        pages = _pages(location, word) if location is not None and is_regex else _pages_of_prefix(path, word)
        pair = [_automaton(each.searched) for each in (one, other)]
        return pages is not None and not apart(pages, *pair)
    except (Unsayable, TooMuch):
        return True


def _may_have(
    each: Location, pages: Automaton, location: Location | None, word: str, server: Server, *, keeps: bool
) -> bool:
    """``keeps``: ``location`` has all of ``pages``, unless expressions before it do, or longer prefixes."""
    order = server.locations
    before = order[: order.index(each)]
    is_regex = location is not None and location.is_regex
    home = location.home if location is not None and is_regex else None
    if is_regex and keeps and each.is_regex and each.home is home and location in before:
        return False
    if keeps and not each.is_regex:
        if is_regex and each.modifier != "=" and location in server.tried(each):
            return False
        folders = [each.path[:number] for number in range(1, len(each.path) + 1) if each.path[number - 1] == "/"]
        return any(_leads(folder, word, each) and (not location or location.matches(folder)) for folder in folders)
    if each.is_regex and not is_regex and each not in server.tried(location):
        return False
    try:
        if not each.is_regex:
            start = re.escape(each.path)
            other = _automaton(Expression(f"^{start}$" if each.modifier == "=" else f"^{start}", ignores_case=False))
            return not apart(pages, other)
        other = _automaton(each.searched)
        if apart(pages, other):
            return False
        if is_regex and (each.home is not home or location in before):
            return True
        own = [pages_of_it] if (pages_of_it := _pages(each, word)) is not None else []  # of directories that it has
        first = [_automaton(one.searched) for one in before if one.is_regex and one.home is each.home]
        taken = [*own, *(one for one in first if not apart(pages, other, one))]
        return not covers(pages, other, *taken)
    except (Unsayable, TooMuch):
        return True


def _pages_of_prefix(path: str, word: str) -> Automaton:
    between = "(?:.*/)?" if path.endswith("/") else "(?:.*/)"
    return _automaton(Expression(f"^{re.escape(path)}{between}{re.escape(word)}$", ignores_case=False))


def _leads(folder: str, word: str, to: Location) -> bool:
    """Whether the page of a directory has a path of the prefix ``to``, and the directory has not."""
    page = f"{folder}{word}"
    if to.modifier == "=":
        return page == to.path
    return page.startswith(to.path) and not folder.startswith(to.path)


def _pages(location: Location, word: str) -> Automaton | None:
    """Of ``word`` in directories of an expression; ``None``: it has none.

    Raises :class:`TooMuch` and :class:`Unsayable`.
    """
    return followed(_automaton(location.searched), word)


def _automaton(expression: Expression) -> Automaton:
    return automaton(expression.said, ignores_case=expression.ignores_case)
