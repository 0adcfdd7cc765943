"""``error_page``: pages that are files, locations that answer, peers that are asked for the page."""

import re
from pathlib import Path
from typing import Final

from rsp.importing.lua import index
from rsp.importing.nginx.content import ends, failing, other_peers, returned, scripted, told
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.rewrite.guards import MODULE
from rsp.importing.nginx.rules import access
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Declaration, Value

_USUAL: Final = frozenset((*range(400, 411), *range(412, 418), 426, 429, 431, *range(500, 506)))  # of rsp itself
_ITSELF: Final = ("$uri", "$request_uri", "$document_uri")


def write(server: Server, drafts: list[tuple[Location | None, Draft]], context: Context, prefix: Path) -> None:
    """``error_page`` of the server and its locations."""
    result = context.result
    seen: set[int] = set()
    for location, draft in drafts:
        level = location.level if location is not None else server.level
        if draft.is_closed:
            level.all("error_page", f"{level.family()}_intercept_errors")
            continue
        intercepts = _intercepts(level, draft, result)
        statuses: list[str] = []
        for statement in level.all("error_page"):
            try:
                statuses += _page(statement, server, location, draft, context, prefix, is_new=id(statement) not in seen)
                told.late(draft)
            except Unsayable as error:
                result.pages.lost(statement, str(error))
            seen.add(id(statement))
        if intercepts and statuses:
            condition = " or ".join(f"res.status == {status}" for status in dict.fromkeys(statuses))
            draft.after.insert(0, f"if not res.own and ({condition}) then return respond(res.status) end")
        if intercepts:
            words = [word for statement in level.all("error_page") for word in statement.args if word.isdigit()]
            draft.after[:0] = failing.intercepted([word for word in words if word not in statuses], draft.failed)
        failing.lead(draft, statuses)


def _intercepts(level: Level, draft: Draft, result: Result) -> bool:
    """Whether errors of peers have pages, those of the location behind ``try_files`` too."""
    peers = level if "to" in draft.keys else draft.behind
    if peers is None or not peers.is_on(f"{peers.family()}_intercept_errors"):
        return False
    own, given = (peers.all("error_page"), level.all("error_page"))
    if [each.args for each in own] == [each.args for each in given]:
        return True
    for each in own or given:
        result.pages.lost(each, "rsp import does not translate error_page of a location behind try_files")
    return False


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
    if target.startswith("@"):
        known = [status for status in known if status not in draft.jumps and _may_be(status, draft, location)]
        if not known:
            return []
    if not known:
        if is_new:
            result.pages.note(statement, "rsp answers 400 to plain HTTP at a port with TLS, and names the right URL")
        return []
    if re.match(r"https?://|\$scheme", target):
        condition = " or ".join(f"err.status == {status}" for status in known)
        draft.failed.append(f"if {condition} then return redirect({names.lua(target)}, {changed[1:] or 302}) end")
        return []
    if target in _ITSELF and known == ["405"] and changed == "=200" and _takes_all(draft):
        return []
    if (
        known == ["401"]
        and re.fullmatch("=30[1-8]", changed)
        and target.strip("${}") in access.logins(location.level if location is not None else server.level)
    ):
        place = 'res.headers["Location"]'
        draft.after.append(
            f"if res.own and res.status == 401 and {place} then return redirect({place}, {changed[1:]}) end"
        )
        return []
    if "$" in target:
        raise Unsayable("the page depends on the request")
    path, found = target.partition("?")[0], server.find(target.partition("?")[0])
    if target.startswith("@"):
        around = location.level if location is not None else server.level
        path, found = _named(statement, known, changed, server, around, draft, context)
        if not path:
            return []
    if path.endswith("/") and (found is None or (found.content is None and not found.level.has("return"))):
        path, said = ends.page(path, server, location, found)
        found = server.find(path)
        if said:
            draft.parts.note(statement, said.replace("where there is no file, ", ""))
    if known == ["404"] and changed in ("=200", "=") and _falls_back(statement, path, server, location, draft):
        return []
    others = server.level if location is None else location.level
    is_file = found is None or (found.content is None and not found.level.has("return"))
    if is_file and any(each.args[-1] == target and changed[1:] in each.args[:-1] for each in others.all("error_page")):
        condition = " or ".join(f"err.status == {status}" for status in known)
        draft.failed.append(f"if {condition} then return respond({changed[1:]}) end")
        return []
    if found is not None and not is_file:
        _located(target, path, found, known, changed, server, others, draft, context)
        return []
    if changed and changed[1:] not in known:
        looks = "to" in draft.keys and others.is_on(f"{others.family()}_intercept_errors")
        told_of = (statement, known, changed[1:], path, server, draft, found, result, prefix)
        return _changed(*told_of, is_new=is_new, intercepts=looks)
    if is_new:
        _declare(statement, known, path, server, found, result, prefix)
    return known


