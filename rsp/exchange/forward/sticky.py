"""Clients that stay with a peer by a cookie.

The cookie's value is a signature of the peer's name, so a client can neither read an address out of it nor make one
up, and finding the peer is one look into a table: nothing is computed for a request.
"""

import hmac
from typing import TYPE_CHECKING, Final

from rsp.config.upstreams import Sticky
from rsp.http.fields import cookie

if TYPE_CHECKING:
    from rsp.exchange.forward.peer import Peer

_SECURE: Final = b"; Secure\r\n"  # the last attribute


class Binding:
    """``upstream``: its name; ``secret``: the instance's own, for configurations without one."""

    def __init__(self, upstream: str, config: Sticky, secret: bytes) -> None:
        self._upstream = upstream
        self._secret = config.secret.encode() if config.secret is not None else secret
        self._name = config.cookie.encode()
        attributes = f"; Path={config.path}; HttpOnly; SameSite=Lax"
        if config.max_age is not None:
            attributes += f"; Max-Age={int(config.max_age)}"
        if config.secure:
            attributes += _SECURE.decode().rstrip()
        self._attributes = attributes.encode()
        self._peers: dict[bytes, Peer] = {}
        self._lines: dict[Peer, bytes] = {}

    def bind(self, peer: "Peer") -> None:
        """Let cookies lead to ``peer``."""
        if peer not in self._lines:
            token = self._token(peer)
            self._peers[token] = peer
            self._lines[peer] = b"Set-Cookie: %b=%b%b\r\n" % (self._name, token, self._attributes)

    def forget(self, peer: "Peer") -> None:
        """No cookie leads there any more."""
        if self._lines.pop(peer, None) is not None:
            self._peers.pop(self._token(peer), None)

    def _token(self, peer: "Peer") -> bytes:
        message = f"{self._upstream}\0{peer.address}".encode()
        return hmac.digest(self._secret, message, "sha256").hex()[:32].encode()

    def only(self, peers: "set[Peer]") -> None:
        self._peers = {token: peer for token, peer in self._peers.items() if peer in peers}
        self._lines = {peer: line for peer, line in self._lines.items() if peer in peers}

    def line(self, peer: "Peer") -> bytes:
        """The Set-Cookie line that binds a client to ``peer``."""
        return self._lines.get(peer, b"")

    @staticmethod
    def secured(line: bytes) -> bytes:
        """``line`` for a client that has come over TLS: it does not send the cookie over anything else."""
        return line if line.endswith(_SECURE) else line[:-2] + _SECURE

    def find(self, fields: bytes) -> "Peer | None":
        """The peer that a request's ``fields`` name, if it is one."""
        token = cookie(fields, self._name)
        return self._peers.get(token) if token is not None else None
