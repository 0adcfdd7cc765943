"""What to say where a key that names an upstream names none: an address is meant, or another name."""

import re
from collections.abc import Collection
from itertools import chain, count
from typing import Final

from rsp.config.errors import suggest
from rsp.config.units import show

_ADDRESS: Final = re.compile(
    r"(?:(https?)://)?((?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):\d{1,5}|(?<=://)[A-Za-z0-9_.-]+|unix:/[^?#]+)([/?#].*)?"
)


def no_such(name: str, upstreams: Collection[str], key: str = "") -> str:
    """``key``: the one whose value ``name`` is, if a name is all that it takes."""
    if key and (found := declaration(name, own := _free(upstreams))):
        return f'no such upstream; write {found[0]} and {key} = "{own}"'
    known = f" (declared: {', '.join(map(show, upstreams))})" if upstreams else ""
    return f"no such upstream{suggest(name, upstreams) or known}"


def declaration(url: str, name: str) -> tuple[str, str] | None:
    """The upstream ``name`` whose peer is at ``url``, and the rest of the URL; ``None``: this is no address."""
    match = _ADDRESS.fullmatch(url)
    if match is None:
        return None
    port = "" if re.search(r":\d+$|^unix:", match[2]) else ":443" if match[1] == "https" else ":80"
    tls = ", tls = true" if match[1] == "https" else ""
    return f'upstream "{name}" {{ "{match[2]}{port}"{tls} }}', match[3] or ""


def _free(upstreams: Collection[str]) -> str:
    """A name that is not taken."""
    return next(name for name in chain(["app"], (f"app{number}" for number in count(2))) if name not in upstreams)
