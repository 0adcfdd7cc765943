"""Scripts that stand for directories, and those that a path goes on behind: which of them nginx runs, and which not.

rsp's FastCGI runs the script that a path names; in nginx an expression for scripts says so, which may be another
location, or one that keeps clients out.
"""

import re
from typing import Final

from rsp.importing.lua import quoted
from rsp.importing.nginx.content import files
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.content.missing import below_nothing
from rsp.importing.nginx.matching import pages_of_folders, prefixes
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.peers import fastcgi
from rsp.importing.nginx.rewrite.guards import Guards, stripped
from rsp.importing.nginx.rules import access
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_FOR_FILES: Final = ("!-f", "!-e", "-d")  # of conditions: the index is there
_BELOW: Final = r"\.php/"


def _place(draft: Draft, folder: str) -> tuple[str, str]:
    """The route's path, and in Lua the directory below which whole paths of requests are files."""
    path = str(draft.match.get("path", "/"))
    return path, quoted(folder.removesuffix(path.rstrip("/")))


def scripts(level: Level) -> list[str]:
    """Those that ``index`` names."""
    return [word for word in _words(level) if word.endswith(".php")]


def running(passing: Statement, script: Location, server: Server, context: Context, level: Level, draft: Draft) -> str:
    """The upstream that runs them, where paths end in a slash.  Raises :class:`Unsayable`."""
    names, words = server.names_at(script), scripts(level)
    return fastcgi.upstream(
        passing, script.level, names, context.blocks, context.result, draft.parts, words[0], is_rewritten=len(words) > 1
    )


def of_directories(
    draft: Draft, script: Location, server: Server, context: Context, level: Level, names: Names, folder: str
) -> None:
    """``index index.php``: directories are for the script in them.  Raises :class:`Unsayable`."""
    passing = script.content
    if passing is None:
        return
    _same_clients(script, level)
    passing.used = True
    name = running(passing, script, server, context, level, draft)
    root = server.names_at(script).expand("$document_root")
    if level.has("root", "alias") and root != names.expand("$document_root"):
        said = "directories here have another root than their index script: rsp does not run it"
        draft.parts.note(level.last("index"), said)
        return
    draft.behind = script.level
    if "exact" in draft.match:
        draft.before += by_order(draft, level, folder, name)
        return
    if "regex" in draft.match:
        lines = by_order(draft, level, folder, name)
        draft.before += ['if req.path:sub(-1) == "/" then', *(f"  {line}" for line in lines), "end"]
        return
    before = draft.keys.get("files")
    after = files.table(folder, level, names, looks_in_directories=True, scripts=False)
    if isinstance(before, dict) and "extensions" in before and isinstance(after, dict):
        after["extensions"] = before["extensions"]
    draft.keys["files"] = after
    expression = prefixes.directories(str(draft.match.get("path", "/")), server)
    # A second route, for paths that end in a slash.
    draft.keys[""] = [name, expression, "\n".join(by_order(draft, level, folder))]


def own(draft: Draft, server: Server, context: Context, script: Location, level: Level, folder: str) -> None:
    """Where all paths are rewritten: a directory that has an index script is for that one."""
    passing = script.content
    if passing is None:
        return
    _same_clients(script, level)
    name = running(passing, script, server, context, level, draft)
    path, root = _place(draft, folder)
    draft.before += [
        f'local is_directory = req.path:sub(-1) == "/" or file.kind({root} .. req.path) == "directory"',
        'if is_directory and req.path:sub(-1) ~= "/" then',
        '  return redirect(req.path .. "/" .. (req.query ~= "" and "?" .. req.query or ""), 301)',
    ]
    first = scripts(level)[0]  # which the upstream runs for the path as it is
    for word in _words(level):
        then = "" if word == first else f"req.path = {_relative(path)} .. {quoted(word)} "
        end = f"return proxy({quoted(name)})" if word.endswith(".php") else ""
        there = f'is_directory and file.kind({root} .. req.path .. {quoted(word)}) == "file"'
        draft.before += [f"elseif {there} then", f"  {then}{end}".rstrip()]
    draft.before.append("end")


