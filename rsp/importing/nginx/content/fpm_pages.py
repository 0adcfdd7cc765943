"""Locations whose paths PHP-FPM answers without a script (``ping.path``, ``pm.status_path``): ``pages`` of an upstream.

nginx asks PHP-FPM for the path as it is, or for the SCRIPT_NAME that the location says.
"""

import re
from collections.abc import Sequence
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from rsp.importing.lua import index, quoted
from rsp.importing.nginx.content.context import Context
from rsp.importing.nginx.content.draft import Draft
from rsp.importing.nginx.matching.servers import Location
from rsp.importing.nginx.peers import fastcgi
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.variables import Names

_PAGE: Final = re.compile(r"/(?:[\w\-]+[/_\-])?(?:fpm)?[_\-]?(?:status|ping)")
_OWN: Final = ("", "$fastcgi_script_name", "$uri", "$document_uri")
_BY_NAME: Final = re.compile(r".*\$\{?(?:fastcgi_script_name|uri|document_uri|request_filename)\}?")
_MOST: Final = 20


def of(level: Level, names: Names, location: Location | None) -> dict[str, str]:
    """The page for each path of the location; empty: it is for scripts."""
    if location is None or location.path == "/":
        return {}
    given = {each.value: names.expand(each.args[1]) for each in level.all("fastcgi_param") if len(each.args) > 1}
    name, file = given.get("SCRIPT_NAME", ""), given.get("SCRIPT_FILENAME", "")
    paths = _paths(location)
    if name.startswith("/") and "$" not in name and ".php" not in name + file:
        return dict.fromkeys(paths, name)
    is_file = _BY_NAME.fullmatch(file) is None and (".php" in file or "$" in file)
    if name not in _OWN or is_file or any(".php" in path or path.endswith("/") for path in paths):
        return {}
    if location.modifier in ("", "^~") and _PAGE.fullmatch(location.path) is None:
        return {}
    return {path: path for path in paths}


def put(
    pages: dict[str, str], draft: Draft, passing: Statement, location: Location, level: Level, names: Names,
    context: Context,
) -> None:  # fmt: skip
    """Raises :class:`rsp.importing.nginx.values.variables.Unsayable`."""
    is_renamed = any(path != page for path, page in pages.items())
    asked = list(dict.fromkeys(pages.values()))
    draft.keys["to"] = fastcgi.upstream(
        passing, level, names, context.blocks, context.result, draft.parts, is_rewritten=is_renamed, pages=asked
    )
    if is_renamed:
        draft.keys["rewrite"] = asked[0]
    if location.is_regex and not location.path.endswith("$"):
        known = ", ".join(f"{index(path)} = true" for path in pages)
        draft.before.append(f"if not ({{ {known} }})[req.path] then return respond(404) end")
    elif location.modifier in ("", "^~"):
        draft.before.append(f"if req.path ~= {quoted(location.path)} then return respond(404) end")


def _paths(location: Location) -> list[str]:
    """All of its own; none: there are too many."""
    if not location.is_regex:
        return [location.path]
    try:
        tree = list(parser.parse(location.path))
    except re.error:
        return []
    found = _texts(tree) if tree[:1] == [(kinds.AT, kinds.AT_BEGINNING)] else None
    return found if found is not None and len(found) <= _MOST else []


def _texts(items: Sequence[Any]) -> list[str] | None:
    """Those that an expression matches; ``None``: it cannot be said."""
    found = [""]
    for kind, value in items:
        more: list[str] | None = None
        if kind is kinds.AT:
            more = [""]
        elif kind is kinds.LITERAL:
            more = [chr(value)]
        elif kind is kinds.SUBPATTERN and not value[1] and not value[2]:
            more = _texts(value[3])
        elif kind is kinds.BRANCH:
            parts = [_texts(each) for each in value[1]]
            more = None if None in parts else [text for part in parts for text in part or []]
        elif kind is kinds.MAX_REPEAT and value[:2] == (0, 1):
            inner = _texts(value[2])
            more = None if inner is None else ["", *inner]
        if more is None or len(found) * len(more) > _MOST:
            return None
        found = [start + end for start in found for end in more]
    return found
