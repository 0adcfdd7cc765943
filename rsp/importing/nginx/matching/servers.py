"""A ``server`` block: its locations as nginx finds them, before anything is translated.

This room knows which location a path gets (exact, ``^~``, regular expressions in order, the longest prefix), so that
internal redirects of ``try_files`` and ``error_page`` can be followed.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from rsp.importing.nginx.matching.both import Expression, both
from rsp.importing.nginx.matching.inside import within
from rsp.importing.nginx.matching.paths import as_sent
from rsp.importing.nginx.rules.access import of_service
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.maps import named_groups, re2_of
from rsp.importing.nginx.values.variables import Functions, Names, Unsayable

_CHANGING: Final = re.compile(  # variables of which a rewrite makes others
    r"\$\{?(?:uri|document_uri|fastcgi_script_name|request_filename|args|query_string|is_args|arg_\w+)\b"
)
CONTENT = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass")


class Location(Struct, eq=False):
    """``modifier``: ``=``, ``^~``, ``~``, ``~*``, ``@``, or empty; ``path``: without the modifier.

    ``outer``: the location around it, if there is one; ``finds_index``: its directories are led to their index before
    a route is chosen.
    """

    modifier: str
    path: str
    level: Level
    statement: Statement
    outer: "Location | None" = None
    finds_index: bool = False

    @property
    def is_regex(self) -> bool:
        return self.modifier in ("~", "~*")

    @property
    def expression(self) -> str:
        """Of RE2, for whole paths.  Raises :class:`Unsayable`."""
        return self._within()[0]

    @property
    def has_groups(self) -> bool:
        """Whether the groups of its expression are those that nginx has."""
        try:
            return self._within()[1]
        except Unsayable:
            return False

    def _within(self) -> tuple[str, bool]:
        each, home = self.searched, self.home
        if home is None or home.path == "/":
            return f"(?i){each.said}" if each.ignores_case else each.said, each.has_groups
        said, has_groups = within(as_sent(home.path), each.said, ignores_case=each.ignores_case)
        return said, has_groups and each.has_groups

    @property
    def searched(self) -> Expression:
        """Of RE2, for whole paths of the prefix around it.  Raises :class:`Unsayable`."""
        own = Expression(re2_of(self.path), self.modifier == "~*")
        return both(self.outer.searched, own) if self.outer is not None and self.outer.is_regex else own

    @property
    def home(self) -> "Location | None":
        """The prefix around an expression, at any depth; ``None``: the server."""
        return next((each for each in self.around() if not each.is_regex), None)

    @property
    def compared(self) -> str:
        """Of an expression, as nginx writes it: for paths that the expressions around it match as well."""
        if self.outer is None or not self.outer.is_regex:
            return self.modifier + self.path
        each = self.searched
        return f"{'~*' if each.ignores_case else '~'}{each.said}"

    def around(self) -> "Iterator[Location]":
        """Those around it, the innermost first."""
        outer = self.outer
        while outer is not None:
            yield outer
            outer = outer.outer

    @property
    def content(self) -> Statement | None:
        """What passes requests to a peer, if anything does."""
        found = [statement for statement in self.level.block if statement.name in CONTENT]
        return found[-1] if found else None

    def matches(self, path: str) -> bool:
        if self.modifier == "=":
            return path == self.path
        if self.is_regex:
            flags = re.IGNORECASE if self.modifier == "~*" else 0
            if self.outer is not None and self.outer.is_regex and not self.outer.matches(path):
                return False
            try:
                return re.search(re.sub(r"\(\?<([A-Za-z_])", r"(?P<\1", self.path), path, flags) is not None
            except re.error:
                return False
        return self.modifier != "@" and path.startswith(self.path)


class Server:
    """``names``: the known values of its variables; ``locations``: all of them, inner ones before those around them."""

    def __init__(self, statement: Statement, http: Level, functions: Functions, constants: dict[str, str]) -> None:
        self.statement = statement
        self.level = Level("server", statement.block or [], http)
        self.named: dict[str, Location] = {}
        self.locations: list[Location] = []
        self._collect(self.level, None)
        # Expressions inside of a prefix, and ^~, come before those of the server, wherever they stand.
        self.locations.sort(key=lambda each: not (each.modifier == "^~" or (each.is_regex and each.home is not None)))
        self.expressions = [each for each in self.locations if each.is_regex]
        said = [word for each in self.level.own("server_name") for word in each.args]
        self.server_names = list(dict.fromkeys(said))
        name = first_name(statement)
        known = {**constants, **of_service(self.level), **constants_of(self.level)}
        if "$" not in name:
            known["server_name"] = name
        known["request_filename"] = "$document_root$uri"
        root = self.level.value("root")
        if root:
            known["document_root"] = root
            known["realpath_root"] = root
        self.names = Names(known, functions, is_rewritten=_rewrites(statement.block or []))

    def _collect(self, level: Level, outer: Location | None) -> None:
        for statement in level.own("location"):
            location = _location(statement, level, outer)
            if location.modifier == "@":
                self.named[location.path] = location
                continue
            _inherit(location)
            self._collect(location.level, location)
            self.locations.append(location)

    def names_at(self, location: Location | None) -> Names:
        """With what its own ``set`` says, and its own root."""
        if location is None:
            return self.names
        known = {
            **self.names.constants,
            **of_service(location.level, is_named=location.modifier == "@"),
            **constants_of(location.level),
        }
        place = next(iter(location.level.all("root", "alias")[-1:]), None)
        if place is not None:
            known["document_root"] = known["realpath_root"] = place.value
        if place is not None and place.name == "alias":
            root = _root_of(place.value, location if location.level.has("alias") else around_alias(location))
            known.pop("request_filename", "")
            if root is not None:
                known["request_filename"] = f"{root}$uri"
        captures = frozenset[str]()
        if location.is_regex:
            captures = named_groups(location.path)
        has_groups, is_rewritten = not captures or location.has_groups, self.names.is_rewritten
        return Names(known, self.names.functions, captures, has_groups=has_groups, is_rewritten=is_rewritten)

    def find(self, path: str) -> Location | None:
        """As nginx does."""
        plain = [each for each in self.locations if not each.is_regex and each.matches(path)]
        exact = next((each for each in plain if each.modifier == "="), None)
        if exact is not None:
            return exact
        longest = max(plain, key=lambda each: len(each.path), default=None)
        return next((each for each in self.tried(longest) if each.matches(path)), longest)

    def tried(self, longest: Location | None) -> list[Location]:
        """The expressions that nginx tries where ``longest`` is the longest prefix; ``^~`` leaves out its siblings."""
        expressions = self.expressions
        if longest is None:
            return [each for each in expressions if each.home is None]
        found = [each for each in expressions if each.home is longest]
        for node in (longest, *longest.around()):
            if node.modifier != "^~":
                found += [each for each in expressions if each.home is node.outer]
        return found

    def inside(self, location: Location) -> list[Location]:
        """Those within it, at any depth."""
        return [each for each in self.locations if _is_inside(each, location)]

    def all_locations(self) -> Iterator[Location]:
        yield from self.locations
        yield from self.named.values()


def _rewrites(block: list[Statement]) -> bool:
    """Whether a path may be changed before its location is found."""
    return any(
        (each.name == "rewrite" and each.args[2:] in ([], ["last"]) and not re.match(r"https?:|\$scheme", each.args[1]))
        or _rewrites(each.block or [])
        for each in block
    )


def _is_inside(location: Location, outer: Location) -> bool:
    around = location.outer
    while around is not None and around is not outer:
        around = around.outer
    return around is outer


def first_name(server: Statement) -> str:
    """``$server_name``: the first one as it is written, whatever name a request has; empty: there is none."""
    said = [word for each in server.block or [] if each.name == "server_name" for word in each.args]
    first = said[0].removeprefix(".") if said else ""
    return first if first.startswith("~") else first.lower()


def _location(statement: Statement, level: Level, outer: Location | None) -> Location:
    words = statement.args or ["/"]
    if len(words) > 1:
        modifier, path = words[0], words[1]
    else:
        match = re.fullmatch(r"(=|\^~|~\*|~)?(.*)", words[0], re.DOTALL)
        modifier, path = (match[1] or "", match[2]) if match else ("", words[0])
        if path.startswith("@"):
            modifier = "@"
    if modifier in ("~", "~*"):
        path = path or "^"  # an expression of rsp has letters
    elif modifier != "@":
        path = re.sub(r"/{2,}", "/", path)
    return Location(modifier, path, Level("location", statement.block or [], level), statement, outer)


def _inherit(location: Location) -> None:
    """An alias of the prefix around it is said again, with what the location's own path has more."""
    found = location.level.all("root", "alias")[-1:]
    if location.is_regex and location.outer is not None and location.outer.is_regex and not location.level.has("alias"):
        own = [each for each in found if each.name == "alias"]  # of which the groups are those of this expression
        location.level = Level("location", [*location.level.block, *own], location.level.outer)
    owner = around_alias(location)
    if owner is None or location.is_regex:
        return
    folder, path = owner.level.value("alias"), location.path[len(owner.path) :]
    alias = Statement("alias", [folder + path], location.statement.origin)
    alias.used = True
    location.level = Level("location", [*location.level.block, alias], location.level.outer)


