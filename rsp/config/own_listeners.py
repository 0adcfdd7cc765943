"""Upstreams whose peers are listeners of this very file.

That can be meant (one route puts something before another), so it is a warning: a request that is sent back to the
route it came from goes in a circle until no connection is left, as in every proxy that is not told of it.
"""

from collections.abc import Iterator
from typing import Final

from rsp.config.tls_rules import Declared, Finding
from rsp.config.units import Listen, Peer, show

_EVERYWHERE: Final = {"0.0.0.0": ("127.", "localhost"), "::": ("::1", "127.", "localhost")}


def warnings(declared: Declared) -> Iterator[Finding]:
    """One for each upstream that leads back."""
    for upstream in declared.upstreams:
        for peer in upstream.peers:
            own = next((one.address for one in declared.listeners if _is_at(peer.address, one.address)), None)
            if own is not None:
                said = (
                    f"the peer {show(peer.address)} is an address that this file listens on, {show(own)}; a "
                    "request that"
                )
                yield Finding(upstream, (), f"{said} its routes send to this upstream again loops")
                break


def _is_at(peer: Peer, listener: Listen) -> bool:
    """Whether what is sent to ``peer`` arrives at ``listener``, as far as the file says."""
    if str(peer) == str(listener):
        return True
    if peer.is_unix or peer.is_srv or listener.is_unix or listener.is_passed:
        return False
    return peer.port == listener.port and peer.host.startswith(_EVERYWHERE.get(listener.host, (listener.host + "\0",)))
