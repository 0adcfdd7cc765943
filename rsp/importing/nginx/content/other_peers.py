"""``error_page``: a peer is asked for the page, or another one in the place of the one that failed."""

import re
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.peers import fastcgi, proxy
from rsp.importing.nginx.rewrite.guards import MODULE
from rsp.importing.nginx.rules import access
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.variables import Unsayable

ANY: Final = ("^", ".*", "^.*", "^.*$", "^(.*)$", "^(.*)", "(.*)", "^/(.*)$")
_ASKED: Final = "rsp asks for the page without the fields of the client; of the page, it sends Content-Type and body"
_FAILURES: Final = ("500", "502", "503", "504", "429", "404", "403")  # after which `failover` can be


def page(meant: Location) -> str:
    """``rewrite ^ /index.html break; proxy_pass http://app``: the one path; empty: it is something else."""
    module = [each for each in meant.level.block if each.name in MODULE]
    if meant.content is None or meant.content.name != "proxy_pass" or [each.name for each in module] != ["rewrite"]:
        return ""
    expression, path, *flags = module[0].args
    if expression not in ANY or flags != ["break"] or not re.fullmatch(r"/[\w./\-]*", path):
        return ""
    module[0].used = True
    return path


def failover(
    statement: Statement, meant: Location, statuses: list[str], server: Server, around: Level, draft: Draft,
    context: Context,
) -> None:  # fmt: skip
    """``error_page 502 = @other``: another upstream is asked.  Raises :class:`Unsayable`."""
    passing = meant.content
    if passing is not None:
        passing.used = True
    given = draft.keys.get("respond", {})
    if not {"to", "files"} & set(draft.keys) and isinstance(given, dict) and str(given.get("status")) not in statuses:
        return  # nothing fails here
    wrong = f"rsp import does not translate what {meant.path} does after an error"
    if passing is None or passing.name != "proxy_pass" or meant.level.has(*MODULE) or "to" not in draft.keys:
        raise Unsayable(wrong)
    if not set(statuses) <= set(_FAILURES) or "failover" in draft.keys or access.differ(around, meant.level):
        raise Unsayable(wrong)
    target = proxy.target(passing, meant.level, server.names_at(meant), context.blocks, context.result, draft.parts)
    own, others = ([each.args for each in level.all("proxy_set_header")] for level in (around, meant.level))
    is_same_path = target.uri is None or (target.uri == "/" and "path" not in draft.match)
    if own != others or not is_same_path or target.upstream == draft.keys["to"]:
        raise Unsayable(wrong)
    draft.keys["failover"] = {"to": target.upstream, "on": [int(status) for status in statuses]}
    said = f"rsp asks {target.upstream} also after such a response of a peer, and for a POST only where no peer has it"
    draft.parts.note(statement, said)
    if "send_host" in draft.keys:
        draft.parts.note(statement, f"{target.upstream} gets the same Host as {draft.keys['to']}")


def asked(
    path: str, meant: Location, statuses: list[str], changed: str, server: Server, around: Level, draft: Draft,
    context: Context, *, is_rewritten: bool = False,
) -> None:  # fmt: skip
    """A location that passes on to a peer, which is asked for the page.  Raises :class:`Unsayable`."""
    if statuses == ["404"] and _never_is(draft) and not around.is_on(f"{around.family()}_intercept_errors"):
        return
    passing = meant.content
    changes = meant.level.has(*MODULE) and not is_rewritten
    wrong = passing is None or passing.name not in ("proxy_pass", "fastcgi_pass") or changes
    if passing is None or wrong or path.startswith("@"):
        raise Unsayable("the page does not come from a peer alone")
    names = server.names_at(meant)
    if passing.name == "fastcgi_pass":
        upstream = fastcgi.upstream(passing, meant.level, names, context.blocks, context.result, draft.parts)
        host = "req.host"
    else:
        target = proxy.target(passing, meant.level, names, context.blocks, context.result, draft.parts)
        upstream = target.upstream
        given = [each.args[1] for each in meant.level.all("proxy_set_header") if each.value.lower() == "host"]
        host = target.names(names).lua(given[-1]) if given else quoted(target.host)
        if target.uri is not None and not is_rewritten:
            if "$" in target.uri or meant.is_regex:
                raise Unsayable("the page comes from another path of a peer")
            path = target.uri if meant.modifier == "=" else target.uri + path[len(meant.path) :]
    address = quoted(path) + (' .. (req.query ~= "" and "?" .. req.query or "")' if is_rewritten else "")
    condition = " or ".join(f"err.status == {status}" for status in statuses)
    kept = {"": "err.status", "=": "page and page.status"}.get(changed, changed[1:])
    passing.used = True
    draft.parts.note(passing, _ASKED)
    draft.failed += [
        f"if {condition} then",
        f"  local page = http.get{{ upstream = {quoted(upstream)}, path = {address}, host = {host} }}",
        '  local kind = page and page.headers["Content-Type"] or "text/html"',
        '  local fields = { ["Content-Type"] = kind }',
        f"  local status = {kept}",
        "  if page then return respond{ status = status, headers = fields, body = page.body } end",
        "end",
    ]


def _never_is(draft: Draft) -> bool:
    """Whether only peers answer 404."""
    return bool({"to", "else_to"} & set(draft.keys)) and not any("respond(404)" in line for line in draft.before)