def _located(
    target: str, path: str, found: Location, known: list[str], changed: str, server: Server, around: Level,
    draft: Draft, context: Context,
) -> None:  # fmt: skip
    """A location that answers by itself.  Raises :class:`Unsayable`."""
    if found.content is None:
        returned.lead(found, known, server, draft, changed, path)
        return
    intercepts = "to" in draft.keys and around.is_on(f"{around.family()}_intercept_errors")
    if found.content.name != "fastcgi_pass" or target[0] != "/" or intercepts:
        other_peers.asked(target, found, known, changed, server, around, draft, context)
        return
    scripted.lead(target, found, known, changed, server, around, draft, context)


def _takes_all(draft: Draft) -> bool:
    """``error_page 405 =200 $uri``: files for requests with other methods than GET, which nginx makes of them."""
    if "respond(405)" in str(draft.before):
        return False
    if "files" in draft.keys and not {"else_to", "to"} & set(draft.keys):
        draft.before.insert(0, 'if req.method ~= "GET" and req.method ~= "HEAD" then req.method = "GET" end')
    return True  # nothing else answers so


def _changed(
    statement: Statement, known: list[str], status: str, path: str, server: Server, draft: Draft,
    found: Location | None, result: Result, prefix: Path, *, is_new: bool, intercepts: bool,
) -> list[str]:  # fmt: skip
    """``error_page 502 =503 /busy.html``: a page of the other status.  Raises :class:`Unsayable`."""
    if not re.fullmatch("[45][0-9][0-9]", status):
        if intercepts and any(each < "500" for each in known):
            raise Unsayable("rsp does not send a page with another status for errors of peers")
        if is_new:
            _declare(statement, known, path, server, found, result, prefix)
        if intercepts:
            draft.parts.note(statement, f"rsp sends the page with the status of the failure, not with {status or 200}")
            return known
        own = "res.own and ({})".format(" or ".join(f"res.status == {each}" for each in known))
        draft.after.insert(0, f"if {own} then res.status = {status or 200} end")
        return known
    if is_new:
        _declare(statement, [status], path, server, found, result, prefix)
    condition = " or ".join(f"err.status == {each}" for each in known)
    draft.failed.append(f"if {condition} then return respond({status}) end")
    return []


def _declare(
    statement: Statement, known: list[str], path: str, server: Server, found: Location | None, result: Result,
    prefix: Path,
) -> None:  # fmt: skip
    """A ``page``.  Raises :class:`Unsayable`."""
    level = found.level if found is not None else server.level
    root = server.names_at(found).expand(level.value("alias") or level.value("root"))
    file = Path(root, path.lstrip("/")) if root else prefix / "html" / path.lstrip("/")
    if found is not None and level.has("alias"):
        file = Path(root, path[len(found.path) :].lstrip("/")) if root.endswith("/") else Path(root)
    if "$" in str(file):
        raise Unsayable("the page depends on the request")
    if not file.is_file():
        listed = ", ".join(known)
        statuses = listed if len(known) == 1 else f"{{ {listed} }}"
        line = f'page {{ status = {statuses}, file = "{file}" }}'
        text = f"the page {file} for {listed} is not on this machine; where it is, add: {line}"
        result.pages.note(statement, text)
        return
    place = str(file.resolve())
    left: list[Value] = [int(status) for status in known]
    for part in result.pages:
        there = _listed(part.keys.get("status")) if isinstance(part, Declaration) else set()
        if isinstance(part, Declaration) and part.keys["file"] != place and there & set(left):
            raise Unsayable("rsp has one page for a status, for all hosts")
        left = [status for status in left if status not in there]
    if left:
        one: Value = left[0] if len(left) == 1 else left
        result.pages.append(Declaration("page", keys={"status": one, "file": place}, origin=statement.origin))


