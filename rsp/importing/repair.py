"""What is not an address, and what stands for it in the result until its owner has put one there.

Examples have ``server xxx.xxx.xxx.xxx:port``, for users to write their own address.
"""

import re
from typing import Final

from rsp.config.units import Listen, Peer
from rsp.importing.site import Declaration, Note, Part, Site, Table, Value

_UNFIT: Final = re.compile(r"[^a-z0-9\-]+")
_STAND_IN: Final = ".invalid:80"  # a name that never is one (RFC 2606)
_LISTEN: Final = "127.0.0.1:8080"


def repaired(site: Site, part: Part) -> bool:
    """Whether something stands for what is wrong in ``part`` now."""
    if not isinstance(part, Declaration):
        return False
    if part.word == "upstream":
        return _peers(site, part)
    if part.word == "listen":
        return _listener(site, part)
    return part.word == "route" and _host(site, part)


def _peers(site: Site, upstream: Declaration) -> bool:
    wrong = [item for item in upstream.items if not _is_peer(_address(item))]
    if not wrong:
        return False
    name = stand_in(upstream.name)
    first, items = wrong[0], [item for item in upstream.items if item not in wrong[1:]]
    items[items.index(first)] = Table([name], first.keys) if isinstance(first, Table) else name
    upstream.items = items
    listed = " and ".join(f'"{_address(item)}"' for item in wrong)
    what = "is not an address" if len(wrong) == 1 else "are not addresses"
    site.add(Note(f"{listed} {what}: {waiting(name)}", upstream.origin))
    return True


def stand_in(name: str) -> str:
    """An address for the upstream ``name``, at which there is nothing."""
    return f"{_UNFIT.sub('-', name.lower()).strip('-') or 'peer'}{_STAND_IN}"


def waiting(address: str) -> str:
    """What is to be done about a stand-in, as half a sentence."""
    return f"{address} stands there, and clients get 502 until you put yours in its place"


def _address(item: Value) -> Value:
    return item.items[0] if isinstance(item, Table) and item.items else item


def _is_peer(address: Value) -> bool:
    if not isinstance(address, str):  # Lua
        return True
    try:
        Peer.parse(address)
    except ValueError:
        return False
    return True


def _host(site: Site, route: Declaration) -> bool:
    """``send_host`` is what stands for the peer."""
    sent = route.keys.get("send_host")
    wanted = (route.keys.get("to"), route.keys.get("else_to"))
    for part in site.parts:
        if not isinstance(part, Declaration) or part.word != "upstream" or part.name not in wanted:
            continue
        first = _address(part.items[0]) if part.items else None
        if isinstance(first, str) and first.endswith(_STAND_IN) and sent not in (None, first.rpartition(":")[0]):
            route.keys["send_host"] = first.rpartition(":")[0]
            return True
    return False


def _listener(site: Site, listener: Declaration) -> bool:
    """The last one, without which nothing loads."""
    others = [part for part in site.parts if isinstance(part, Declaration) and part.word == "listen"]
    try:
        Listen.parse(listener.name)
    except ValueError:
        if len(others) > 1:
            return False
        site.add(Note(f'"{listener.name}" is not an address: {_LISTEN} stands for it', listener.origin))
        listener.name = _LISTEN
        return True
    return False