def in_order(draft: Draft, level: Level, folder: str, asked: dict[str, str]) -> None:
    """Lines for a directory: the first index that is there, else 403 as in nginx, or its list.

    ``asked``: what is done for the path of an index that a peer has.
    """
    path, root = _place(draft, folder)
    lines = [
        f'local is_directory = file.kind({root} .. req.path) == "directory"',
        "if is_directory and not ({ GET = true, HEAD = true, POST = true })[req.method] then",
        "  return respond(405)",
        'elseif is_directory and req.path:sub(-1) ~= "/" then',
        '  return redirect(req.path .. "/" .. (req.query ~= "" and "?" .. req.query or ""), 301)',
    ]
    for word in _words(level):
        there = f'is_directory and file.kind({root} .. req.path .. {quoted(word)}) == "file"'
        own = f"req.path = {_relative(path)} .. {quoted(word)}"
        done = f"req.path = req.path .. {quoted(word)} {asked[word]}" if word in asked else own
        lines += [f"elseif {there} then", f"  {done}"]
    if not level.is_on("autoindex"):
        lines += ["elseif is_directory then", "  return respond(403)"]
    draft.before[:0] = [*lines, "end"]


def _same_clients(script: Location, level: Level) -> None:
    """Raises :class:`Unsayable` where a directory would be open to clients that its script is not for."""
    asked = [each for each in script.level.block if each.name == "if" and stripped(each.args)[0] not in _FOR_FILES]
    refuses = any(inner.name == "return" for each in asked for inner in each.block or [])
    if refuses or access.restricts(level, script.level):
        raise Unsayable(f"the index leads to a location with restrictions of its own: {script.path}")


def _words(level: Level) -> list[str]:
    said = level.last("index")
    return [word for word in (said.args if said is not None else []) if not word.startswith("/") and "$" not in word]


def _relative(path: str) -> str:
    """The path below the directory of the route, in Lua."""
    return f"req.path:sub({len(path.rstrip('/')) + 1})" if path != "/" else "req.path"


def by_order(draft: Draft, level: Level, folder: str, name: str = "") -> list[str]:
    """Lines for a path that ends in a slash: the first index that is there, else 404.

    ``name``: the upstream of scripts, where the route does not pass requests on by itself.
    """
    path, root = _place(draft, folder)
    lines: list[str] = []
    for word in _words(level):
        is_first = word == next(iter(scripts(level)), "")  # which the upstream runs for the path as it is
        then = "" if is_first else f"req.path = {_relative(path)} .. {quoted(word)} "
        end = f"return proxy({quoted(name)})" if name and word.endswith(".php") else "return"
        lines.append(f'if file.kind({root} .. req.path .. {quoted(word)}) == "file" then {then}{end} end')
    return [*lines, "return respond(404)"]


def behind_scripts(draft: Draft, level: Level, folder: str) -> list[str]:
    """Lines for ``index index.php index.html``: a directory without a script has its own page."""
    path, root = _place(draft, folder)
    words = _words(level)
    first = next((number for number, word in enumerate(words) if word.endswith(".php")), len(words))
    others = [word for word in words[first:] if not word.endswith(".php")]
    if not others or set(draft.match) - {"path", "first"}:
        return []
    there = " or ".join(f'file.kind({root} .. req.path .. {quoted(f"/{word}")}) == "file"' for word in others)
    lines = [
        'if req.path:sub(-1) ~= "/" then',
        f"  if {there} then",
        '    return redirect(req.path .. "/" .. (req.query ~= "" and "?" .. req.query or ""), 301)',
        "  end",
        f'elseif file.kind({root} .. req.path .. "{words[first]}") ~= "file" then',
    ]
    for number, word in enumerate(others):
        start = "elseif" if number else "if"
        lines += [
            f'  {start} file.kind({root} .. req.path .. {quoted(word)}) == "file" then',
            f"    req.path = {_relative(path)} .. {quoted(word)}",
        ]
    return [*lines, "  end", "end"]


def tell(draft: Draft, passing: Statement, location: Location | None, level: Level) -> None:
    """Of a location that is not for scripts alone, and passes all paths to them.  Raises :class:`Unsayable`."""
    scripts = [each.args[-1] for each in level.all("fastcgi_param") if each.value == "SCRIPT_FILENAME"]
    by_name = any("$fastcgi_script_name" in each or "$request_filename" in each for each in scripts)
    if location is None or not by_name or "php" in re.sub("php[-_]", "", location.path):
        return
    if re.search(r"\bcgi\b", location.path) and not re.search(r"\\\.\w+\$$", location.path):
        raise Unsayable("rsp knows scripts by one suffix of their names; those of CGI have any names")
    if location.modifier in ("", "^~") or not (location.matches("/x.php") or location.path.endswith("/")):
        said = "paths that name no script are for index.php here; nginx asks for a script of their own name"
        draft.parts.note(passing, said)


