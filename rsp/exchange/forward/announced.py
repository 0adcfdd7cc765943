"""A client's connection as PROXY headers announce it to peers, and the connections that began with such a header.

Whatever comes on such a connection is taken for that client's.  So it serves the requests of this one client's
connection only, one after the other, and is closed with it.
"""

from typing import Final

from rsp.http.h1.client import PeerConnection
from rsp.http.stream import ClientSession, ClientStream, ProxiedSession
from rsp.net import proxy_header
from rsp.net.proxy_header import Address
from rsp.tls.facts import Facts

_TOLD: Final = (proxy_header.ALPN, proxy_header.AUTHORITY, proxy_header.SSL)  # of TLS: not kept where rsp's own is told


class Announced:
    """``idle``: the connections that wait for its next request.  ``closed``: it has ended."""

    __slots__ = ("_destination", "_headers", "_source", "_tlvs", "closed", "idle")

    def __init__(self, source: Address | None, destination: Address | None, tlvs: bytes) -> None:
        self._source = source
        self._destination = destination
        self._tlvs = tlvs
        self._headers: dict[str, bytes] = {}
        self.idle: list[PeerConnection] = []
        self.closed = False

    def header(self, version: str) -> bytes:
        """With which a connection to a peer begins; ``version``: ``v1`` or ``v2``."""
        made = self._headers.get(version)
        if made is None:
            source, destination = self._source, self._destination
            if version == "v1":
                made = proxy_header.line(source, destination)
            else:
                made = proxy_header.binary(source, destination, self._tlvs)
            self._headers[version] = made
        return made

    def close(self) -> None:
        """The client has left."""
        self.closed = True
        for connection in self.idle[:]:
            connection.close()


class Local(Announced):
    """What rsp asks for itself: hooks' own requests, and what looks whether a peer is there."""

    __slots__ = ()

    def __init__(self) -> None:
        Announced.__init__(self, None, None, b"")

    def header(self, version: str) -> bytes:
        return proxy_header.LOCAL[version]


def announced(session: ClientSession, stream: ClientStream) -> Announced:
    """The connection of ``session``, of which ``stream`` is a request."""
    if session.own is None:
        session.own = {}
    known = session.own.get(Announced)
    if not isinstance(known, Announced):
        known = session.own[Announced] = _announce(session, stream)
    return known


def _announce(session: ClientSession, stream: ClientStream) -> Announced:
    ends, tlvs = stream.ends(), b""
    if isinstance(session, ProxiedSession):
        header = session.header
        if header.source is not None and header.destination is not None:
            ends = header.source, header.destination
        tlvs = header.tlvs
    if session.tls is not None:
        tlvs = _without(tlvs, _TOLD) + _about(session.tls)
    source, destination = ends or (None, None)
    return Announced(source, destination, tlvs)


def _without(tlvs: bytes, kinds: tuple[int, ...]) -> bytes:
    each = proxy_header.each_tlv(tlvs)
    return b"".join(proxy_header.tlv(kind, value) for kind, value in each if kind not in kinds)


def _about(tls: Facts) -> bytes:
    """The TLVs that describe the client's TLS connection with rsp."""
    told = (proxy_header.ALPN, tls.alpn), (proxy_header.AUTHORITY, tls.sni)
    within = (proxy_header.SSL_VERSION, tls.version), (proxy_header.SSL_CIPHER, tls.cipher)
    shown = proxy_header.CLIENT_CERT_CONN | proxy_header.CLIENT_CERT_SESS if tls.verified and tls.certificate else 0
    value = bytes((proxy_header.CLIENT_SSL | shown, 0, 0, 0, 0 if shown else 1)) + _listed(within)  # 0: verified
    return _listed(told) + proxy_header.tlv(proxy_header.SSL, value)


def _listed(pairs: tuple[tuple[int, bytes], ...]) -> bytes:
    return b"".join(proxy_header.tlv(kind, value) for kind, value in pairs if value)
