"""What holds for the whole file: compression, logs, proxies before it, its user; and ``error_page``."""

import re
from pathlib import Path
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx import proxy
from rsp.importing.nginx.context import Context
from rsp.importing.nginx.draft import Draft
from rsp.importing.nginx.guards import MODULE
from rsp.importing.nginx.levels import Level
from rsp.importing.nginx.result import Result
from rsp.importing.nginx.servers import Location, Server
from rsp.importing.nginx.tree import Statement
from rsp.importing.nginx.units import size
from rsp.importing.nginx.variables import Names, Unsayable
from rsp.importing.site import Declaration, Setting, Value

_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+*-]+")


def whole(main: Level, http: Level, result: Result) -> list[str]:
    """Settings; the proxies before it whose word counts."""
    for statement in (*main.own("user"), *http.own("user")):
        result.settings.append(Setting("user", statement.value, statement.origin))
        if len(statement.args) > 1:
            result.settings.append(Setting("group", statement.args[1], statement.origin))
    for statement in main.own("worker_processes"):
        if statement.value.isdigit() and 1 <= int(statement.value) <= 128:
            result.settings.append(Setting("workers", int(statement.value), statement.origin))
    trusted = _trusted(http, result)
    compress = compression(http, result)
    if compress:
        result.settings.append(Setting("compress", compress))
    log = _log(http, result)
    if log is not None:
        result.settings.append(Setting("access_log", log))
    return trusted


def _trusted(http: Level, result: Result) -> list[str]:
    levels = [http, *(Level("server", each.block or [], http) for each in http.block if each.name == "server")]
    levels += [
        Level("location", inner.block or [])
        for level in levels[1:]
        for inner in level.block
        if inner.name == "location"
    ]
    statements = [statement for level in levels for statement in level.own("set_real_ip_from")]
    headers = [statement for level in levels for statement in level.own("real_ip_header")]
    for level in levels:
        level.own("real_ip_recursive")
    trusted = list(dict.fromkeys(statement.value for statement in statements))
    by_header = [statement for statement in headers if statement.value != "proxy_protocol"]
    if not trusted:
        return []
    if headers and not by_header:
        return trusted
    result.set("trusted", trusted, statements[0])
    servers = [each for each in http.block if each.name == "server"]
    if not http.has("set_real_ip_from") and len(servers) > 1:
        result.settings.note(statements[0], "rsp believes `trusted` proxies in all servers, not only in this one")
    for statement in by_header:
        if statement.value.lower() not in ("x-forwarded-for", "x-real-ip"):
            text = (
                f"rsp takes the client's address from X-Forwarded-For of `trusted` proxies, not from {statement.value}"
            )
            result.settings.note(statement, text)
    if not by_header:
        result.settings.note(statements[0], "nginx reads X-Real-IP here; rsp reads X-Forwarded-For")
    return trusted


def compression(level: Level, result: Result) -> Value:
    """Of ``gzip`` and its like at this level; ``None``: nothing is said."""
    words = {name: level.last(name) for name in ("gzip", "brotli", "zstd")}
    on = [name for name, statement in words.items() if statement is not None and statement.value == "on"]
    for name in words:
        level.all(f"{name}_types", f"{name}_comp_level", f"{name}_min_length", f"{name}_static")
    if not on:
        return None
    keys: dict[str, Value] = {}
    names = {"gzip": "gzip", "brotli": "br", "zstd": "zstd"}
    keys["algorithms"] = [names[name] for name in ("zstd", "brotli", "gzip") if name in on]
    types = next((found for name in on if (found := level.last(f"{name}_types")) is not None), None)
    listed = ["text/html", *(types.args if types is not None else [])]
    if "*" in listed:
        listed = ["*"]
    kinds = [word for word in listed if word == "*" or _TYPE.fullmatch(word)]
    for word in dict.fromkeys(listed):
        if word not in kinds:
            result.settings.note(types, f"no response has the type {word}, so it is left out")
    keys["types"] = list(dict.fromkeys(kinds))
    smallest = level.last(f"{on[0]}_min_length")
    try:
        keys["min_size"] = size(smallest.value) if smallest is not None else "20"
    except Unsayable as error:
        if smallest is not None:
            result.settings.lost(smallest, str(error))
    depth = level.value(f"{on[0]}_comp_level")
    if depth.isdigit() and 1 <= int(depth) <= 9:
        keys["level"] = int(depth)
    return keys


def _log(http: Level, result: Result) -> Value:
    formats = {statement.value for statement in http.own("log_format")}
    found = http.own("access_log")
    if not found:
        return None
    if found[-1].value == "off":
        return "off"
    return logged(found, formats, result)


def logged(statements: list[Statement], formats: set[str], result: Result) -> Value:
    """Files of ``access_log``; formats are rsp's own."""
    paths: list[Value] = []
    for statement in statements:
        if len(statement.args) > 1 and (statement.args[1] in formats or statement.args[1] not in ("main", "combined")):
            result.settings.note(statement, "the lines of access logs have rsp's format `combined` (docs/logs.md)")
        path = statement.value
        if path.startswith("syslog:"):
            match = re.search(r"server=([^,\s]+)", path)
            path = f"syslog:{match[1]}" if match else "stdout"
        path = {"/dev/stdout": "stdout", "off": "off", "on": "./on"}.get(path, path)
        if "$" in path:
            result.settings.note(statement, "the name of a log has no variables in rsp; it goes to standard output")
            path = "stdout"
        if path not in paths:
            paths.append(path)
    return paths[0] if len(paths) == 1 else paths


# -- error_page


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
