"""Directories whose index is in a location that keeps clients out: they are led there before a route is chosen.

nginx asks again by the name of the index, so what that location says holds; rsp has one route for a request.
"""

import re

from rsp.importing.nginx.matching import pages_of_folders
from rsp.importing.nginx.matching.servers import Location, Server
from rsp.importing.nginx.rewrite.guards import stripped
from rsp.importing.nginx.rules.access import LIMITS, differ, restricts
from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement


def lead_to_index(location: Location, server: Server) -> bool:
    """``if (-f $request_filename/index.html) { rewrite ... last; }`` for each index, where one leads elsewhere."""
    level = location.level
    if location.finds_index or location.is_regex or location.content is not None:
        return False
    if location.modifier not in ("", "^~") and not location.path.endswith("/"):
        return False
    if level.has("alias", "rewrite", "return", "set", "break", "limit_except", "internal"):
        return False
    if any(not _is_for_missing(each) for each in level.block if each.name == "if"):
        return False
    root = server.names_at(location).constants.get("document_root", "")
    said, tried = level.last("index"), level.own("try_files")
    words = said.args if said is not None else ["index.html"]
    if "$" in root or not root.startswith("/") or (tried and "$uri/" not in tried[-1].args[:-1]):
        return False
    is_named = bool(tried) and tried[-1].args[-1].startswith("@")
    if not all(re.fullmatch(r"[\w.\-]+\.(?:html?|php)", word) for word in words):
        return False
    if is_named and any(word.endswith(".php") for word in words):
        return False
    others = [each for each in server.locations if each is not location and _does_more(each, level)]
    found = [each for word in words for each in _led_to(location, word, server, others)]
    if not found or any(not _has_all_of(each.level, level) for each in found):
        return False
    origin = (tried[-1] if tried else location.statement).origin
    leading = [
        Statement("if", ["(", "-f", f"{root.rstrip('/')}${{uri}}{word}", ")"], origin,
                  [Statement("rewrite", ["^(.*/)$", f"$1{word}", "last"], origin)])
        for word in words
    ]  # fmt: skip
    kept = [Statement(each.name, each.args, each.origin, each.block) if each.name == "if" else each
            for each in level.block]  # fmt: skip
    location.level = Level("location", [*leading, *kept], level.outer)
    location.finds_index = True
    return True


def _led_to(location: Location, word: str, server: Server, others: list[Location]) -> list[Location]:
    if location.modifier == "=":
        return [each for each in others if each is server.find(f"{location.path}{word}")]
    return pages_of_folders.led_to(location, word, server, others)


def _is_for_missing(statement: Statement) -> bool:
    """``if (!-e $request_filename) { rewrite ... last; }``, which says nothing of directories."""
    block = statement.block or []
    is_asked = stripped(statement.args) == ["!-e", "$request_filename"]
    return is_asked and all(each.name == "rewrite" and each.args[2:] == ["last"] for each in block)


def _does_more(location: Location, level: Level) -> bool:
    return location.content is not None or differ(level, location.level)


def _has_all_of(place: Level, level: Level) -> bool:
    """Whether ``place`` refuses all clients that ``level`` refuses."""
    limits = [{each.text for each in one.all(*LIMITS)} for one in (level, place)]
    return not restricts(place, level) and limits[0] <= limits[1]
