"""The three globals of the C program of 2013, which are a whole configuration: strings, or numbers for the ports."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from rsp.config import wording
from rsp.config.declaration import Declaration
from rsp.config.errors import Position
from rsp.config.schema import Listener, decode_hook
from rsp.config.units import show
from rsp.config.upstreams import Upstream

WORDS: Final = ("listenPort", "backendAddress", "backendPort")
Mistakes = list[tuple[Position, str]]


def understood(given: Mapping[str, Declaration], main: Position) -> tuple[tuple[Listener, Upstream] | None, Mistakes]:
    """What they mean, as far as it can be understood, and each mistake in them; ``main``: where what is missing is."""
    mistakes: Mistakes = []
    texts: dict[str, str] = {}
    for name in WORDS:
        item = given.get(name)
        value = item.value if item is not None else None
        at = item.at if item is not None else main
        if isinstance(value, int) and not isinstance(value, bool) and name != "backendAddress":
            value = str(value)
        if not isinstance(value, str):
            mistakes.append((at, f"{name} must be a string"))
            value = "127.0.0.1" if name == "backendAddress" else "1"
        elif name != "backendAddress" and not (value.isascii() and value.isdigit() and 0 <= int(value) <= 65535):
            mistakes.append((at, f'{name} must be a string with a port from 0 to 65535, got "{value}"'))
            value = "1"
        texts[name] = value
    host = texts["backendAddress"]
    if "://" in host:
        item, plain = given["backendAddress"], re.split(r"[/:]", host.partition("://")[2])[0]
        mistakes.append((item.at, f"backendAddress: an address has no scheme; write {show(plain)}"))
        return None, mistakes
    address = f"[{host}]:{texts['backendPort']}" if ":" in host else f"{host}:{texts['backendPort']}"
    listener = {"address": texts["listenPort"]}
    upstream = {"name": "backend", "peers": [{"address": address}]}
    try:
        made = (
            msgspec.convert(listener, Listener, dec_hook=decode_hook),
            msgspec.convert(upstream, Upstream, dec_hook=decode_hook),
        )
    except msgspec.ValidationError as error:
        at = given["backendAddress"].at if "backendAddress" in given else main
        mistakes.append((at, f"backendAddress: {wording.without_place(error)}"))
        return None, mistakes
    return made, mistakes
