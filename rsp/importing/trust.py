"""Fields that are rsp's own to write, and those in which a proxy names the client, which ``trusted`` ones may."""

import re
from collections.abc import Iterator
from typing import Any, Final

from rsp.http.names import FORWARDED, learn
from rsp.importing.site import Code, Declaration, Note, Script, Setting, Site, Table

OWN: Final = frozenset(("connection", "upgrade", "content-length", "transfer-encoding", "te", "trailer"))  # rsp's
BEHIND: Final = (
    "if there is a load balancer or a CDN in front of rsp, name its addresses, else peers take these for the client's: "
    'trusted = { "10.0.0.0/8" }'
)
_FIELD: Final = re.compile(r"\{header\.([\w-]+)\}")
_IN_LUA: Final = re.compile(r"req\.headers\[\"([\w-]+)\"\](?! =[^=])")


def note_trust(site: Site) -> None:
    """A note for each such field that a route or a hook reads, unless the file names its proxies."""
    if any(isinstance(part, Setting) and part.name == "trusted" for part in site.parts):
        return
    names: dict[str, None] = {}
    for part in site.parts:
        if isinstance(part, Declaration) and part.word == "route":
            names.update(dict.fromkeys(_read(part.keys)))
            asked: Any = part.keys.get("headers") or {}
            names.update(dict.fromkeys(asked))
        elif isinstance(part, Script):
            names.update(dict.fromkeys(_IN_LUA.findall(part.text)))
    for name in names:
        if learn(name.lower().encode()) == FORWARDED:
            site.add(Note(f'rsp believes {name} of proxies in `trusted` only: name them: trusted = {{ "10.0.0.0/8" }}'))


def _read(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _FIELD.findall(value)
    elif isinstance(value, Code):
        yield from _IN_LUA.findall(value.text)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _read(each)
    elif isinstance(value, list):
        for each in value:
            yield from _read(each)
    elif isinstance(value, Table):
        yield from _read(value.items)
        yield from _read(value.keys)
