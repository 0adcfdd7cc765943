"""Fields as clients and peers read them: names and values that nginx sends, and HTTP does not have.

They are put right in the statements themselves, before any other room reads these, each with a note.
"""

import re
from typing import Final

from rsp.config.struct import TOKEN
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.values.result import Parts
from rsp.importing.nginx.values.surroundings import every

_OF_REQUESTS: Final = ("proxy_set_header", "grpc_set_header")
_OF_RESPONSES: Final = ("add_header", "add_trailer")
_HIDING: Final = ("proxy_hide_header", "fastcgi_hide_header", "uwsgi_hide_header", "grpc_hide_header")
_BREAK: Final = re.compile(r"[ \t]*[\r\n]+[ \t]*")


def put_right(block: list[Statement], parts: Parts) -> None:
    for statement in every(block):
        if statement.name in _HIDING:
            statement.args = [name for name in statement.args if _is_name(name) and name.lower() != "host"]
        elif statement.name in (*_OF_REQUESTS, *_OF_RESPONSES) and statement.args[1:]:
            _one(statement, parts)


def _is_name(name: str) -> bool:
    return TOKEN.fullmatch(name) is not None


def _one(statement: Statement, parts: Parts) -> None:
    name, value, *rest = statement.args
    if _BREAK.search(value):
        value = _BREAK.sub(" ", value.strip())
        parts.note(statement, f"the value of {name} has line breaks, which HTTP does not allow: spaces stand for them")
    start, colon, behind = name.partition(":")
    if colon and value and _is_name(start):
        said = f'the colon is not a part of the name "{name}", but the first letter of the value that is sent'
        parts.note(statement, f"{said}, as by nginx; probably, {start} is meant")
        name, value = (start, f"{behind}: {value}") if start.lower() != "host" else ("", "")
    elif not _is_name(name):
        parts.note(statement, f'"{name}" is not the name of a field: it is left out')
        name, value = "", ""
    elif name.lower() == "host" and statement.name in _OF_RESPONSES:
        parts.note(statement, f"responses have no field {name}: it is left out")
        name, value = "", ""
    # A field without a value is not sent, and still stands in the place of what levels around this one say.
    statement.args = [name or ("Connection" if statement.name in _OF_REQUESTS else "X-None"), value, *rest]
