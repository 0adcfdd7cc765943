"""``error_page``: pages that are files, locations that answer, peers that are asked for the page."""

import re
from pathlib import Path

from rsp.importing.lua import quoted
from rsp.importing.nginx import proxy
from rsp.importing.nginx.context import Context
from rsp.importing.nginx.draft import Draft
from rsp.importing.nginx.guards import MODULE
from rsp.importing.nginx.servers import Location, Server
from rsp.importing.nginx.tree import Statement
from rsp.importing.nginx.variables import Names, Unsayable
from rsp.importing.site import Declaration, Value


def pages(server: Server, drafts: list[tuple[Location | None, Draft]], context: Context, prefix: Path) -> None:
    """``error_page`` of the server and its locations."""
    result = context.result
    seen: set[int] = set()
    for location, draft in drafts:
        level = location.level if location is not None else server.level
        if draft.is_closed:
            level.all("error_page", "proxy_intercept_errors", "fastcgi_intercept_errors")
            continue
        intercepts = level.is_on("proxy_intercept_errors") or level.is_on("fastcgi_intercept_errors")
        statuses: list[str] = []
        for statement in level.all("error_page"):
            try:
                statuses += _page(statement, server, location, draft, context, prefix, is_new=id(statement) not in seen)
            except Unsayable as error:
                if id(statement) not in seen:
                    result.pages.lost(statement, str(error))
            seen.add(id(statement))
        if intercepts and statuses and "to" in draft.keys:
            condition = " or ".join(f"res.status == {status}" for status in dict.fromkeys(statuses))
            draft.after.insert(0, f"if not res.own and ({condition}) then return respond(res.status) end")


def _page(
    statement: Statement, server: Server, location: Location | None, draft: Draft, context: Context, prefix: Path,
    *, is_new: bool,
) -> list[str]:  # fmt: skip
    """The statuses for which rsp has the page.  Raises :class:`Unsayable`."""
    result = context.result
    *words, target = statement.args
    statuses = [word for word in words if word.isdigit()]
    changed = next((word for word in words if word.startswith("=")), "")
    names = server.names_at(location)
    known = [status for status in statuses if status not in ("494", "495", "496", "497", "499")]
    if not known:
        if is_new:
            result.pages.note(statement, "rsp answers 400 to plain HTTP at a port with TLS, and names the right URL")
        return []
    if re.match(r"https?://|\$scheme", target):
        condition = " or ".join(f"err.status == {status}" for status in known)
        draft.failed.append(f"if {condition} then return redirect({names.lua(target)}, {changed[1:] or 302}) end")
        return []
    if target.startswith("@"):
        return _named(target, known, changed, server, draft, context)
    if "$" in target:
        raise Unsayable("the page depends on the request")
    path = target.partition("?")[0]
    if known == ["404"] and changed in ("=200", "=") and _falls_back(path, server, location, draft):
        return []
    if changed and changed[1:] not in known:
        raise Unsayable("rsp does not change the status of an error with its page")
    found = server.find(path)
    level = found.level if found is not None else server.level
    if found is not None and found.content is not None:
        if location is None or location.level.is_on("proxy_intercept_errors"):
            raise Unsayable("the page comes from a peer")
        _asked(target, found, known, changed[1:], server, draft, context)
        return []
    if found is not None and found.level.has("return"):
        returned(found, known, server, draft)
        return []
    root = server.names_at(found).expand(level.value("alias") or level.value("root"))
    if not is_new:
        return known
    file = Path(root, path.lstrip("/")) if root else prefix / "html" / path.lstrip("/")
    if found is not None and level.has("alias"):
        file = Path(root, path[len(found.path) :].lstrip("/")) if root.endswith("/") else Path(root)
    if "$" in str(file):
        raise Unsayable("the page depends on the request")
    if not file.is_file():
        listed = ", ".join(known)
        text = f"the page {file} for {listed} is not on this machine; where it is: page {{ status = ..., file = ... }}"
        result.pages.note(statement, text)
        return known
    listed_statuses: list[Value] = [int(status) for status in known]
    one: Value = listed_statuses[0] if len(listed_statuses) == 1 else listed_statuses
    declared = Declaration("page", keys={"status": one, "file": str(file.resolve())}, origin=statement.origin)
    for part in result.pages:
        if isinstance(part, Declaration) and part.keys == declared.keys:
            return known
        if isinstance(part, Declaration) and _same_status(part.keys.get("status"), one):
            raise Unsayable("rsp has one page for a status, for all hosts")
    result.pages.append(declared)
    return known


