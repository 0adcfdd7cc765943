"""The rules of a handshake, as plain data, each decided before the handshake begins."""

from hashlib import sha256

import msgspec


class Verification(msgspec.Struct, frozen=True):
    """The authorities that a client's or peer's certificate has to come from.

    ``ca`` and ``crl`` are PEM; no ``ca``: the system's.  ``required``: without a certificate there is no handshake.
    """

    ca: bytes = b""
    crl: bytes = b""
    required: bool = True

    @property
    def digest(self) -> bytes:
        """32 bytes.  Sessions are bound to it, so that a change of any of it ends resumption."""
        parts = (self.ca, self.crl, b"required" if self.required else b"optional")
        return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


class Profile(msgspec.Struct, frozen=True):
    """``min``: ``1.2`` or ``1.3``.  ``ciphers``: a list for TLS 1.2 as OpenSSL writes it.  ``alpn``: what rsp speaks,
    the best first.  ``tickets``: whether sessions are resumed."""

    min: str
    ciphers: str
    alpn: tuple[str, ...] = ("http/1.1",)
    tickets: bool = True
