"""Prefixes of which rsp's order of routes is not nginx's: expressions inside of a shorter one match their paths, too.

In rsp, expressions come before prefixes, or, with ``first``, behind them.  A prefix that needs some expressions before
it and others behind it becomes expressions: those that nginx tries for its paths, narrowed to these, and one for all of
its paths.  They stand before all other expressions of the server, those of the longest prefix first.
"""

import re

from msgspec.structs import replace

from rsp.importing.lua import quoted
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching import prefixes
from rsp.importing.nginx.matching.inside import UNREACHED, within
from rsp.importing.nginx.matching.paths import as_sent
from rsp.importing.nginx.matching.precedence import expressions
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.values.maps import named_groups
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.nginx.values.variables import Unsayable, pieces
from rsp.importing.site import Value

Pairs = list[tuple[Location | None, Draft]]


def is_settled(prefix: Location, server: Server) -> bool:
    """Whether it becomes expressions."""
    if not _is_in_conflict(prefix, server):
        return False
    for each in server.locations:
        is_longer = each is not prefix and not each.is_regex and each.path.startswith(prefix.path)
        has_own = any(inner.is_regex and inner.home is each for inner in server.locations)
        if is_longer and has_own and not _is_in_conflict(each, server):
            return False
    try:
        return all(_narrowed(each, prefix) is not None for each in server.tried(prefix))
    except Unsayable:
        return False


def _is_in_conflict(prefix: Location, server: Server) -> bool:
    return prefix.modifier in ("", "^~") and all(expressions(prefix, server))


def _narrowed(location: Location, prefix: Location) -> str | None:
    """An expression for the paths of ``prefix``; empty: none of them; ``None``: it lacks groups.

    Raises :class:`Unsayable`.
    """
    if location.home is prefix:
        return location.expression
    each = location.searched
    try:
        said, has_groups = within(as_sent(prefix.path), each.said, ignores_case=each.ignores_case)
    except Unsayable as error:
        if str(error).startswith(UNREACHED):
            return ""
        raise
    return said if (has_groups and each.has_groups) or not _asks_for_groups(location) else None


def _asks_for_groups(location: Location) -> bool:
    groups = named_groups(location.path)
    asked = (name for each in every(location.level.block) for word in each.args for _, name in pieces(word))
    return any(name in groups for name in asked)


def routes(server: Server, pairs: Pairs) -> Pairs:
    """What stands before the other routes of a server."""
    drafts = {id(location): draft for location, draft in pairs if location is not None}
    found: Pairs = []
    settled = [each for each in server.locations if not each.is_regex and is_settled(each, server)]
    for prefix in sorted(settled, key=lambda each: -len(each.path)):
        for each in server.tried(prefix):
            expression, draft = _narrowed(each, prefix), drafts[id(each)]
            if expression and draft.keys:
                found.append((each, _copy(draft, expression)))
        found.append((prefix, _whole(prefix, server, drafts[id(prefix)])))
    return [*_slashes(server, pairs, settled), *found]


def _slashes(server: Server, pairs: Pairs, settled: list[Location]) -> Pairs:
    """The redirect of ``/sub`` to ``/sub/``, where an expression of a shorter prefix would have that path."""
    found: Pairs = []
    taken = {each.path for each in server.locations if not each.is_regex}
    for location, draft in pairs:
        if location is None or draft.match.get("slash") != "redirect":
            continue
        bare = location.path.rstrip("/")
        if bare not in taken and any(bare.startswith(each.path) for each in settled if each is not location):
            to = 'req.path .. "/" .. (req.query ~= "" and "?" .. req.query or "")'
            keys: dict[str, Value] = {"respond": {"status": 500}}  # never sent: the hook answers
            match: dict[str, Value] = {"exact": as_sent(bare)}
            found.append((location, Draft(match, keys, before=[f"return redirect({to}, 301)"], is_settled=True)))
    return found


def _copy(draft: Draft, expression: str) -> Draft:
    if draft.others or "" in draft.keys:
        return Draft({"regex": expression}, {"respond": {"status": 503}}, is_settled=True)
    return replace(draft, match={"regex": expression}, parts=Parts(), is_settled=True)


def _whole(prefix: Location, server: Server, draft: Draft) -> Draft:
    """For all of its paths."""
    path = as_sent(prefix.path)
    keys: dict[str, Value] = dict(draft.keys)
    before, after = list(draft.before), list(draft.after)
    match: dict[str, Value] = {"regex": prefixes.but_longer(path, server)}
    rewrite = str(keys.pop("rewrite", path))
    mapped = keys.pop("rewrite_location", False)
    if "{" in rewrite or "?" in rewrite or {"files", "rewrite"} <= set(draft.keys):
        return _lost(prefix, draft, match)
    if mapped:
        after += _mapped(prefix, rewrite, keys)
    if rewrite != path:
        behind = prefixes.but_longer(path, server).removeprefix(f"^{re.escape(path)}")
        match["regex"] = f"^{re.escape(path)}({behind}.*)$"
        keys["rewrite"] = f"{rewrite}{{1}}"
    changed: dict[str, Value] = {}
    if "files" in keys and not prefixes.above(prefix, keys, changed):
        given = keys["files"]
        root = str(given["root"] if isinstance(given, dict) else given)
        if {"fallback", ""} & set(keys) or not path.endswith("/") or draft.others:
            return _lost(prefix, draft, match)
        behind = f"req.path:sub({len(prefix.path)})"
        before += [
            f'if req.path:sub(-1) ~= "/" and file.kind({quoted(root)} .. {behind}) == "directory" then',
            '  return redirect(req.path .. "/" .. (req.query ~= "" and "?" .. req.query or ""), 301)',
            "end",
            f"req.path = {behind}",
        ]
    keys |= changed
    whole = replace(draft, match=match, keys=keys, before=before, after=after)
    whole.parts, whole.rest, whole.is_settled = Parts(), None, True
    return whole


def _mapped(prefix: Location, rewrite: str, keys: dict[str, Value]) -> list[str]:
    """``proxy_redirect default``, which is ``rewrite_location`` of a route with ``path``."""
    passing = prefix.content
    scheme = "https" if passing is not None and passing.value.startswith("https") else "http"
    old = quoted(f"{scheme}://{keys.get('send_host', '')}{rewrite}")
    return [
        f'local location, old = res.headers["Location"], {old}',
        "if location and location:sub(1, #old) == old then",
        f'  res.headers["Location"] = {quoted(prefix.path)} .. location:sub(#old + 1)',
        "end",
    ]


def _lost(prefix: Location, draft: Draft, match: dict[str, Value]) -> Draft:
    said = f"in rsp, expressions come before {prefix.path}"
    if prefixes.refuses(draft.keys):
        return Draft(match, {"respond": {"status": 403}}, is_settled=True)
    parts = Parts()
    parts.lost(prefix.statement, said)
    return Draft(match, {"respond": {"status": 503}}, parts, is_settled=True)