def around_alias(location: Location) -> Location | None:
    """The prefix around it that has the alias by which its files are found."""
    found = location.level.all("root", "alias")
    if not found or found[-1].name != "alias" or location.level.has("alias"):
        return None
    owner = next((each for each in location.around() if each.level.has("alias")), None)
    return None if owner is None or owner.is_regex else owner


def _root_of(alias: str, owner: Location | None) -> str | None:
    """The ``root`` that an alias of ``owner`` comes to; ``None``: it does not end as the location's path does."""
    if owner is None or owner.is_regex or (owner.path.endswith("/") and not alias.endswith("/")):
        return None
    folder, path = alias.rstrip("/"), owner.path.rstrip("/")
    return folder.removesuffix(path) if folder.endswith(path) else None


def constants_of(level: Level) -> dict[str, str]:
    """What ``set`` gives a value without a condition, once."""
    sets = [statement for statement in level.block if statement.name == "set" and len(statement.args) == 2]
    conditional = set(_set_in_conditions(level.block))
    known: dict[str, str] = {}
    has_rewrites = _has_rewrites(level.block)
    for statement in sets:
        name = statement.value.lstrip("$")
        if has_rewrites and _CHANGING.search(statement.args[1]):
            conditional.add(name)
        if name in conditional or name in known:
            known.pop(name, None)
            continue
        known[name] = statement.args[1]
        statement.used = True
    return known


def _has_rewrites(block: list[Statement]) -> bool:
    return any(each.name == "rewrite" or _has_rewrites(each.block or []) for each in block)


def _set_in_conditions(block: list[Statement]) -> Iterator[str]:
    """Names of variables that an ``if`` sets, here or in a location below."""
    for statement in block:
        for inner in statement.block or []:
            if statement.name == "if" and inner.name == "set":
                yield inner.value.lstrip("$")
        if statement.name == "location":
            yield from _set_in_conditions(statement.block or [])


def below(path: str, prefix: str) -> str | None:
    """What of ``path`` lies below ``prefix``, with a slash before it; ``None``: it lies elsewhere."""
    folder = prefix if prefix.endswith("/") else f"{prefix}/"
    if not path.startswith(folder):
        return None
    return f"/{path[len(folder) :]}"


def joined(folder: str, path: str) -> str:
    return str(PurePosixPath(folder, path.lstrip("/"))) if path.strip("/") else folder.rstrip("/") or "/"
