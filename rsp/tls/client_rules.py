"""How the peers of an upstream are asked over TLS.

There is one object for all upstreams that agree in it, before and after a reload.  So "the same object" means that
connections and sessions that were made under it are still right, and another one that they are not.
"""

import encodings.idna  # noqa: F401 - ssl wants it for names, when it may not be readable any more
from hashlib import sha256
from weakref import WeakValueDictionary

import msgspec

from rsp.config.tls import UpstreamTls
from rsp.config.units import Peer
from rsp.tls.contexts import client_context, peers_verification, system_stamp
from rsp.tls.engine import Context
from rsp.tls.material import Keyring


class ClientRules:
    """``context``: for connections under these rules."""

    __slots__ = ("__weakref__", "context")

    def __init__(self, context: Context) -> None:
        self.context = context


class KnownRules:
    """Those that something still uses."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[bytes, ClientRules] = WeakValueDictionary()

    def find(self, secure: UpstreamTls, keyring: Keyring) -> ClientRules:
        """For ``secure``, with files as ``keyring`` has them.  Raises :class:`ContextError`."""
        made_of = digest(secure, keyring)
        rules = self._known.get(made_of)
        if rules is None:
            rules = self._known[made_of] = ClientRules(client_context(secure, keyring))
        return rules


def digest(secure: UpstreamTls, keyring: Keyring) -> bytes:
    """Of all that the context is made of, the content of files included.  The name is each peer's own."""
    verification = peers_verification(secure, keyring)
    own = keyring.own.get((secure.certificate, secure.key or secure.certificate)) if secure.certificate else None
    parts = (
        secure.min,
        verification.digest if verification is not None else b"",
        repr(system_stamp()) if verification is not None and not verification.ca else "",
        (own.chain, own.key) if own is not None else None,
    )
    return sha256(msgspec.msgpack.encode(parts)).digest()


def name_to_verify(secure: UpstreamTls, given: Peer) -> str:
    """What the certificate of a peer has to be for.

    It is what the configuration says, never what DNS has made of it: the domain of ``srv:_http._tcp.example.com``
    (RFC 6125 section 6.2.1), ``localhost`` for a local socket.
    """
    if secure.name is not None:
        return secure.name
    if given.is_srv:
        return ".".join(label for label in given[4:].rstrip(".").split(".") if not label.startswith("_"))
    return given.host.rstrip(".") or "localhost"
