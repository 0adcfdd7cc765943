"""A line of a frontend or backend as rules, whatever it begins with; those of HAProxy before 2.1 as those of today."""

import re
from typing import Final

from rsp.importing.haproxy.rules import Rules
from rsp.importing.haproxy.sections import Line
from rsp.importing.ordered.condition import Condition, Inexpressible, Path
from rsp.importing.ordered.rules import Rule

OLD: Final = (
    "reqadd", "reqrep", "reqirep", "reqdel", "reqidel", "reqdeny", "reqideny", "rspadd", "rsprep", "rspirep", "rspdel",
    "rspidel",
)  # fmt: skip
_METHOD: Final = re.compile(r"\^\(\[\^ :?\]\*(?:\) /| /\))")  # of a request line, and the slash behind it
_HOST_LINE: Final = re.compile(r"\^Host:\s*(?:\.\*|\(\.\*\))?\$?")
_WHOLE_FIELD: Final = re.compile(r"\^?([A-Za-z][\w-]*):?(?:\\? |\\s)?\*?(?:\(?\.\*\)?)?\$?")


def rules_of(made: Rules, line: Line) -> list[Rule]:
    """Raises :class:`Inexpressible`."""
    if line.first == "http-request":
        return made.request(_host_set(line))
    if line.first in ("http-response", "http-after-response"):
        return made.response(line)
    if line.first == "redirect":
        return made.redirect(line)
    if line.first == "block":
        return made.block(line)
    if line.first == "monitor-uri" and len(line.words) > 1:
        where = [Condition(path=Path("exact", line.words[1]))]
        return [Rule({"respond": {"body": "Service ready.\n"}}, where, last=True, origin=line.origin)]
    if line.first in OLD:
        kind, today = _today(line)
        return made.request(today) if kind == "http-request" else made.response(today)
    if line.first == "tcp-request":
        return _connection(made, line)
    raise Inexpressible("it is not understood")


def _host_set(line: Line) -> Line:
    """``replace-header`` of all of a Host, which every request has, is ``set-header``."""
    name, *words = line.words[1:]
    if name != "replace-header" or len(words) < 3 or words[0].lower() != "host" or "\\" in words[2]:
        return line
    if words[1] not in (".*", "(.*)", "^.*$", "^(.*)$"):
        return line
    return Line([line.first, "set-header", words[0], *words[2:]], line.text, line.origin)


def _connection(made: Rules, line: Line) -> list[Rule]:
    if line.words[1:2] == ["inspect-delay"] or line.words[2:3] in (["accept"], ["set-log-level"]):
        return []
    if line.words[1] in ("connection", "content", "session") and len(line.words) > 2:
        if line.words[2].startswith(("set-var(", "set-var-fmt(")):
            return []  # it is looked at where it is asked for
        if line.words[2] == "reject":
            return made.request(Line(["http-request", "deny", *line.words[3:]], line.text, line.origin))
        if line.words[2].startswith("track-sc"):
            return made.request(Line(["http-request", *line.words[2:]], line.text, line.origin))
    raise Inexpressible("rsp has no rules for connections")


def _today(line: Line) -> tuple[str, Line]:
    """``reqadd`` and so on, as ``http-request`` or ``http-response``."""
    kind = "http-request" if line.first.startswith("req") else "http-response"
    what = line.first[3:].removeprefix("i")
    words = line.words[1:]
    if what == "add" and words and ":" in words[0]:
        name, _, value = words[0].partition(":")
        return kind, Line([kind, "add-header", name.strip(), value.strip(), *words[1:]], line.text, line.origin)
    if what == "del" and words and (field := _WHOLE_FIELD.fullmatch(words[0])) is not None:
        return kind, Line([kind, "del-header", field[1], *words[1:]], line.text, line.origin)
    if what == "rep" and len(words) > 1 and _HOST_LINE.fullmatch(words[0]) and "\\" not in words[1]:
        host = words[1].removeprefix("Host:").strip()
        return kind, Line([kind, "set-header", "Host", host, *words[2:]], line.text, line.origin)
    if what == "rep" and kind == "http-request" and len(words) > 1:
        pattern, replacement = _path(words[0], words[1])
        return kind, Line([kind, "replace-path", pattern, replacement, *words[2:]], line.text, line.origin)
    raise Inexpressible(f"{line.first} is no longer one of HAProxy, and looks at whole lines")


def _path(pattern: str, replacement: str) -> tuple[str, str]:
    """What ``^([^ :]*) /app/(.*)`` and ``\\1 /\\2`` do to the request line, as it is done to its path."""
    method = _METHOD.match(pattern)
    rest = pattern[method.end() :] if method is not None else ""
    begin = r"\1" if method is not None and method[0].endswith(")") else r"\1 /"
    kept = replacement.removeprefix(begin)
    plain = rest.count("(") == 1 and kept.endswith(r"\2") and "\\" not in kept[:-2]
    if not rest.endswith("(.*)") or kept == replacement or not plain:
        raise Inexpressible("of a request line, rsp replaces the path")
    return f"^/{rest}", f"/{kept[:-2]}\\1"
