"""``upstream`` blocks, and the upstreams that a ``proxy_pass`` names by an address.

In nginx TLS, protocol and retries belong to the location that asks, here they belong to the upstream: a block that is
asked in two ways becomes two upstreams.
"""

import re
from typing import Final

from msgspec import Struct, field

from rsp.importing.nginx.syntax.levels import Level
from rsp.importing.nginx.syntax.tree import Statement
from rsp.importing.nginx.syntax.words import reason_for
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.units import number_of_seconds, seconds
from rsp.importing.nginx.values.variables import Names, Unsayable
from rsp.importing.repair import stand_in, waiting
from rsp.importing.site import Table, Value

_LONGEST: Final = 60  # seconds: rsp's own longest ejection, which is not shorter than the first
_MOST: Final = 1000  # failures that rsp counts
_MOST_IDLE: Final = 65535  # connections that rsp keeps
_PORT: Final = re.compile(r":([0-9]+)$")
_POLICIES: Final[dict[str, dict[str, Value]]] = {
    "least_conn": {"policy": "least_conn"},
    "ip_hash": {"policy": "hash", "key": "client"},
    "random": {"policy": "random2"},
    "least_time": {"policy": "ewma"},
    "fair": {"policy": "least_conn"},
    "upstream_fair": {"policy": "least_conn"},
}
_SILENT: Final = frozenset(
    ("zone", "keepalive_requests", "keepalive_time", "keepalive_timeout", "resolver", "resolver_timeout",
     "check_keepalive_requests", "server", "state")
)  # fmt: skip


class Block(Struct):
    """An ``upstream`` block, translated.  ``keepalive``: what it says, if anything."""

    name: str
    statement: Statement
    peers: list[Value] = field(default_factory=list)
    keys: dict[str, Value] = field(default_factory=dict)


def blocks(http: Level, result: Result, names: Names) -> dict[str, Block]:
    """Those of the http block, by name."""
    found: dict[str, Block] = {}
    for statement in http.own("upstream"):
        block = Block(statement.value, statement)
        _read(block, result, names)
        found[block.name] = block
    return found


def _read(block: Block, result: Result, names: Names) -> None:
    level = Level("upstream", block.statement.block or [])
    parts = result.upstreams
    failures: list[tuple[str, str]] = []
    for server in level.own("server"):
        peer = _peer(block, server, result, failures)
        if peer is not None:
            _add(block, peer, server, result)
    if block.peers and all(isinstance(peer, Table) and peer.keys.get("backup") for peer in block.peers):
        block.peers = [_main(peer) for peer in block.peers]  # there is none that they stand in for
    _failures(block, failures, result)
    for statement in level.block:
        statement.used = True
        name, args = statement.name, statement.args
        if name in _POLICIES:
            block.keys |= _POLICIES[name]
        elif name in ("hash", "consistent_hash") and args:
            try:
                block.keys |= {"policy": "hash", "key": _key(names.text(args[0]))}
            except Unsayable as error:
                parts.lost(statement, str(error))
        elif name in ("keepalive", "max_conns") and statement.value.isdigit():
            block.keys[name] = min(int(statement.value), _MOST_IDLE)
        elif name in ("sticky", "session_sticky"):
            block.keys["sticky"] = _cookie(args)
            if args[:1] in (["route"], ["learn"]):
                parts.note(statement, "rsp tells clients their peer by a cookie of its own, rsp_peer")
        elif name == "queue" and statement.value.isdigit():
            block.keys["queue"] = {"size": int(statement.value)}
        elif name == "check":
            sent = level.value("check_http_send") if "type=http" in args else ""
            path = re.match(r"(?:GET|HEAD) (/[^ ?]*)", sent)
            block.keys["health"] = path[1] if path is not None else "tcp"
        elif name not in _SILENT and not name.startswith("check_"):
            parts.lost(statement, reason_for(name))
    if not block.peers:
        address = stand_in(block.name)
        parts.note(block.statement, f"upstream {block.name} names no peer: {waiting(address)}")
        block.peers.append(address)


