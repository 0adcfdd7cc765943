"""HAProxy's timeouts as rsp's."""

from typing import Any

from rsp.importing.haproxy.sections import Line
from rsp.importing.haproxy.values import duration, seconds
from rsp.importing.ordered.condition import Inexpressible

_OLD = {"contimeout": "connect", "clitimeout": "client", "srvtimeout": "server"}
_NEVER = "1d"


def said(lines: list[Line]) -> dict[str, str]:
    """HAProxy's name: how long; the last one counts."""
    found: dict[str, str] = {}
    for line in lines:
        name, value = "", ""
        if line.first == "timeout" and len(line.words) > 2:
            name, value = line.words[1], line.words[2]
        elif line.first in _OLD and len(line.words) > 1:
            name, value = _OLD[line.first], line.words[1]
        if not name:
            continue
        try:
            found[name] = duration(value) if seconds(value) else _NEVER
        except Inexpressible:
            continue  # leftovers.py says so
        line.used = True
    return found


def timeouts(front: list[Line], backends: list[list[Line]]) -> dict[str, Any]:
    """For all: those of clients of ``front``; those of peers as well, unless a backend has its own."""
    own = said(front)
    if not own.keys() & {"connect", "server"} and backends:
        own = {**said(backends[0]), **own}
    keys: dict[str, Any] = {
        "connect": own.get("connect", _NEVER),
        "response": own.get("server", _NEVER),
        "read": own.get("server", _NEVER),
        "tunnel": own.get("tunnel", own.get("server", _NEVER)),
        **client_timeouts(front, own),
    }
    return keys


def client_timeouts(lines: list[Line], own: dict[str, str] | None = None) -> dict[str, Any]:
    """Only what the lines say, for a listener; all of it with ``own``."""
    whole = own is not None
    own = said(lines) if own is None else own
    keys: dict[str, Any] = {}
    if "client" in own or whole:
        keys["body"] = keys["send"] = own.get("client", _NEVER)
    head = own.get("http-request") or own.get("client")
    if head is not None:
        keys["head"] = head
    idle = own.get("http-keep-alive") or head
    if idle is not None:
        keys["idle"] = idle
    return keys


def backend_timeouts(lines: list[Line]) -> dict[str, Any]:
    """For a route, what a backend says by itself."""
    own = said(lines)
    keys: dict[str, Any] = {}
    if "connect" in own:
        keys["connect"] = own["connect"]
    if "server" in own:
        keys["response"] = keys["read"] = own["server"]
    if "tunnel" in own or "server" in own:
        keys["tunnel"] = own.get("tunnel", own.get("server"))
    return keys
