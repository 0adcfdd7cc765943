"""``root /srv/$host``: a directory that depends on the request.  A hook says the whole name below what does not."""

import re
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.content import ends, files
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.rules.access import differ
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.variables import Names, Unsayable

_SLASH: Final = 'req.target:match("^[^?]*") .. "/" .. (req.query ~= "" and "?" .. req.query or "")'
_NOTHING: Final = '"/.none"'  # rsp serves no such name
_READ: Final = "if not ({ GET = true, HEAD = true, POST = true })[req.method] then return respond(405) end"


def is_open(level: Level, names: Names) -> bool:
    root = names.expand(level.value("root"))
    return root.startswith("/") and "$" in root and not level.has("alias")


def put(draft: Draft, server: Server, location: Location | None, level: Level, names: Names) -> None:
    """``files`` of a route, and lines of its hook.  Raises :class:`Unsayable`."""
    before, variable, behind = names.expand(level.value("root")).partition("$")
    base, _, start = before.rpartition("/")
    said = level.own("try_files")
    *tried, last = said[-1].args if said else ["$uri", "$uri/", "=404"]
    if last == "=404" and tried[-1].startswith("/"):  # rsp answers 404 as well where it is not there
        last = tried.pop()
    if not base or set(tried) - {"$uri", "$uri/"} or "$uri" not in tried:
        raise Unsayable("the directory depends on the request")
    if files.look_at_index(server, location, level):
        raise Unsayable("the index leads to a location with restrictions of its own")
    looks = "$uri/" in tried
    page = _page(last, server)
    folder = names.lua(f"/{start}{variable}{behind}".rstrip("/"))
    table = files.table(base, level, names, looks_in_directories=looks, scripts=False)
    draft.keys["files"] = table
    draft.before += [
        f"local folder = {folder}",
        f"local kind = file.kind({quoted(base)} .. folder .. req.path)",
    ]
    if looks:
        draft.before += [
            'if kind == "directory" and req.path:sub(-1) ~= "/" then',
            f"  return redirect({_SLASH}, 301)",
            "end",
        ]
    if not page:
        draft.before.append("req.path = folder .. req.path")
        return
    found = '"file" and kind ~= "directory"' if looks else '"file"'
    draft.before.append(f"req.path = folder .. (kind ~= {found} and {quoted(page)} or req.path)")


def below_alias(
    draft: Draft, owner: Location, location: Location | None, server: Server, level: Level, names: Names
) -> None:  # fmt: skip
    """Of an expression inside of ``owner``, a prefix with an alias.  Raises :class:`Unsayable`."""
    folder, path = names.expand(owner.level.value("alias")), owner.path
    root = names.expand(names.constants.get("request_filename", "")).removesuffix("$uri")
    if root.strip("/") and not level.has("try_files"):  # the same as a root
        draft.keys["files"] = files.table(root, level, names, looks_in_directories=True, scripts=False)
        return
    tried = level.own("try_files")
    if (files.may_be_directory(location) and not tried) or "$" in folder:
        raise Unsayable("rsp import translates expressions inside of a prefix with alias only for names of files")
    if folder.endswith("/") != path.endswith("/"):
        raise Unsayable(f"of alias {folder} and location {path}, one alone ends with a slash")
    table = files.table(folder.rstrip("/") or "/", level, names, looks_in_directories=False, scripts=False)
    draft.keys["files"] = table
    start = len(path.rstrip("/")) + 1
    if tried:
        _at_last(draft, tried[-1].args, owner, server, level)
        name = f"req.path:sub({start})"
        is_inside = f'req.path:sub({start}, {start}) == "/"'
        draft.before.append(
            f"req.path = {name}" if path.endswith("/") else f"req.path = {is_inside} and {name} or {_NOTHING}"
        )
        return
    if not path.endswith("/"):
        draft.before.append(f'if req.path:sub({start}, {start}) ~= "/" then return respond(404) end')
    draft.before.append(f"req.path = req.path:sub({start})")


