"""A route in the making, and the declarations that it becomes."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from rsp.importing.nginx.rewrite.guards import body
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts
from rsp.importing.site import Code, Declaration, Value

_ORDER: Final = ("listener", "host", "path", "exact", "regex", "first", "slash", "methods", "query", "cookies", "to",
                 "files", "fallback", "else_to", "else_rewrite", "redirect", "respond", "rewrite", "rewrite_location",
                 "send_host")  # fmt: skip
_RESTRICTING: Final = ("auth", "allow", "deny", "rate_limit", "concurrency")
_WHERE: Final = ("listener", "host")
_MATCHING: Final = ("path", "exact", "regex", "first")
_CONDITIONS: Final = ("headers", "query", "cookies")


class Draft(Struct):
    """A route in the making.  ``before``, ``after``, ``failed``: lines of its hooks.

    ``alone``: lines of the hook that are not for directories with an index script; ``rest``: how the route for paths
    that rsp's ``path`` does not cover differs; ``others``: keys in which further routes with expressions differ from
    this one; ``jumps``: statuses that hooks do not answer with, but lead to a named location; ``behind``: the level of
    the location that ``else_to`` stands for; ``is_settled``: it stands where nothing is before it that should not be;
    ``early``: routes before it, which answer what it would restrict; their ``match`` are conditions, or another path.
    """

    match: dict[str, Value]
    keys: dict[str, Value] = field(default_factory=dict)
    parts: Parts = field(default_factory=Parts)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    is_closed: bool = False
    rest: dict[str, Value] | None = None
    others: list[dict[str, Value]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    jumps: set[str] = field(default_factory=set)
    behind: Level | None = None
    is_settled: bool = False
    early: "list[Draft]" = field(default_factory=list)

    @property
    def all(self) -> dict[str, Value]:
        return {**self.match, **self.keys}

    @property
    def expressions(self) -> list[Value]:
        """Of further routes for a prefix, which are weaker than the expressions of other locations."""
        second = self.keys.get("")
        found: list[Value] = [second[1]] if isinstance(second, list) else []
        return [*found, *(other["regex"] for other in (*self.others, self.rest or {}) if "regex" in other)]

    @property
    def is_restricting(self) -> bool:
        """Whether keys of it keep clients out, which hold before its hook is asked."""
        return any(name in self.keys for name in _RESTRICTING)

    def begin(self, line: str) -> None:
        """The hook begins with ``line``."""
        for each in (self, *self.early):
            if line not in each.before:
                each.before = [line, *each.before]

    def close(self) -> None:
        """No client is served."""
        self.keys = {"respond": {"status": 503}}
        self.before, self.after, self.failed, self.early, self.others = [], [], [], [], []
        if self.rest is not None:
            self.rest = {key: value for key, value in self.rest.items() if value is None or key == "regex"}

    def answer(self, keys: dict[str, Value]) -> None:
        """Takes the place of whatever answers."""
        for name in ("to", "files", "respond", "redirect", "rewrite", "fallback", "else_to"):
            self.keys.pop(name, None)
        self.keys = {**keys, **self.keys}


def declarations(draft: Draft, where: dict[str, Value], statement: Statement | None) -> list[Declaration]:
    """The route, and a second one for scripts of directories.  ``where``: its listener and hosts."""
    origin = statement.origin if statement is not None else None
    keys = {**where, **draft.match, **draft.keys}
    second = keys.pop("", None)
    for name, arguments, lines in (
        ("on_request", "req", [*draft.before, *draft.alone]),
        ("on_response", "req, res", draft.after),
        ("on_error", "req, err", draft.failed),
    ):
        if lines:
            keys[name] = _hook(arguments, lines)
    keys = _ordered(keys)
    routes = [Declaration("route", keys=keys, origin=origin)]
    if draft.rest is not None and str(keys.get("path")).endswith(("/.", "/..")):
        routes = []  # `location /.` is for names that begin with a dot: no path has a dot alone
    for other in draft.others if "files" in keys else ():  # else the location is closed
        same = {key: value for key, value in keys.items() if key not in ("path", "first", "else_rewrite")}
        if draft.alone:
            same.pop("on_request")
            same |= {"on_request": _hook("req", draft.before)} if draft.before else {}
        routes.append(Declaration("route", keys=_ordered({**same, **other}), origin=origin))
    if draft.rest is not None:
        changed = {**keys, **draft.rest}
        kept: dict[str, Value] = {key: value for key, value in changed.items() if value is not None}
        routes.append(Declaration("route", keys=_ordered(kept), origin=origin))
    if isinstance(second, list):
        name, expression, missing = second
        others = {
            key: value
            for key, value in keys.items()
            if key not in ("path", "first", "slash", "files", "else_to", "else_rewrite")
        }
        others["on_request"] = _hook("req", [*draft.before, *str(missing).split("\n")])
        given = keys["files"]
        table: Value = {**(given if isinstance(given, dict) else {"root": given}), "index": ""}
        ordered: dict[str, Value] = {**where, "regex": expression, "files": table, "else_to": name}
        routes.append(Declaration("route", keys={**ordered, **others}, origin=origin))
    return [*(route for each in draft.early for route in _before(each, routes)), *routes]


def _before(draft: Draft, routes: list[Declaration]) -> Iterator[Declaration]:
    """What ``draft`` is in front of each of ``routes``."""
    seen: list[dict[str, Value]] = []
    for route in routes:
        names = (*_WHERE, *(() if "exact" in draft.match else _MATCHING), *_CONDITIONS)
        match = {name: route.keys[name] for name in names if name in route.keys}
        for name, asked in draft.match.items():
            given = match.get(name)
            match[name] = {**given, **asked} if isinstance(given, dict) and isinstance(asked, dict) else asked
        if match not in seen:
            seen.append(match)
            yield from declarations(
                Draft(match, draft.keys, Parts(), draft.before, draft.after, draft.failed), {}, None
            )


def _hook(arguments: str, lines: list[str]) -> Code:
    inner = "\n".join(f"  {line}" for line in _unwrapped(body(lines)))
    return Code(f"function({arguments})\n{inner}\nend")


def _unwrapped(lines: list[str]) -> list[str]:
    """A block alone needs no ``do``."""
    if lines[:1] != ["do"] or lines.index("end") + 1 < len(lines):
        return lines
    return [line.removeprefix("  ") for line in lines[1:-1]]


def _ordered(keys: dict[str, Value]) -> dict[str, Value]:
    return {name: keys[name] for name in (*_ORDER, *keys) if name in keys}
