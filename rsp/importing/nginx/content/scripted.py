"""``error_page 404 /index.php``: a script answers what nginx itself would refuse.

nginx asks the script by its own path, but tells it the client's in REQUEST_URI.  So the request goes to the upstream of
scripts, and the status is put into its response.
"""

import re
from typing import Final

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.peers import fastcgi
from rsp.importing.nginx.rules import access, fields
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.variables import Unsayable

_FAILURES: Final = ("500", "502", "503", "504")
_READ: Final = 'if req.method ~= "GET" and req.method ~= "HEAD" then return respond(405) end'
_AS_GET: Final = 'if req.method ~= "HEAD" then req.method = "GET" end'


def lead(
    target: str, meant: Location, statuses: list[str], changed: str, server: Server, around: Level, draft: Draft,
    context: Context,
) -> None:  # fmt: skip
    """``changed``: the status with ``=`` before it, as ``error_page`` says it.  Raises :class:`Unsayable`."""
    passing, names = meant.content, server.names_at(meant)
    path, _, query = target.partition("?")
    if passing is None or access.differ(around, meant.level):
        raise Unsayable(f"rsp import does not translate what {path} does after an error")
    root = names.expand("$document_root")
    if "404" in statuses and _is_looked_for(around) and "$" not in root:
        draft.before.append(f'if file.kind({quoted(root)} .. req.path) ~= "file" then return respond(404) end')
    found = [status for status in statuses if _comes(status, draft)]
    if {"to", "else_to"} & set(draft.keys) and set(statuses) & set(_FAILURES):
        said = "where a peer fails, rsp sends its own page; nginx asks the script for one"
        draft.parts.note(passing, said)
    if not found:
        return
    name = fastcgi.upstream(passing, meant.level, names, context.blocks, context.result, draft.parts, is_rewritten=True)
    passing.used = True
    script = f"req.path = {quoted(path)} req.query = {quoted(query)} return proxy({quoted(name)})"
    draft.before = [_instead(line, found, script) for line in draft.before]
    asked, kept = "req.ctx.failed", {"": "req.ctx.failed"}.get(changed, changed[1:])
    answered = next((status for status in found if draft.keys.get("respond") == {"status": int(status)}), "")
    if answered and {"exact", "regex"} & set(draft.match):
        draft.answer({"to": name, "rewrite": target if query else f"{path}?"})
        draft.before += [_AS_GET, f"req.ctx.failed = {answered}"]
    elif answered:
        draft.before += [_AS_GET, f"req.ctx.failed = {answered} {script}"]
    elif "404" in found and "files" in draft.keys and not {"fallback", "else_to"} & set(draft.keys):
        draft.keys.update(else_to=name, else_rewrite=target if query else f"{path}?")
        draft.alone += [_READ, "req.ctx.failed = 404"]
        asked = "req.peer and req.ctx.failed"
        second = draft.keys.get("")
        if isinstance(second, list):
            second[2] = "\n".join(_instead(line, found, script) for line in str(second[2]).split("\n"))
    hiding = [f"  res.headers{index(each)} = nil" for each in fields.hidden(meant.level)]
    status = [f"  res.status = {kept}"] if kept else []
    if status or hiding:
        draft.after[:0] = [f"if {asked} then", *status, *hiding, "end"]


def _is_looked_for(level: Level) -> bool:
    """Whether a location of scripts says ``try_files $uri =404``, which PHP does without."""
    tried = [each.args for each in level.block if each.name == "try_files"]
    return tried in ([["$uri", "=404"]], [["$fastcgi_script_name", "=404"]]) and level.has("fastcgi_pass")


def _comes(status: str, draft: Draft) -> bool:
    """Whether rsp itself may answer so; raises :class:`Unsayable` where nothing can lead such an answer elsewhere."""
    keys = draft.keys
    if status == "404" and "files" in keys and not {"fallback", "else_to"} & set(keys):
        if any("else_to" not in other for other in draft.others) or "else_rewrite" in keys:
            raise Unsayable("a script answers 404 beside an index script")
        return True
    by_keys = {"403": ("allow", "deny"), "401": ("auth",), "429": ("rate_limit",), "503": ("rate_limit", "concurrency")}
    if any(key in keys for key in by_keys.get(status, ())):
        raise Unsayable(f"rsp import does not translate a script that answers {status}")
    return keys.get("respond") == {"status": int(status)} or any(f"respond({status})" in line for line in draft.before)


def _instead(line: str, statuses: list[str], script: str) -> str:
    def led(match: re.Match[str]) -> str:
        return f"{_AS_GET} req.ctx.failed = {match[1]} {script}" if match[1] in statuses else match[0]

    return re.sub(r"\breturn respond\((\d{3})\)", led, line)
