"""How the peers of an upstream are asked over TLS.

There is one object for all upstreams that agree in it, before and after a reload.  So "the same object" means that
connections and sessions that were made under it are still right, and another one that they are not.
"""

import encodings.idna  # noqa: F401 - ssl wants it for names, when it may not be readable any more
from weakref import WeakValueDictionary

from rsp.config.tls import HttpVersion, UpstreamTls
from rsp.config.units import Peer
from rsp.tls.contexts import ClientContent, client_content, client_context
from rsp.tls.engine import Context
from rsp.tls.material import Keyring


class ClientRules:
    """``context``: for connections under these rules; ``single``: for those that carry one request at a time, where
    ``context`` offers HTTP/2."""

    __slots__ = ("__weakref__", "context", "single")

    def __init__(self, context: Context, single: Context) -> None:
        self.context = context
        self.single = single


class KnownRules:
    """Those that something still uses."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[ClientContent, ClientRules] = WeakValueDictionary()

    def find(self, secure: UpstreamTls, keyring: Keyring, http: HttpVersion = 1) -> ClientRules:
        """For ``secure``, with files as ``keyring`` has them.  Raises :class:`ContextError`."""
        content = client_content(secure, keyring, http)
        rules = self._known.get(content)
        if rules is None:
            context = client_context(content)
            single = client_context(client_content(secure, keyring)) if http == "auto" else context
            rules = self._known[content] = ClientRules(context, single)
        return rules


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
