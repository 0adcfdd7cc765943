"""Conditions in order become routes that choose the same.

rsp looks at the most specific host first, then at ``exact``, ``regex`` as declared, the longest ``path``.  So each
host gets all that may be for it, in order, but for an end that is the same as for the less specific host; and where
the order of paths would be another, they are written as regular expressions, which stay in order.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

from rsp.importing.ordered.condition import Condition, Inexpressible, Path, host_covers
from rsp.importing.ordered.rules import Chosen
from rsp.importing.ordered.value import written
from rsp.importing.site import Declaration, Untranslated

Form = Literal["exact", "regex", "path"]
_RANK: Final = {"exact": 3, "regex": 2, "path": 1}
Finish = Callable[[dict[str, Any], Form, Path | None], dict[str, Any]]


def routes(chosen: Sequence[Chosen], finish: Finish) -> list[Declaration | Untranslated]:
    """``finish``: a route's keys, once it is known how its path is written; ``_lost`` of them is what is missing."""
    hosts: dict[str, None] = {}
    for each in chosen:
        for host in sorted(each.condition.hosts or ()):
            hosts[host] = None
    ordered = sorted(hosts, key=_specific)
    general = _chain(chosen, None)
    chains: dict[str | None, list[int]] = {None: general}
    for host in ordered:
        chains[host] = _chain(chosen, host)
    written: dict[tuple[int, ...], list[str]] = {}
    for host in hosts:
        wider = next((each for each in ordered if each != host and host_covers(each, host)), None)
        chain = _ahead(chains[host], chains[wider])
        if chain:
            written.setdefault(tuple(chain), []).append(host)
    found: list[Declaration | Untranslated] = []
    begins, ends = _wild(chosen, -1), _wild(chosen, 0)
    if begins and ends and min(begins.values()) < max(ends.values()):
        why = "of hosts by their beginning and by their end, rsp looks at the latter first"
        found.append(Untranslated(why, ", ".join([*begins, *ends])))
    for indices, names in written.items():
        found += _routes([chosen[index] for index in indices], names, finish)
    return found + _routes([chosen[index] for index in general], [], finish)


def _wild(chosen: Sequence[Chosen], place: int) -> dict[str, int]:
    """Hosts with a ``*`` there, and the condition that asks for them: of beginnings the first, of ends the last."""
    found: dict[str, int] = {}
    for index, each in enumerate(chosen):
        for host in sorted(each.condition.hosts or ()):
            if host[place] == "*" and (place == 0 or host not in found):
                found[host] = index
    return found


def _specific(host: str) -> tuple[int, int]:
    """Least first: as rsp looks at them."""
    return (1, -len(host)) if host.startswith("*.") else (2, -len(host)) if host.endswith(".*") else (0, 0)


def _chain(chosen: Sequence[Chosen], host: str | None) -> list[int]:
    """Indices of what may be for ``host``, up to what takes all the rest; without what can have no request."""
    chain: list[int] = []
    for index, each in enumerate(chosen):
        hosts = each.condition.hosts
        if hosts is not None and (host is None or not any(host_covers(pattern, host) for pattern in hosts)):
            continue
        condition = each.condition.without("hosts")
        if any(chosen[before].condition.without("hosts").covers(condition) for before in chain):
            continue
        chain.append(index)
    return chain


def _ahead(chain: list[int], wider: list[int]) -> list[int]:
    """``chain`` without the end to which rsp comes by the wider host as well."""
    end = len(chain)
    while end and chain[end - 1] in wider:
        end -= 1
    return chain[:end]


def _routes(chain: Sequence[Chosen], hosts: list[str], finish: Finish) -> list[Declaration | Untranslated]:
    found: list[Declaration | Untranslated] = []
    for each, form in zip(chain, _forms(chain), strict=True):
        route = _route(each, form, hosts, finish)
        lost: Any = route.keys.pop("_lost", None)
        if lost is not None:
            found.append(Untranslated(lost[0], lost[1], each.origin))
        found.append(route)
    return found


def _forms(chain: Sequence[Chosen]) -> list[Form]:
    """How each path is written, so that the first that matches wins."""
    conditions = [each.condition for each in chain]
    forms = [_natural(each.condition.path, each.keys) for each in chain]
    changed = True
    while changed:
        changed = False
        for late in range(len(conditions)):
            for early in range(late):
                if not _wins(conditions[late], forms[late], conditions[early], forms[early]):
                    continue
                if not _overlap(conditions[early], conditions[late]):
                    continue
                if forms[early] == "path":
                    forms[early] = "regex"
                    changed = True
                if forms[late] == "exact":
                    forms[late] = "regex"
                    changed = True
    return forms


def _natural(path: Path | None, keys: dict[str, Any]) -> Form:
    rewrite = keys.get("rewrite")
    if isinstance(rewrite, str) and "{" not in rewrite and (path is None or path.kind != "exact"):
        return "regex"  # or else what lies below the path would stay
    if path is None:
        return "path"
    if path.fold:
        return "regex"
    if path.kind == "prefix":
        return "path" if path.text.endswith("/") else "regex"
    return {"exact": "exact", "tree": "path"}.get(path.kind, "regex")  # type: ignore[return-value]


def _wins(late: Condition, late_form: Form, early: Condition, early_form: Form) -> bool:
    """Whether rsp would look at ``late`` first."""
    if _RANK[late_form] != _RANK[early_form]:
        return _RANK[late_form] > _RANK[early_form]
    return late_form == "path" and _length(late) > _length(early)


def _length(condition: Condition) -> int:
    return 1 if condition.path is None else len(condition.path.text)


def _overlap(one: Condition, two: Condition) -> bool:
    try:
        return one.both(two) is not None
    except Inexpressible:
        return True


def _route(chosen: Chosen, form: Form, hosts: list[str], finish: Finish) -> Declaration:
    condition = chosen.condition
    keys: dict[str, Any] = {}
    if condition.listeners is not None:
        keys["listener"] = _one(sorted(condition.listeners))
    if hosts:
        keys["host"] = _one(hosts)
    path = condition.path
    if form == "regex":
        keys["regex"] = "^/" if path is None else path.expression()
    elif path is not None:
        keys[form] = path.text
    if condition.methods is not None:
        keys["methods"] = sorted(condition.methods)
    if condition.headers:
        keys["headers"] = {name: written(wanted) for name, wanted in condition.headers}
    if condition.query:
        keys["query"] = {name: written(wanted) for name, wanted in condition.query}
    if condition.cookies:
        keys["cookies"] = {name: written(wanted) for name, wanted in condition.cookies}
    if condition.clients is not None:
        keys["client"] = list(condition.clients)
    keys |= finish(chosen.keys, form, path)
    return Declaration("route", keys=keys, origin=chosen.origin, comments=list(chosen.comments))


def _one(values: Iterable[str]) -> str | list[str]:
    found = list(values)
    return found[0] if len(found) == 1 else found
