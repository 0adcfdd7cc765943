"""What comes last in ``try_files``: a status, a location, or a file, which may be in the directory of another one."""

import itertools
import os.path
import re
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from rsp.config.files_rules import SCRIPT
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location, Server, around_alias, below, joined
from rsp.importing.nginx.rewrite.guards import MODULE
from rsp.importing.nginx.rules.access import differ
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.site import Value

_QUERIES: Final = ("$is_args$args", "?$args", "?$query_string", "$is_args$query_string", "?$is_args$args")
_APPENDED: Final = re.compile(r"/[^$]+\.php/?\$\{?(?:uri|request_uri)\}?")
_PAGE: Final = re.compile(r"[\w.\-]+\.html?")
_UNFIT: Final = re.compile(r"/\.(?!well-known/)|//|[?#]|%[0-9A-Fa-f]{2}")
_SHOWN: Final = re.compile(r"(?:/[\w\-][\w.\-]*)*", re.ASCII)  # no file or directory that rsp hides


class Fallback(Struct):
    """What answers where ``try_files`` has no file: a file below the directory, a location, or a status.

    ``root``: the directory that ``file`` is below, where it is not in that of the location, but both are in this one;
    ``index``: the script that the location is asked for, where it runs scripts; ``rewrite``: what it is asked for, in
    nginx's variables, where that is more than the script and the request's query; ``note``: what differs in rsp.
    """

    file: str | None = None
    location: Location | None = None
    index: str | None = None
    status: str = "404"
    returned: Statement | None = None
    rewrite: str | None = None
    root: str = ""
    note: str = ""


def end(last: str, server: Server, location: Location | None, names: Names) -> Fallback:
    """``last``: the last word of ``try_files``.  Raises :class:`Unsayable`."""
    if last.startswith("="):
        if not re.fullmatch(r"=[2-5]\d\d", last):
            raise Unsayable(f"rsp does not answer with status {last[1:]}")
        return Fallback(status=last[1:])
    around = location.level if location is not None else server.level
    if last.startswith("@"):
        if last not in server.named:
            raise Unsayable(f"there is no location {last} here")
        named = server.named[last]
        ends = [each for each in named.level.block if each.name in MODULE]
        if [each.name for each in ends] == ["return"] and not differ(around, named.level, returns=True):
            return Fallback(location=named, returned=ends[0])
        return Fallback(location=named)
    path = names.expand(last)
    keeps_query = path.endswith(_QUERIES)
    for query in _QUERIES:
        path = path.removesuffix(query)
    if path in ("$uri", "$uri/"):
        return Fallback()
    path, _, query = path.partition("?")
    start, variable, _ = path.partition("$")
    if not path.startswith("/") or (variable and not _APPENDED.fullmatch(path)):
        raise Unsayable(f"rsp import does not translate {last} at the end of try_files")
    meant = server.find(f"{start.rstrip('/')}/x" if variable else path)
    if meant is not None and meant.content is not None:
        is_same = keeps_query and not variable and meant.content.name == "fastcgi_pass"
        is_same = is_same and server.find(f"/x/{path.rpartition('/')[2]}") is meant  # else rsp would run other scripts
        return Fallback(location=meant, index=path.lstrip("/"), rewrite=None if is_same else names.expand(last))
    if variable:
        raise Unsayable(f"{last} does not lead to scripts")
    if meant is not None and meant.level.has("return"):
        module = [each for each in meant.level.block if each.name in MODULE]
        if len(module) > 1 or differ(around, meant.level, returns=True):
            raise Unsayable(f"{last} leads to a location with return")
        return Fallback(location=meant, returned=module[0], index=path.lstrip("/"))
    if meant is not None and meant is not location and differ(around, meant.level):
        raise Unsayable(f"{last} leads to a location with restrictions of its own")
    if path.endswith("/"):
        _looks_for_pages(path, meant)
    return file(path, server, location, meant)


def _looks_for_pages(path: str, meant: Location | None) -> None:
    """Raises :class:`Unsayable` where the location of a directory sends something else than its index."""
    tried = [each.args for each in meant.level.block if each.name == "try_files"] if meant is not None else []
    if tried and "$uri/" not in tried[-1]:
        raise Unsayable(f"{path} at the end of try_files does not lead to the index of that directory")


def file(path: str, server: Server, location: Location | None, meant: Location | None) -> Fallback:
    """``path``, or the index of it, where ``meant`` has its files.  Raises :class:`Unsayable`."""
    note = ""
    if path.endswith("/"):
        path, note = page(path, server, location, meant)
        meant = server.find(path)
    there, here = _folder(server, meant), _folder(server, location)
    if there is None or here is None:
        raise Unsayable(f"the directory of {path} is not known")
    if _UNFIT.search(path):
        raise Unsayable(f"rsp does not send a file {path} in the place of others")
    name = _joined(*there, path)
    own = "/" if location is None or location.is_regex or location.modifier == "=" else location.path
    folder = here[0] if here[1] is not None else joined(here[0], own)
    inside = below(name, folder)
    if SCRIPT.fullmatch(path):
        return Fallback(note=f"nginx would send the source of {path} here, which no location runs; rsp answers 404")
    if there[1] is None and there[0].rstrip("/") and f"{path}/".startswith(f"{there[0].rstrip('/')}/"):
        return Fallback(note=f"nginx looks for {name} here, which is hardly meant; rsp answers 404")
    if inside is not None:
        return Fallback(file=inside, note=note)
    root = _around(folder, name) if _takes_whole_paths(server, location) else ""
    if not root:
        raise Unsayable(f"{path} is not in the same directory")
    return Fallback(file=name.removeprefix(root), root=root, note=note)