def below_scripts(draft: Draft, server: Server, context: Context, meant: Location, index: str) -> None:
    """``/x.php/more`` is for the script of ``try_files``, unless scripts have such paths in nginx, too."""
    passing, path = meant.content, str(draft.match.get("path", "/"))
    if (
        passing is None
        or set(draft.match) - {"path", "first"}
        or server.find(f"{path.rstrip('/')}/x.php/more") is meant
    ):
        return
    name = fastcgi.upstream(
        passing, meant.level, server.names_at(meant), context.blocks, context.result, draft.parts, is_rewritten=True
    )
    files = below_nothing(draft.keys["files"], path)
    expression = f"{prefixes.but_longer(path, server)}.*{_BELOW}"
    draft.others.append({"regex": expression, "files": files, "else_to": name, "else_rewrite": f"/{index}?{{query}}"})


def is_below(other: dict[str, Value]) -> bool:
    return str(other.get("regex", "")).endswith(_BELOW)


def closed(
    draft: Draft, server: Server, guards: Guards, level: Level, folder: str, location: Location | None
) -> list[str]:
    """Lines for directories whose index is in a location that keeps clients out.  Raises :class:`Unsayable`."""
    path, root = _place(draft, folder)
    there = f"{quoted(folder)} .. req.path:sub({len(path.rstrip('/')) + 1})"
    there = there if level.has("alias") else f"{root} .. req.path"
    every = _words(level) if level.last("index") is not None else ["index.html"]
    if not str(draft.match.get("exact", "/")).endswith("/"):
        return []
    found: list[str] = []
    for each in server.locations:
        if not each.is_regex or each.content is not None or not access.differ(level, each.level):
            continue
        words = [word for word in every if _leads(location, word, each, server)]
        try:
            name = guards.compiled(each.compared)
        except Unsayable:
            continue  # reported with the location, which is closed by a wider expression
        returned = next((one.value for one in each.level.block if one.name == "return"), "403")
        status = returned if returned[:1] in ("4", "5") else "403"
        for word in words:
            before = every[: every.index(word)]
            pages = before if not word.endswith(".php") else [page for page in before if not page.endswith(".php")]
            no_page = "".join(f' and file.kind({there} .. {quoted(page)}) ~= "file"' for page in pages)
            is_closed = f"{name}.test(index){_others(each, word, server, guards, location)}{no_page}"
            found += [
                f"local index = req.path .. {quoted(word)}",
                f'if req.path:sub(-1) == "/" and {is_closed} and file.kind({there} .. {quoted(word)}) == "file" then',
                f"  return respond({status})",
                "end",
            ]
    return found


def _leads(location: Location | None, word: str, to: Location, server: Server) -> bool:
    """Whether the page ``word`` of a directory of ``location`` may be in the expression ``to``."""
    if location is not None and location.modifier == "=":
        return server.find(f"{location.path.rstrip('/')}/{word}") is to
    is_taken = location is not None and pages_of_folders.is_taken(location, to, server)
    return not is_taken and to in pages_of_folders.led_to(location, word, server, [to])


def _others(location: Location, word: str, server: Server, guards: Guards, source: Location | None) -> str:
    """Conditions for pages named ``word`` that are not those of a location before this one."""
    found = ""
    tried = server.tried(source.home if source is not None and source.is_regex else source)
    for each in tried[: tried.index(location)] if location in tried else []:
        if pages_of_folders.may_share(source, word, each, location):
            found += f" and not {guards.compiled(each.compared)}.test(index)"
    for each in server.locations:
        if each.modifier == "=" and each.path.endswith(f"/{word}"):
            found += f" and index ~= {quoted(each.path)}"
    return found


def unlisted(draft: Draft) -> None:
    """A list of files would come before the script of the directory."""
    table = draft.keys.get("files")
    if isinstance(table, dict) and "list" in table:
        draft.keys["files"] = {key: value for key, value in table.items() if key != "list"}
        draft.parts.note(None, "directories are for their index script here, so rsp lists none")


def beside_file(draft: Draft, server: Server, context: Context, script: Location, level: Level, folder: str) -> None:
    """``try_files $uri $uri/ /index.html`` where directories have an index script.  Raises :class:`Unsayable`."""
    said = [word for word in level.own("try_files")[-1].args if word != "=404"]
    if (
        said[:-1] != ["$uri", "$uri/"]
        or level.has("alias")
        or not script.is_regex
        or access.differ(level, script.level)
    ):
        raise Unsayable("index.php beside another file at the end of try_files")
    own(draft, server, context, script, level, folder)
    if not level.is_on("autoindex"):
        _, root = _place(draft, folder)
        refused = [f'elseif file.kind({root} .. req.path) == "directory" then', "  return respond(403)", "end"]
        draft.before[-1:] = refused
    draft.behind = script.level