def _may_be(status: str, draft: Draft, location: Location | None) -> bool:
    """Whether rsp, or a peer, may answer with it: 418 and its like are only for ``return``."""
    given = draft.keys.get("respond", {})
    if int(status) in _USUAL or (isinstance(given, dict) and str(given.get("status")) == status):
        return True
    intercepts = location is not None and location.level.is_on(f"{location.level.family()}_intercept_errors")
    return intercepts or any(f"respond({status}" in line for line in (*draft.before, *draft.failed))


def _listed(value: Value) -> set[Value]:
    return set(value) if isinstance(value, list) else {value}


def _falls_back(
    statement: Statement, path: str, server: Server, location: Location | None, draft: Draft
) -> bool:  # fmt: skip
    """``error_page 404 =200 /index.html`` of files.  Raises :class:`Unsayable`."""
    if statement.args[-1].startswith("@"):
        return False
    if "files" not in draft.keys or "fallback" in draft.keys or "else_to" in draft.keys or location is not None:
        return False
    found = server.find(path)
    if found is not None and found.content is not None:
        return False
    end = ends.file(path, server, location, found)
    if end.root:
        raise Unsayable(f"{path} is not in the same directory")
    if end.note:
        draft.parts.note(statement, end.note)
    if end.file is not None:
        draft.keys["fallback"] = end.file
        said = f"for directories without an index, rsp sends {end.file} as well; nginx answers 403"
        draft.parts.note(statement, said)
    return True


def _named(
    statement: Statement, statuses: list[str], changed: str, server: Server, around: Level, draft: Draft,
    context: Context,
) -> tuple[str, Location | None]:  # fmt: skip
    """The file of a named location; empty: keys or hooks of the route do the same.  Raises :class:`Unsayable`."""
    target = statement.args[-1]
    meant = server.named.get(target)
    if meant is None:
        if not context.zones.guesses:
            raise Unsayable(f"there is no location {target} here")
        listed = ", ".join(statuses)
        said = f"another file has the location {target}: here, clients get {listed} themselves, and rsp's own page"
        draft.parts.note(statement, said)
        return "", None
    if any(each.name == "return" for each in meant.level.block):
        returned.lead(meant, statuses, server, draft, changed)
        return "", None
    page = other_peers.page(meant)
    if page:
        other_peers.asked(page, meant, statuses, changed, server, around, draft, context, is_rewritten=True)
        return "", None
    if meant.content is not None and changed == "=":
        other_peers.failover(statement, meant, statuses, server, around, draft, context)
        return "", None
    if meant.content is not None and not changed:
        other_peers.asked(target, meant, statuses, "", server, around, draft, context)
        return "", None
    name = _file_of(meant) if meant.content is None else ""
    found = server.find(name) if name and _looks_again(meant) else meant
    leads = found is not None and found is not meant and (found.content is not None or found.level.has(*MODULE))
    if not name or leads:
        raise Unsayable(f"rsp import does not translate what {target} does after an error")
    for each in meant.level.block:
        each.used = each.used or each.name in ("try_files", "rewrite", "root", "internal", "default_type")
    _add_fields(meant, statuses, server.names_at(meant), draft)
    return name, found


def _add_fields(meant: Location, statuses: list[str], names: Names, draft: Draft) -> None:
    """Those that ``meant`` adds to errors."""
    fields = [each.args for each in meant.level.own("add_header") if each.args[2:] == ["always"] and each.args[1]]
    if fields:
        condition = " or ".join(f"res.status == {status}" for status in statuses)
        names = names.with_response()
        lines = [f"  res.headers{index(name)} = {names.lua(value)}" for name, value, _ in fields]
        draft.after += [f"if res.own and ({condition}) then", *lines, "end"]


def _file_of(meant: Location) -> str:
    """The one file that a location answers with; empty: there is none."""
    module = [each for each in meant.level.block if each.name in (*MODULE, "try_files")]
    if module[-1:] and module[-1].name == "break":
        module[-1].used = True
        module.pop()
    if len(module) != 1 or meant.level.has("alias"):
        return ""
    words = module[0].args
    name = words[0] if module[0].name == "try_files" else words[1]
    if module[0].name == "rewrite" and (words[0] not in other_peers.ANY or words[2:] not in ([], ["last"], ["break"])):
        return ""
    if module[0].name == "try_files" and len(words) > 2:
        return ""
    return name if name.startswith("/") and "$" not in name and "?" not in name else ""


def _looks_again(meant: Location) -> bool:
    """Whether nginx looks for the location of the file, as it does after ``rewrite ... last``."""
    return any(each.name == "rewrite" and each.args[2:] != ["break"] for each in meant.level.block)