def _at_last(draft: Draft, words: list[str], owner: Location, server: Server, level: Level) -> None:
    """What ``try_files`` below an alias ends with.  Raises :class:`Unsayable`."""
    last = ends.end(words[-1], server, owner, server.names_at(owner))
    if words[:-1] != ["$uri"] or last.location is not None or last.root or differ(level, owner.level):
        raise Unsayable("rsp import does not translate this try_files inside of a prefix with alias")
    if last.file is not None:
        draft.keys["fallback"] = last.file
    elif last.status != "404":
        draft.failed.append(f"if err.status == 404 then return respond({last.status}) end")


def of_alias(draft: Draft, location: Location, level: Level, names: Names) -> bool:
    """Whether an alias answers that takes no path of a request.  Raises :class:`Unsayable`."""
    if any(way(draft, location, level, names) for way in (_of_expression, _of_one_file, _of_group)):
        return True
    table = draft.all
    if not files.aliased(level, names, table):
        return False
    draft.keys.update({name: table[name] for name in ("files", "rewrite") if name in table})
    return True


def _of_expression(draft: Draft, location: Location, level: Level, names: Names) -> bool:
    """``location ~ ^/(a|b)$ { alias /srv/img/; }``: nginx takes all these paths for the directory itself."""
    folder = names.expand(level.value("alias")) if location.is_regex and level.has("alias") else ""
    if not folder.endswith("/") or "$" in folder or level.has("try_files", "autoindex"):
        return False
    slash = 'req.path:sub(-1) ~= "/" and ' if files.may_be_directory(location) else ""  # there, nginx answers 403
    there = f'{slash}file.kind({quoted(folder)}) == "directory"'
    draft.before += [_READ, f"if {there} then return redirect({_SLASH}, 301) end"]
    draft.answer({"respond": {"status": 404}})
    said = f"nginx looks for no file of {folder} here, but redirects to the path with a slash: write alias {folder}$1"
    draft.parts.note(level.own("alias")[-1], f"{said} (with a group in the expression), in rsp a route for each file")
    return True


def _of_one_file(draft: Draft, location: Location, level: Level, names: Names) -> bool:
    """``location ~ ^/app/?$ { alias /srv/app.html; }``: the file for all paths that do not end in a slash."""
    name = names.expand(level.value("alias")) if location.is_regex and level.has("alias") else ""
    folder, _, file = name.rpartition("/")
    if not folder or "$" in name or "." not in file or level.has("try_files"):
        return False
    if files.may_be_directory(location):
        draft.before += [_READ, 'if req.path:sub(-1) == "/" then return respond(500) end']  # as in nginx
    control = files.cache_control(level)
    draft.keys["files"] = {"root": folder, "index": "", **({"cache_control": control} if control else {})}
    draft.keys["rewrite"] = f"/{file}"
    said = "the type of the file is sent here; nginx sends that of the path, or default_type"
    if level.value("default_type") != "text/html" or not re.search(r"\.html?$", file):
        draft.parts.note(level.own("alias")[-1], said)
    return True


def _of_group(draft: Draft, location: Location, level: Level, names: Names) -> bool:
    """``location ~ ^/media(/.*)?$ { alias /srv/media$1; }``, where the group has the slash."""
    said = names.expand(level.value("alias")) if location.is_regex and level.has("alias") else ""
    match = re.fullmatch(r"(/[^$]*[^/$])\$\{?(\w+)\}?", said)
    group = re.fullmatch(r"[^()]*\((?:\?P?<(\w+)>)?(/[^()|]*)(\|\$?)?\)(\?)?\$?", location.path)
    if match is None or group is None or match[2] not in ("1", group[1]) or level.has("try_files"):
        return False
    table = files.table(match[1], level, names, looks_in_directories=True, scripts=False)
    draft.keys["files"] = table
    draft.keys["rewrite"] = names.text(f"${match[2]}")
    if group[3] or group[4]:  # it may be empty: then nginx has the directory itself, and redirects
        draft.before += [_READ, f'if {names.lua(f"${match[2]}")} == "" then return redirect({_SLASH}, 301) end']
    return True


def _page(last: str, server: Server) -> str:
    """The file that is sent where there is none.  Raises :class:`Unsayable`."""
    if last == "=404":
        return ""
    path = last.removesuffix("$is_args$args").removesuffix("?$args")
    meant = server.find(path) if path.startswith("/") and "$" not in path and ".php" not in path else None
    if meant is None or meant.content is not None or meant.modifier == "=":
        raise Unsayable("the directory depends on the request")
    return path
