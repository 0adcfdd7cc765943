"""``types`` and ``default_type``: the Content-Type of files.

rsp has a table of its own, to which a route can add.  nginx knows only what ``types`` of the nearest level say; all
other files have the type of ``default_type``.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from rsp.files.types import TYPES, UNKNOWN
from rsp.importing.lua import index, quoted
from rsp.importing.nginx.syntax.levels import PASSING, Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.site import Value

_BINARY: Final = ("bin", "deb", "dll", "dmg", "exe", "img", "iso", "msi", "msm", "msp")  # nginx's mime.types name them
_STOCK: Final = "mime.types"
_ENDING_OF_NAME: Final = re.compile(r"[^./*\s]+")  # nginx looks for what stands behind the last dot, in lower case
_ENDING: Final = 'local ending = (req.path:match("%.([^./]*)$") or ""):lower()'


def table(level: Level) -> dict[str, Value]:
    """``types`` of ``files``: what the file says otherwise than rsp."""
    found = _listed(_blocks(level))
    is_own = level.kind == "location" and level.has("types")
    return {ending: media for ending, media in found.items() if is_own or TYPES.get(ending) != media}


def lines(level: Level) -> list[str]:
    """For the hook of responses: ``default_type``, where it is not that of rsp.  It has no variables."""
    fallback = level.value("default_type", "text/plain")
    blocks = [
        each for around in level.around() if around.kind != "http" for each in around.block if each.name == "types"
    ]
    is_whole = bool(blocks) and all(each in level.block for each in blocks) and level.has("default_type")
    if blocks and not _listed(blocks):
        condition = []
    elif is_whole:
        condition = [f"not ({{ {_truths(_listed(blocks))} }})[ending]"]
    elif level.is_set_below_http("default_type") and fallback != UNKNOWN:
        condition = [
            f'res.headers["Content-Type"] == {quoted(UNKNOWN)}',
            f"not ({{ {_truths(dict.fromkeys(_BINARY))} }})[ending]",
        ]
    else:
        return []
    charset = level.value("charset", "off")
    if fallback.startswith("text/") and ";" not in fallback and charset != "off":
        fallback += f"; charset={charset}"
    said = " and ".join(["not res.own", "not req.peer", "res.status < 300", *condition])
    put = f'if {said} then res.headers["Content-Type"] = {quoted(fallback)} end'
    return [*([_ENDING] if condition else []), put]


def tell_of_peers(block: list[Statement], parts: Parts) -> None:
    """``charset`` adds to the types of peers' responses as well, in nginx."""
    for statement in every(block):
        inner = [each for each in statement.block or [] if each.name == "charset" and each.value.lower() != "off"]
        if inner and any(each.name in PASSING for each in every(statement.block or [])):
            said = f"responses of peers keep their Content-Type; nginx adds charset={inner[-1].value} where it has none"
            parts.note(inner[-1], said)


def _blocks(level: Level) -> list[Statement]:
    return [each for each in level.all("types") if PurePosixPath(each.origin.file).name != _STOCK]


def _listed(blocks: list[Statement]) -> dict[str, Value]:
    """Types by the ends of names."""
    return {
        ending.lower(): each.name
        for block in blocks
        for each in block.block or []
        for ending in each.args
        if _ENDING_OF_NAME.fullmatch(ending)
    }


def _truths(endings: dict[str, Value]) -> str:
    return ", ".join(f"{index(ending)} = true" for ending in endings)
