"""``error_page`` with a location that answers by itself: ``return 503 "text"``."""

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.values.variables import Names


def lead(
    meant: Location, statuses: list[str], server: Server, draft: Draft, changed: str = "=", path: str = ""
) -> None:
    """Puts the answer where the route fails.

    ``path``: by which it was found; ``changed``: as ``error_page`` says it; ``=``: the status is that of ``return``,
    empty: that of the error.
    """
    answer = next(each for each in meant.level.block if each.name == "return")
    code, *rest = answer.args
    names = server.names_at(meant)
    if meant.modifier != "@":  # whose path the request has by then
        known = {**names.constants, "uri": path or meant.path, "document_uri": path or meant.path}
        names = Names(
            known, names.functions, names.captures, has_groups=names.has_groups, is_rewritten=names.is_rewritten
        )
    condition = " or ".join(f"err.status == {status}" for status in statuses)
    kept = changed[1:] if changed[1:].isdigit() else "" if changed == "=" else "err.status"
    if not code.isdigit() or (rest and code in ("301", "302", "303", "307", "308")):
        url, code = (names.lua(rest[0]), code) if code.isdigit() else (names.lua(code), "302")
        moved = (
            f"redirect({url}, {kept or code})"
            if kept in ("", "301", "302", "303", "307", "308")
            else (f'respond{{ status = {kept}, headers = {{ ["Location"] = {url} }} }}')
        )
        draft.failed.append(f"if {condition} then return {moved} end")
        _settled(meant)
        return
    is_error = kept == "err.status" or (kept or code) >= "400"
    code = kept or code
    kind = meant.level.value("default_type", "text/plain")
    given = [f'["Content-Type"] = {quoted(kind)}', *_fields(meant, names, draft, is_error=is_error)]
    said = f", body = {names.lua(rest[0])}" if rest else ""
    draft.failed.append(
        f"if {condition} then return respond{{ status = {code}, headers = {{ {', '.join(given)} }}{said} }} end"
    )
    _settled(meant)


def _fields(meant: Location, names: Names, draft: Draft, *, is_error: bool) -> list[str]:
    """Those that ``meant`` adds to its answer, but for names that the route adds as well."""
    table = draft.keys.get("response_headers")
    added = table.get("add") if isinstance(table, dict) else None
    known = {"content-type", *(name.lower() for name in (added if isinstance(added, dict) else {}))}
    found: list[str] = []
    for each in meant.level.own("add_header"):
        name, value, *rest = [*each.args, ""]
        if value and name.lower() not in known and (not is_error or rest[:1] == ["always"]):
            found.append(f"{index(name)} = {names.lua(value)}")
            known.add(name.lower())
    return found


def _settled(meant: Location) -> None:
    """A named location is no place of its own; others still have a route."""
    if meant.modifier == "@":
        for each in meant.level.block:
            if each.name in ("return", "internal", "default_type"):
                each.used = True