def _same_status(first: Value, second: Value) -> bool:
    def listed(value: Value) -> set[object]:
        return set(value) if isinstance(value, list) else {value}

    return bool(listed(first) & listed(second))


def _falls_back(path: str, server: Server, location: Location | None, draft: Draft) -> bool:
    """``error_page 404 =200 /index.html`` of files."""
    if "files" not in draft.keys or "fallback" in draft.keys or "else_to" in draft.keys or location is not None:
        return False
    found = server.find(path)
    if found is not None and found.content is not None:
        return False
    draft.keys["fallback"] = path
    return True


def _named(target: str, statuses: list[str], changed: str, server: Server, draft: Draft, context: Context) -> list[str]:
    meant = server.named.get(target)
    if meant is None:
        raise Unsayable(f"there is no location {target} here")
    if any(each.name == "return" for each in meant.level.block):
        returned(meant, statuses, server, draft)
        return []
    if meant.content is not None and not changed:
        _asked(target, meant, statuses, "", server, draft, context)
        return []
    raise Unsayable(f"rsp import does not translate what {target} does after an error")


def returned(meant: Location, statuses: list[str], server: Server, draft: Draft) -> None:
    """A location that answers by itself: ``return 503 "text"``."""
    returned = next(each for each in meant.level.block if each.name == "return")
    code, *rest = returned.args
    names = server.names_at(meant)
    if meant.modifier != "@":  # whose path the request has by then
        known = {**names.constants, "uri": meant.path, "document_uri": meant.path}
        names = Names(known, names.functions, names.captures)
    condition = " or ".join(f"err.status == {status}" for status in statuses)
    if not code.isdigit() or (rest and code in ("301", "302", "303", "307", "308")):
        url, code = (names.lua(rest[0]), code) if code.isdigit() else (names.lua(code), "302")
        draft.failed.append(f"if {condition} then return redirect({url}, {code}) end")
        _settled(meant)
        return
    kind = meant.level.value("default_type", "text/plain")
    said = f", body = {names.lua(rest[0])}" if rest else ""
    draft.failed.append(
        f"if {condition} then return respond{{ status = {code}, "
        f'headers = {{ ["Content-Type"] = {quoted(kind)} }}{said} }} end'
    )
    _settled(meant)


def _settled(meant: Location) -> None:
    """A named location is no place of its own; others still have a route."""
    if meant.modifier == "@":
        for each in meant.level.block:
            if each.name in ("return", "internal", "default_type"):
                each.used = True


def _asked(
    path: str, meant: Location, statuses: list[str], changed: str, server: Server, draft: Draft, context: Context
) -> None:
    """A location that passes on to a peer, which is asked for the page.  Raises :class:`Unsayable`."""
    passing = meant.content
    if passing is None or passing.name != "proxy_pass" or meant.level.has(*MODULE) or path.startswith("@"):
        raise Unsayable("the page does not come from a peer alone")
    target = proxy.target(passing, meant.level, server.names_at(meant), context.blocks, context.result, draft.parts)
    if target.uri is not None:
        raise Unsayable("the page comes from another path of a peer")
    condition = " or ".join(f"err.status == {status}" for status in statuses)
    passing.used = True
    said = "rsp asks for the page without the fields of the client; of the page, it sends Content-Type and body"
    draft.parts.note(passing, said)
    draft.failed += [
        f"if {condition} then",
        f"  local page = http.get{{ upstream = {quoted(target.upstream)}, path = {quoted(path)}, host = req.host }}",
        '  local kind = page and page.headers["Content-Type"] or "text/html"',
        '  local fields = { ["Content-Type"] = kind }',
        f"  local status = {changed or 'err.status'}",
        "  if page then return respond{ status = status, headers = fields, body = page.body } end",
        "end",
    ]
