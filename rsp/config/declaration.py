"""What Lua has recorded, and the data that the schema wants instead."""

from typing import Any

import msgspec

from rsp.config.errors import Position


class Declaration(msgspec.Struct, frozen=True):
    """``kind``: listen, upstream, route, certificate, page, every, global, function or undefined.

    ``name``: of an upstream or a global.

    ``value``: the data; a Lua table is ``{"list": [...], "map": {...}}``.  ``top``: of a global that the file itself
    assigns, not a function or a module of it.  ``labels``: where it is not the file that declares it, what says each
    key.
    """

    kind: str
    name: str
    value: Any
    at: Position
    top: bool = False
    labels: dict[str, str] = {}


def plain(value: Any) -> Any:
    """A recorded value as data for the schema: a table with named keys, with items, or a scalar; ``{}`` is a table."""
    if isinstance(value, dict) and set(value) == {"list", "map"}:
        items, named = value["list"], value["map"]
        if not named:
            return [plain(item) for item in items] if items else {}
        data: dict[str, Any] = {key: plain(item) for key, item in named.items()}
        for number, item in enumerate(items, 1):
            data[f"[{number}]"] = plain(item)
        return data
    return value


def with_first(value: Any, key: str) -> Any:
    """``{ "10.0.0.2:8000", weight = 2 }``: the first item is ``key``; a plain scalar is ``key`` alone."""
    if isinstance(value, dict):
        items = list(value["list"])
        data = {name: plain(item) for name, item in value["map"].items()}
        if items and key not in data:
            data[key] = plain(items.pop(0))
        for number, item in enumerate(items, 1 + len(value["list"]) - len(items)):
            data[f"[{number}]"] = plain(item)
        return data
    return {key: value}


def with_peers(item: Declaration) -> Any:
    if not isinstance(item.value, dict):
        return item.value
    peers, named = item.value["list"], dict(item.value["map"])
    if isinstance(listed := named.get("peers"), dict) and not listed["map"]:  # with their key
        peers = [*peers, *listed["list"]]
        del named["peers"]
    named = {name: plain(value) for name, value in named.items()}
    return {
        "name": item.name,
        "peers": [with_first(peer, "address") for peer in peers],
        **named,
    }