def _cookie(args: list[str]) -> Value:
    """The cookie's name, if one is said, in the words of nginx Plus and of two other modules."""
    if args[:1] == ["cookie"] and args[1:]:
        return args[1]
    named = (word.partition("=")[2] for word in args if word.startswith(("name=", "cookie=")))
    return next(named, "") or True


def _add(block: Block, peer: Value, server: Statement, result: Result) -> None:
    """A peer that is listed several times gets the sum of its weights."""
    found = peer if isinstance(peer, Table) else Table([peer])
    for number, other in enumerate(block.peers):
        same = other if isinstance(other, Table) else Table([other])
        if same.items == found.items:
            weights = [each.keys.get("weight", 1) for each in (same, found)]
            if {**same.keys, "weight": 1} != {**found.keys, "weight": 1}:
                result.upstreams.lost(server, "this peer is listed twice, with other parameters")
                return
            total = sum(weight for weight in weights if isinstance(weight, int))
            block.peers[number] = Table(same.items, {**same.keys, "weight": total})
            return
    block.peers.append(peer)


def _key(text: str) -> str:
    return {"{client}": "client", "{uri}": "uri", "{path}": "path", "{host}": "host"}.get(text, text)


def _peer(block: Block, server: Statement, result: Result, failures: list[tuple[str, str]]) -> Value:
    address, *parameters = server.args or [""]
    keys: dict[str, Value] = {}
    count, within, service = "1", "10s", ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name in ("weight", "max_conns") and value.isdigit():
            keys[name] = int(value)
        elif name == "backup":
            keys["backup"] = True
        elif name in ("down", "drain"):
            result.upstreams.note(server, f"upstream {block.name}: {address} is `{name}` and left out")
            return None
        elif name == "max_fails":
            count = value
        elif name == "fail_timeout":
            within = value
        elif name == "slow_start":
            block.keys["slow_start"] = seconds(value)
        elif name == "service" and value:
            service = value
        elif name not in ("resolve", "route", "max_fails", "id"):
            result.upstreams.lost(server, f"rsp import does not know the parameter {parameter}")
            return None
    if "backup" not in keys or (count, within) != ("1", "10s"):
        failures.append((count, within))
    place = with_port(address, 80) if not service else _srv(address, service)
    return Table([place], keys) if keys else place


def _main(peer: Value) -> Value:
    """A peer that is no backup."""
    if not isinstance(peer, Table):
        return peer
    keys = {name: value for name, value in peer.keys.items() if name != "backup"}
    return Table(peer.items, keys) if keys else peer.items[0]


def _srv(address: str, service: str) -> str:
    """The name of SRV records, as nginx makes it."""
    if "." in service or service.startswith("_"):
        return f"srv:{service}.{address}" if "." in service else f"srv:{service}._tcp.{address}"
    return f"srv:_{service}._tcp.{address}"


def _failures(block: Block, failures: list[tuple[str, str]], result: Result) -> None:
    said = dict.fromkeys(failures)
    if not said or (len(said) == 1 and ("1", "10s") in said):
        return
    if len(said) > 1:
        text = f"upstream {block.name}: max_fails and fail_timeout hold for all peers; the first ones were taken"
        result.upstreams.note(block.statement, text)
    count, within = next(iter(said))
    if count == "0":
        block.keys["failures"] = {"count": 0}
        return
    time = seconds(within)
    longest: dict[str, Value] = {"longest": time} if number_of_seconds(within) > _LONGEST else {}
    most = min(int(count), _MOST) if count.isdigit() else 1
    block.keys["failures"] = {"count": most, "within": time, "out": time, **longest}


def with_port(address: str, port: int) -> str:
    """As rsp writes addresses: with a port, unless it is a unix socket."""
    if address.startswith("unix:"):
        return address.rstrip(":")
    if _PORT.search(address) and not address.endswith("]") and (address.count(":") == 1 or "]:" in address):
        return address
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"
    return f"{address}:{port}"


def wish(address: str) -> str:
    """What an upstream for one address is called."""
    if address.startswith("unix:"):
        return address.rsplit("/", 1)[-1].split(".")[0] or "app"
    host, _, port = address.rpartition(":")
    if host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0"):
        return f"local-{port}"
    return f"{host}-{port}" if re.fullmatch(r"[0-9.]+|\[.*", host) or port not in ("80", "443") else host
