"""Times and sizes: nginx's defaults where they differ from rsp's, and what a level says instead."""

from typing import Final

from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.values.result import Parts, Result
from rsp.importing.nginx.values.units import number_of_seconds, seconds, size
from rsp.importing.nginx.values.variables import Unsayable
from rsp.importing.site import Value

# rsp's key, nginx's directive, nginx's default, rsp's default.
_TIMES: Final = (
    ("head", "client_header_timeout", "60s", "10s"),
    ("body", "client_body_timeout", "60s", "30s"),
    ("idle", "keepalive_timeout", "75s", "75s"),
    ("send", "send_timeout", "60s", "60s"),
)
_PEER: Final = ("proxy", "fastcgi", "uwsgi", "grpc")
_LONGEST: Final = 10**9  # seconds: what rsp takes, and as good as for ever


def for_all(http: Level, result: Result) -> None:
    """``timeouts`` and ``limits`` of the whole file."""
    times: dict[str, Value] = {}
    for key, name, theirs, ours in _TIMES:
        said = _time(http, name, result.settings) or theirs
        if said != ours and not (key == "idle" and said == "0s"):
            times[key] = said
    connect, read = _peer(http, result.settings)
    times["connect"] = connect or "60s"
    if read not in (None, "60s"):
        times |= {"response": read, "read": read}
    times["tunnel"] = read or "60s"
    result.set("timeouts", times)
    limits: dict[str, Value] = {"body": _body(http, result.settings) or "1MB"}
    headers = http.last("large_client_header_buffers")
    if headers is not None and len(headers.args) == 2:
        try:
            line = size(headers.args[1])
            total = int(headers.args[0]) * _bytes(line)
            if _bytes(line) != 8192:
                limits["line"] = line
            if total > 32768:
                limits["head"] = f"{total // 1024}KB"
        except (Unsayable, ValueError):
            result.settings.lost(headers, "this is no size")
    result.set("limits", limits)


def of_route(level: Level, keys: dict[str, Value], parts: Parts) -> None:
    """What this level, or its server, says otherwise than http."""
    times: dict[str, Value] = {}
    if _is_own(level, *(f"{word}_connect_timeout" for word in _PEER)):
        connect, _ = _peer(level, parts)
        if connect:
            times["connect"] = connect
    if _is_own(level, *(f"{word}_read_timeout" for word in _PEER)):
        _, read = _peer(level, parts)
        if read:
            times |= {"response": read, "read": read, "tunnel": read}
    for key, name in (("body", "client_body_timeout"), ("send", "send_timeout")):
        if _is_own(level, name):
            said = _time(level, name, parts)
            if said:
                times[key] = said
    level.all("client_header_timeout", "keepalive_timeout")
    if times:
        keys["timeouts"] = times
    if _is_own(level, "client_max_body_size"):
        said = _body(level, parts)
        if said:
            keys["limits"] = {"body": said}


def _is_own(level: Level, *names: str) -> bool:
    return any(level.is_set_below_http(name) for name in names)


def _time(level: Level, name: str, parts: Parts) -> str | None:
    statement = level.last(name)
    if statement is None:
        return None
    try:
        return seconds(statement.value) if number_of_seconds(statement.value) < _LONGEST else f"{_LONGEST}s"
    except Unsayable as error:
        parts.lost(statement, str(error))
        return None


def _peer(level: Level, parts: Parts) -> tuple[str | None, str | None]:
    """To connect, and between two reads."""
    found: list[str | None] = []
    families = sorted(_PEER, key=lambda word: word != level.family())  # that of its own peers before all others
    for what in ("connect", "read"):
        said = [_time(level, f"{word}_{what}_timeout", parts) for word in families]
        found.append(next((each for each in said if each), None))
    for word in _PEER:
        level.all(f"{word}_send_timeout")
    return found[0], found[1]


def _body(level: Level, parts: Parts) -> str | None:
    statement = level.last("client_max_body_size")
    if statement is None:
        return None
    try:
        return size(statement.value)
    except Unsayable as error:
        parts.lost(statement, str(error))
        return None


def _bytes(text: str) -> int:
    number = int(text.rstrip("KMGB"))
    return number * {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text.rstrip("B")[-1:], 1)
