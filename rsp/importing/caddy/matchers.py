"""Matchers: what stands behind a directive's name, and ``@name``, as conditions of routes."""

import ipaddress
import re
from typing import Final

from msgspec import Struct, field

from rsp.importing.caddy.tokens import Node, variables
from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, Path, neither, of_path
from rsp.importing.ordered.value import Value, Wanted, expression, field_name, regular

PRIVATE: Final = ("192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "127.0.0.0/8", "fd00::/8", "::1")


class Matcher(Struct):
    """One of ``any`` has to hold, and none of ``unless``.  ``length``: of its only path, by which Caddy sorts."""

    any: list[Condition] = field(default_factory=lambda: [ALL])
    unless: list[Condition] = field(default_factory=list)
    paths: tuple[str, ...] = ()
    given: bool = False


class Scope(Struct):
    """Where matchers stand.  ``prefix``: what ``handle_path`` has taken off the path."""

    named: dict[str, Node]
    secure: frozenset[str]
    plain: frozenset[str]
    prefix: str = ""


def is_matcher(word: str) -> bool:
    return word.startswith(("/", "@")) or word == "*"


def matcher(scope: Scope, word: str, fold: bool = False) -> Matcher:
    """Raises :class:`Inexpressible`.  ``fold``: paths in any case, as Caddy compares them."""
    if word == "*":
        return Matcher()
    if word.startswith("/"):
        return Matcher([of_path(_path(word, scope, fold))], paths=(word,), given=True)
    node = scope.named.get(word)
    if node is None:
        raise Inexpressible(f"the matcher {word} is not defined")
    found = _named(node, scope, fold)
    return Matcher(found.any, found.unless, found.paths, True)


def may_lack(line: Node) -> bool:
    """Whether a line of a matcher may hold for clients that lack something: ``not``, and some expressions of CEL."""
    lacking = re.search(r"!|<|false|null|== *(?:0|''|\"\")", " ".join(line.rest)) is not None
    return line.name == "not" or (line.name == "expression" and lacking)


def _named(node: Node, scope: Scope, fold: bool) -> Matcher:
    lines = [Node(node.rest, node.origin, node.block)] if len(node.words) > 1 else node.block or []
    return _all(lines, scope, fold)


def _all(lines: list[Node], scope: Scope, fold: bool) -> Matcher:
    """Lines of one kind are alternatives, but for fields; of several kinds all have to hold."""
    any = [ALL]
    unless: list[Condition] = []
    paths: tuple[str, ...] = ()
    kinds: dict[str, list[Condition]] = {}
    for line in lines:
        if line.name == "not":
            inner = _all([Node(line.rest, line.origin, line.block)] if line.rest else line.block or [], scope, fold)
            if inner.unless:
                raise Inexpressible("not in not")
            other = neither(inner.any)
            if other is None:
                unless += inner.any
            else:
                any = [merged for one in any if (merged := one.both(other)) is not None]
            continue
        if line.name == "header" and line.rest and line.rest[0].startswith("!"):
            absent = Condition(headers=((_field(line.rest[0][1:]), False),))
            any = [merged for one in any if (merged := one.both(absent)) is not None]
            continue
        if line.name == "path":
            paths = tuple(line.rest)
        key = f"{line.name} {line.rest[0].lower()}" if line.name in ("header", "query") and line.rest else line.name
        if line.name == "header_regexp" and len(line.rest) > 1:
            key = f"header_regexp {line.rest[-2].lower()}"
        kinds.setdefault(key, []).extend(_kind(line, scope, fold))
    for alternatives in kinds.values():
        any = [both for one in any for two in alternatives if (both := one.both(two)) is not None]
    return Matcher(any, unless, paths if list(kinds) == ["path"] and not unless else ())


def _kind(line: Node, scope: Scope, fold: bool) -> list[Condition]:
    name, values = line.name, line.rest
    if name == "path":
        return [of_path(_path(each, scope, fold)) for each in values]
    if name == "path_regexp" and values:
        if scope.prefix and not values[-1].startswith("^/"):
            raise Inexpressible("a regular expression below handle_path")
        text = f"^{re.escape(scope.prefix)}{values[-1][1:]}" if scope.prefix else values[-1]
        return [Condition(path=Path("regex", text))]
    if name == "host":
        return [Condition(hosts=frozenset(each.lower() for each in values))]
    if name == "method":
        return [Condition(methods=frozenset(each.upper() for each in values))]
    if name == "header" and values:
        return [_header(values)]
    if name == "header_regexp" and len(values) in (2, 3):
        return [_header_regexp(values)]
    if name == "query":
        pairs = [each.partition("=") for each in values]
        return [Condition(query=((key, True if value == "*" else value),)) for key, _, value in pairs]
    if name in ("remote_ip", "client_ip"):
        return [Condition(clients=tuple(networks(values)))]
    if name == "protocol" and values[:1] == ["https"]:
        return [Condition(listeners=scope.secure)] if scope.secure else []
    if name == "protocol" and values[:1] == ["http"]:
        return [Condition(listeners=scope.plain)] if scope.plain else []
    raise Inexpressible(f"rsp has no condition for {line.text}")


def _header(values: list[str]) -> Condition:
    """``header``: the value, its beginning, its end, or a part, by stars."""
    name = _field(values[0])
    value = values[1] if len(values) > 1 else "*"
    if name.lower() == "connection" and value.strip("*").lower() == "upgrade":
        return Condition(headers=(("Upgrade", True),))
    if "{" in value:
        raise Inexpressible(f"a value with {value}")
    text = value.removeprefix("*").removesuffix("*")
    if name == "Host" and "*" not in value:
        return Condition(hosts=frozenset([value.lower()]))
    wanted: Wanted = value
    if value in ("*", "**"):
        wanted = True
    elif value[0] == value[-1] == "*":
        wanted = Value(contains=(text,))
    elif value[0] == "*":
        wanted = Value(suffix=(text,))
    elif value[-1] == "*":
        wanted = Value(prefix=(text,))
    if name == "Host" and isinstance(wanted, Value):  # routes compare it by expressions only
        wanted = Value(regex=tuple(expression(key, each) for key, texts in wanted.tests() for each in texts))
    return Condition(headers=((name, wanted),))


def _header_regexp(values: list[str]) -> Condition:
    """``[name] field regexp``; what it captures has a name that nothing in rsp can use."""
    if "{" in re.sub(r"\{[0-9]+(?:,[0-9]*)?\}", "", values[-1]):
        raise Inexpressible(f"a regular expression with {values[-1]}")
    return Condition(headers=((_field(values[-2]), Value(regex=(regular(values[-1]),))),))


def _field(name: str) -> str:
    return field_name(name)


def networks(values: list[str]) -> list[str]:
    found: list[str] = []
    for each in values:
        if each == "private_ranges":
            found += PRIVATE
        elif (found_ := variables(each)) and found_[0][2] == each and found_[0][1]:
            networks([found_[0][1]])
            found.append(each)
        elif each == "forwarded":
            raise Inexpressible("forwarded: name the proxies in trusted instead")
        else:
            try:
                network = ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise Inexpressible(f'"{each}" is not an address') from None
            found.append(each if network.num_addresses == 1 else str(network))
    return found


def _path(pattern: str, scope: Scope, fold: bool) -> Path:
    if "{" in pattern or "%" in pattern:
        raise Inexpressible(f"a path with {pattern}")
    inner = pattern[:-1] if pattern.endswith("*") else pattern
    middle = "*" in inner.lstrip("*") or "?" in inner
    if pattern.startswith("*") and not middle:
        text = pattern.lstrip("*")
        if pattern == "*":
            return Path("prefix", f"{scope.prefix}/")
        if scope.prefix:
            raise Inexpressible("the end of a path below handle_path")
        if text.endswith("*"):
            return Path("regex", re.escape(text.rstrip("*")), fold)
        return Path("suffix", text, fold)
    if middle:
        parts = re.escape(scope.prefix + pattern).replace(r"\*", ".*" if pattern.startswith("*") else "[^/]*")
        if pattern.endswith("*"):
            parts = parts[: -len("[^/]*")] + ".*" if not pattern.startswith("*") else parts
        return Path("regex", f"^{parts}$".replace(r"\-", "-"), fold)
    if pattern.endswith("*"):
        return Path("prefix", scope.prefix + inner, fold)
    return Path("exact", scope.prefix + pattern, fold)
