"""What a rule asks of a request, as far as a route of rsp can say it, and both of two conditions at once."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from rsp.importing.ordered import two_patterns
from rsp.importing.ordered.inexpressible import Inexpressible as Inexpressible
from rsp.importing.ordered.value import Wanted, both, escaped, opposite

Pairs = tuple[tuple[str, Wanted], ...]
Kind = Literal["exact", "prefix", "tree", "suffix", "regex"]
_PLAIN: Final = re.compile(r"(?:[\w/~%@=,:;&!<>'\" -]|\\[^\w\s])")


class Path(Struct, frozen=True):
    """``prefix``: begins with these characters.  ``tree``: this path and all below it.  ``suffix``: ends with it."""

    kind: Kind
    text: str
    fold: bool = False  # whatever the case

    def expression(self) -> str:
        """The same as a regular expression."""
        text = escaped(self.text)
        body = {
            "exact": f"^{text}$",
            "prefix": f"^{text}",
            "tree": f"^{text}(?:/|$)",
            "suffix": f"{text}$",
            "regex": self.text,
        }[self.kind]
        return f"(?i){body}" if self.fold else body

    def matches(self, path: str) -> bool:
        try:
            return re.search(self.expression(), path) is not None
        except re.error:
            raise Inexpressible("its regular expression is not one of RE2") from None


class Condition(Struct, frozen=True):
    """All of what is set has to hold.  ``None`` and ``()``: whatever it is."""

    listeners: frozenset[str] | None = None
    hosts: frozenset[str] | None = None
    path: Path | None = None
    methods: frozenset[str] | None = None
    headers: Pairs = ()
    query: Pairs = ()
    cookies: Pairs = ()
    clients: tuple[str, ...] | None = None

    def both(self, other: "Condition") -> "Condition | None":
        """``None``: no request meets both.  Raises :class:`Inexpressible`."""
        listeners = _sets(self.listeners, other.listeners)
        methods = _sets(self.methods, other.methods)
        hosts = _hosts(self.hosts, other.hosts)
        if listeners == frozenset() or methods == frozenset() or hosts == frozenset():
            return None
        headers = _pairs(self.headers, other.headers)
        query = _pairs(self.query, other.query)
        cookies = _pairs(self.cookies, other.cookies)
        clients = networks(self.clients, other.clients)
        if headers is None or query is None or cookies is None or clients == ():
            return None
        path = other.path if self.path is None else self.path
        if self.path is not None and other.path is not None:
            path = _paths(self.path, other.path)
            if path is None:
                return None
        return Condition(listeners, hosts, path, methods, headers, query, cookies, clients)

    def covers(self, other: "Condition") -> bool:
        """Whether what meets ``other`` is known to meet this one."""
        try:
            found = self.both(other)
        except Inexpressible:
            return False
        if found is None or found.path is None or other.path is None:
            return found == other
        return found.path.expression() == other.path.expression() and replace(found, path=other.path) == other

    def without(self, *names: str) -> "Condition":
        return replace(self, **{name: getattr(ALL, name) for name in names})


ALL: Final = Condition()


def of_path(path: Path) -> Condition:
    """Every path begins with ``/``."""
    return ALL if path.kind == "prefix" and path.text in ("", "/") else Condition(path=path)


def host_covers(pattern: str, host: str) -> bool:
    """Whether every host that ``host`` (a name or a pattern) stands for is one of ``pattern``."""
    if pattern == host:
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern.endswith(".*") and not host.startswith("*.") and host.startswith(pattern[:-1])


def _sets(one: frozenset[str] | None, two: frozenset[str] | None) -> frozenset[str] | None:
    return two if one is None else one if two is None else one & two


def _hosts(one: frozenset[str] | None, two: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or two is None:
        return two if one is None else one
    return frozenset(b if host_covers(a, b) else a for a in one for b in two if host_covers(a, b) or host_covers(b, a))


def _pairs(one: Pairs, two: Pairs) -> Pairs | None:
    merged = dict(one)
    for name, wanted in two:
        found = both(merged[name], wanted) if name in merged else wanted
        if found is None:
            return None
        merged[name] = found
    return tuple(merged.items())


def neither(conditions: Iterable[Condition]) -> Condition | None:
    """What holds where none of them does, if each is about the value of one name."""
    found = ALL
    for each in conditions:
        pairs = each.headers + each.query + each.cookies
        if each.without("headers", "query", "cookies") != ALL or len(pairs) != 1 or pairs[0][0].startswith("\0"):
            return None
        try:
            headers, query, cookies = (
                tuple((name, opposite(wanted)) for name, wanted in one)
                for one in (each.headers, each.query, each.cookies)
            )
            merged = found.both(Condition(headers=headers, query=query, cookies=cookies))
        except Inexpressible:
            return None
        if merged is None:
            return None
        found = merged
    return found


def networks(one: tuple[str, ...] | None, two: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or two is None or one == two:
        return two if one is None else one
    found: list[str] = []
    try:
        for a in one:
            for b in two:
                first, second = ipaddress.ip_network(a, strict=False), ipaddress.ip_network(b, strict=False)
                if first.version == second.version and first.overlaps(second):
                    found.append(a if first.prefixlen >= second.prefixlen else b)
    except ValueError:
        raise Inexpressible("two lists of addresses have to hold at once") from None
    return tuple(found)


def _paths(one: Path, two: Path) -> Path | None:
    """What is matched by both; ``None``: nothing.  Raises :class:`Inexpressible`."""
    if one == two or (one.kind, one.text) == (two.kind, two.text):
        return one if two.fold else two
    for a, b in ((one, two), (two, one)):
        if a.kind == "exact" and not a.fold:
            return a if b.matches(a.text) else None
    for a, b in ((one, two), (two, one)):
        if a.kind in ("prefix", "tree") and _within(b, a):
            return b
    if _apart(one, two):
        return None
    for a, b in ((one, two), (two, one)):
        if a.kind == "prefix" and b.kind in ("prefix", "tree", "exact") and b.fold and not a.fold:
            rest = Path(b.kind, b.text[len(a.text) :]).expression().removeprefix("^")
            if len(a.text) <= len(b.text):
                return Path("regex", f"^{escaped(a.text)}(?i:{rest})")
        if a.kind in ("prefix", "tree") and b.kind == "regex" and not a.fold and not b.fold:
            begin = literal_prefix(f"^{b.text}")[:1]
            if begin and begin not in f"{a.text}/" and not b.text.startswith("^"):
                return Path("regex", f"^{escaped(a.text)}{'/' if a.kind == 'tree' else ''}.*(?:{b.text})")
    for a, b in ((one, two), (two, one)):
        if a.kind in ("prefix", "tree") and b.kind == "suffix" and b.text[:1] not in a.text and not a.fold:
            end = "/" if a.kind == "tree" else ""
            return Path("regex", f"^{escaped(a.text)}{end}.*{escaped(b.text)}$" if not b.fold else _mixed(a, b, end))
    if one.kind == two.kind == "suffix" and one.fold == two.fold:
        longer, shorter = sorted((one, two), key=lambda each: -len(each.text))
        return longer if longer.text.endswith(shorter.text) else None
    text = two_patterns.both(one.expression(), two.expression(), "/")
    known = {each.expression(): each for each in (one, two)}
    return None if text is None else known.get(text) or Path("regex", text)


def _apart(one: Path, two: Path) -> bool:
    """Whether the characters that both begin with are not the same."""
    begins = []
    for each in (one, two):
        begin = "" if each.kind == "suffix" else literal_prefix(each.text) if each.kind == "regex" else each.text
        begins.append(begin.lower() if one.fold or two.fold else begin)
    return not begins[0].startswith(begins[1]) and not begins[1].startswith(begins[0])


def _mixed(prefix: Path, suffix: Path, end: str) -> str:
    return f"^{escaped(prefix.text)}{end}.*(?i:{escaped(suffix.text)})$"


def _within(inner: Path, outer: Path) -> bool:
    """Whether all that ``inner`` matches is known to begin as ``outer`` asks."""
    if outer.fold and not inner.fold:
        outer = Path(outer.kind, outer.text.lower())
        inner = Path(inner.kind, inner.text.lower() if inner.kind != "regex" else inner.text)
    elif inner.fold and not outer.fold:
        return False
    begins = literal_prefix(inner.text) if inner.kind == "regex" else inner.text
    if inner.kind == "suffix" or not begins.startswith(outer.text):
        return False
    if outer.kind == "prefix":
        return True
    rest = begins[len(outer.text) :]
    return rest.startswith("/") or (not rest and inner.kind in ("exact", "tree"))


def anchored(wanted: Path, path: Path | None) -> Path:
    """An expression at the beginning, where a path that begins as ``path`` says can only match there first."""
    if path is not None and path.kind in ("prefix", "tree") and wanted.kind == "regex":
        first = replace(wanted, text=f"^{wanted.text}")
        return first if _within(first, path) else wanted
    return wanted


def literal_prefix(expression: str) -> str:
    """The characters with which every match begins; empty where they are not known."""
    if not expression.startswith("^") or "|" in expression:
        return ""
    found: list[str] = []
    rest = expression[1:]
    while (match := _PLAIN.match(rest)) is not None:
        following = rest[match.end() : match.end() + 1]
        if following in tuple("*?{"):
            break
        found.append(match[0][-1])
        rest = rest[match.end() :]
        if following == "+":
            break
    return "".join(found)