def page(path: str, server: Server, location: Location | None, meant: Location | None) -> tuple[str, str]:
    """The index of a directory, and what is to be noted."""
    said = (meant.level if meant is not None else server.level).last("index")
    first, *others = said.args if said is not None else ["index.html"]
    around = location.level if location is not None else server.level
    if not _PAGE.fullmatch(first):
        raise Unsayable(f"rsp import does not translate the directory {path} at the end of try_files")
    page = f"{path}{first}"
    found = server.find(page)
    if found is not None and found is not location and (found.content is not None or differ(around, found.level)):
        raise Unsayable(f"{page} leads to a location with restrictions of its own")
    return page, f"where there is no file, rsp sends {page}, and no other index" if others else ""


def _folder(server: Server, location: Location | None) -> tuple[str, str | None] | None:
    """The directory, and the prefix that it stands for where it is an alias."""
    location = (around_alias(location) if location is not None else None) or location
    level = location.level if location is not None else server.level
    names = server.names_at(location)
    if location is not None and level.has("alias"):
        return None if location.is_regex else (names.expand(level.value("alias")), location.path)
    root = names.expand(level.value("root") or names.constants.get("document_root", ""))
    return (root, None) if root and "$" not in root else None


def _joined(folder: str, prefix: str | None, path: str) -> str:
    """The name of the file.  nginx takes off the prefix of an alias only where a path begins with it."""
    if prefix is None or prefix.endswith("/"):
        return joined(folder, path.removeprefix(prefix or ""))
    return str(PurePosixPath(folder + path.removeprefix(prefix)))


def _takes_whole_paths(server: Server, location: Location | None) -> bool:
    """Whether a route can put its directory before the path of a request, and nothing else changes that path."""
    level = location.level if location is not None else server.level
    is_prefix = location is None or location.modifier in ("", "^~")
    return is_prefix and not server.names.is_rewritten and not any(each.name in MODULE for each in level.block)


def _around(folder: str, name: str) -> str:
    """The directory that both are in; empty: rsp cannot serve files from it."""
    if not folder.startswith("/") or not name.startswith("/"):
        return ""
    root = os.path.commonpath([folder, PurePosixPath(name).parent])
    inside = (folder.rstrip("/").removeprefix(root), name.removeprefix(root))
    return root if root != "/" and all(_SHOWN.fullmatch(each) for each in inside) else ""


def widen(draft: Draft, folder: str, root: str) -> None:
    """``files`` of a route from ``root``, below which ``folder`` has those of its path."""
    table = draft.keys["files"]
    draft.keys["files"] = {**table, "root": root} if isinstance(table, dict) else root
    slash = "/" if str(draft.match.get("path", "/")).endswith("/") else ""
    draft.keys["rewrite"] = folder.removeprefix(root) + slash


def changes_path(lines: list[str]) -> bool:
    """Whether lines of a hook leave another path to the route, and do not send the request on at once."""
    for number, line in enumerate(lines):
        indent = line[: len(line) - len(line.lstrip())]
        rest = itertools.takewhile(re.compile(rf"{indent}\S").match, lines[number:])
        if "req.path = " in line and not any("return proxy(" in each for each in rest):
            return True
    return False


def keep_whole(draft: Draft, level: Level) -> None:
    """A hook makes another path (``rewrite ... break``): nginx looks for it below ``root``, without the prefix.

    Raises :class:`Unsayable`.
    """
    given, path = draft.keys.get("files"), str(draft.match.get("path", "/"))
    table: dict[str, Value] = dict(given) if isinstance(given, dict) else {"root": given or ""}
    below_it = str(table["root"])
    root = below_it.removesuffix(path.rstrip("/"))
    if path == "/" or root == below_it or level.has("alias"):
        return
    own = f"req.path = req.path:sub({len(path.rstrip('/')) + 1})"
    lines = [line.replace(own, "req.path = req.path") for line in draft.before]
    is_other = any("req.path = " in line and "req.path = req.path .." not in line for line in lines)
    if not root or "{" in path or is_other or draft.others or "" in draft.keys:
        raise Unsayable("rsp import does not translate rewrite beside this index or try_files")
    draft.before = lines
    draft.keys["files"] = {**table, "root": root} if len(table) > 1 else root
    draft.keys["rewrite"] = path
    if "fallback" in draft.keys:
        draft.keys["fallback"] = f"{path.rstrip('/')}{draft.keys['fallback']}"
