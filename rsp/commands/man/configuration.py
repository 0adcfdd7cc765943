"""rsp.lua(5): the configuration, of the schema and of the sections of its reference."""

from collections.abc import Iterator

import msgspec

from rsp.commands.man import roff
from rsp.config import reference

_EXAMPLE = """\
listen "0.0.0.0:8080"
upstream "app" { "10.0.0.1:8000", { "10.0.0.2:8000", weight = 2 } }
route { path = "/static/", files = "/srv/www/static" }
route { to = "app" }
"""
_INTRODUCTION = (
    "A configuration of rsp is a Lua program. It runs when rsp starts and at each reload, in a separate process, with "
    "limits on time and memory. It declares listeners, upstreams and routes; settings are global variables. "
    "`rsp -t FILE` checks a file, `rsp -T FILE` prints it with all defaults.",
    'Durations are numbers of seconds or strings such as `"500ms"`, `"5s"`, `"2m"`. Sizes are numbers of bytes or '
    'strings such as `"64KB"`, `"10MB"`.',
)


def configuration() -> str:
    parts = [roff.title("rsp.lua", 5, "configuration of rsp"), roff.heading("Description")]
    for paragraph in _INTRODUCTION:
        parts += [roff.text(paragraph), ".PP"]
    parts += [roff.verbatim(_EXAMPLE), roff.heading("Declarations and settings")]
    seen: set[str] = set()
    for title, remark, struct in reference.SECTIONS:
        if title not in seen:
            seen.add(title)
            parts += _section(title, remark, struct)
    parts += [roff.heading("See also"), roff.text("rsp(1), rspctl(1)")]
    return "\n".join(parts) + "\n"


def _section(title: str, remark: str, struct: type[msgspec.Struct]) -> Iterator[str]:
    yield roff.part(title.replace("`", ""))
    said = " ".join(filter(None, (struct.__doc__ or "", remark)))
    yield roff.text(said)
    for key in reference.keys(struct):
        yield roff.item(f"{roff.bold(key.name)} ({_shown(key.type)})", [_said(key)])


def _shown(kind: str) -> str:
    return roff.text(kind.replace("`", ""))


def _said(key: reference.Key) -> str:
    default = {"none": "", "see below": "", "required": " Required."}.get(key.default, f" Default: {key.default}.")
    return roff.text(f"{key.text}{default}")
