"""The client's address, and how peers are told of it: X-Forwarded-* or Forwarded (RFC 7239).

From a client that is not trusted the fields are replaced; from a trusted proxy they are appended to, and the last
address in them that is not a trusted proxy's is the client.
"""

import re
from ipaddress import ip_address, ip_network
from typing import Final

from rsp.config.schema import Settings
from rsp.http.message import RequestHead
from rsp.http.names import OWN, fold
from rsp.http.pieces import all_joined
from rsp.http.stream import ClientSession
from rsp.http.values import is_authority

# A name is tried at its first letter only, or a long run of letters would take the square of its length.
_PAIR = re.compile(rb'(?<![A-Za-z])([A-Za-z]++)=("[^"\\]*+"|[^;, \t"]++)')
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]{0,15}")
_ADDRESS = re.compile(rb"[0-9A-Fa-f.:]{2,45}")


_ADDRESS_SIZE: Final = 64  # longer than any address with its zone; bounds what is remembered of them
_KNOWN: Final = 1024


class Forwarded:
    """A configuration's way to tell peers of clients: ``style`` and trusted proxies."""

    def __init__(self, settings: Settings) -> None:
        self.style = settings.forwarded
        self._keep = frozenset(fold(name.encode()) for name in settings.keep_forwarded)
        self._trusted = [ip_network(network) for network in settings.trusted if network != "unix:"]
        self._trusts_unix = "unix:" in settings.trusted
        self._trusts_some = bool(self._trusted) or self._trusts_unix
        self._known: dict[bytes, bool] = {}

    def trusts(self, client: bytes) -> bool:
        """Whether the forwarded fields of a client at this address are to be believed."""
        if not self._trusts_some or len(client) > _ADDRESS_SIZE:
            return False
        known = self._known.get(client)
        if known is None:
            known = self._look_up(client)
            if len(self._known) > _KNOWN:
                self._known.clear()
            self._known[client] = known
        return known

    def _look_up(self, client: bytes) -> bool:
        if client == b"unix:":
            return self._trusts_unix
        try:
            address = ip_address(client.decode("ascii").partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)

    def direct(self, client: bytes, host: bytes, scheme: bytes) -> bytes:
        """Field lines, each with its CRLF, for a client that connected to rsp itself."""
        if self.style == "x-forwarded":
            between, end = b"\r\nX-Forwarded-Host: ", b"\r\n"
            if client == b"unix:":
                return all_joined((b"X-Forwarded-Proto: ", scheme, between, host, end))
            return all_joined((b"X-Forwarded-For: ", client, b"\r\nX-Forwarded-Proto: ", scheme, between, host, end))
        if self.style == "forwarded":
            return b'Forwarded: for=%b;host="%b";proto=%b\r\n' % (_node(client), host, scheme)
        return b""

    def tell(self, session: ClientSession, head: RequestHead) -> tuple[bytes, bytes]:
        """For a request with forwarded fields: the lines that tell a peer of the client, and the client's address."""
        trusted = self.trusts(session.client)
        self.sort_out(head, trusted)
        if trusted:
            return self.through_proxy(session.client, head, session.scheme)
        return session.forwarded, session.client

    def sort_out(self, head: RequestHead, trusted: bool) -> None:
        """Of what another proxy may say of a client, let pass what is to pass, as fields like all others.

        That is everything from a trusted proxy, else what ``keep_forwarded`` names.  What rsp reads and writes itself
        stays apart.
        """
        own: list[bytes] = []
        for line in head.forwarded:
            name = fold(line.partition(b":")[0])
            if name in OWN:
                own.append(line)
            elif trusted or name in self._keep:
                head.fields += line + b"\r\n"
        head.forwarded = own if trusted else []

    def through_proxy(self, client: bytes, head: RequestHead, scheme: bytes) -> tuple[bytes, bytes]:
        """For a request from a trusted proxy: the field lines, and the address of the real client.

        ``scheme``: that of the connection, where the proxy says nothing else.
        """
        chain, elements = _hops(head)
        real = client
        for node in reversed(chain):
            address = _bare(node)
            if not _ADDRESS.fullmatch(address):
                break
            real = address
            if not self.trusts(address):
                break
        told = scheme_told(head, scheme)
        host = _host_told(head)
        if self.style == "x-forwarded":
            return _x_forwarded(chain, client, told, host), real
        if self.style == "forwarded":
            if chain and not elements:
                elements = [b"for=" + _node(_bare(node)) for node in chain]
                elements[-1] += b';host="%b";proto=%b' % (host, told)
            own = self.direct(client, head.host, scheme)
            return (own.replace(b": ", b": " + b", ".join(elements) + b", ", 1) if elements else own), real
        return b"", real

    def x_forwarded(self, session: ClientSession, head: RequestHead) -> bytes:
        """X-Forwarded-For, -Proto and -Host, whatever the configuration sends to peers; after :meth:`tell`."""
        if self.trusts(session.client):
            chain = _hops(head)[0]
            return _x_forwarded(chain, session.client, scheme_told(head, session.scheme), _host_told(head))
        return _x_forwarded([], session.client, session.scheme, head.host)


def _x_forwarded(chain: list[bytes], client: bytes, scheme: bytes, host: bytes) -> bytes:
    hops = [*chain, client] if client != b"unix:" else chain
    lines = [b"X-Forwarded-For: " + b", ".join(hops)] if hops else []
    return b"\r\n".join([*lines, b"X-Forwarded-Proto: " + scheme, b"X-Forwarded-Host: " + host, b""])


def _hops(head: RequestHead) -> tuple[list[bytes], list[bytes]]:
    """The addresses that proxies have told, and the elements of Forwarded."""
    chain = _members(_values(head, b"x-forwarded-for"))
    elements = [value for value in _values(head, b"forwarded") if value.strip(b", \t")]
    if not chain and elements:
        pairs = _PAIR.finditer(b", ".join(elements))
        chain = [match[2].strip(b'"') for match in pairs if match[1].lower() == b"for"]
    return chain, elements


def _host_told(head: RequestHead) -> bytes:
    host = _last(_values(head, b"x-forwarded-host"))
    return host if is_authority(host) else head.host


def scheme_told(head: RequestHead, scheme: bytes) -> bytes:
    """What a trusted proxy says of the scheme, the last that it names; else ``scheme``."""
    told = _last(_values(head, b"x-forwarded-proto")) or _last_pair(_values(head, b"forwarded"), b"proto")
    return told.lower() if _SCHEME.fullmatch(told) is not None else scheme


def _values(head: RequestHead, wanted: bytes) -> list[bytes]:
    """The values of the forwarded fields of that name."""
    found = []
    for line in head.forwarded:
        name, _, value = line.partition(b":")
        if name.lower() == wanted:
            found.append(value.strip(b" \t"))
    return found


def _members(values: list[bytes]) -> list[bytes]:
    """Of lists (RFC 9110 section 5.6.1): empty members count for nothing."""
    parts = [part.strip(b" \t") for value in values for part in value.split(b",")]
    return [part for part in parts if part]


def _last(values: list[bytes]) -> bytes:
    members = _members(values)
    return members[-1].strip(b'"') if members else b""


def _last_pair(values: list[bytes], wanted: bytes) -> bytes:
    """The parameter ``wanted`` of the last element of Forwarded."""
    last = _members(values)[-1:]
    pairs = [match[2].strip(b'"') for part in last for match in _PAIR.finditer(part) if match[1].lower() == wanted]
    return pairs[-1] if pairs else b""


def name_of(authority: bytes) -> bytes:
    """A Host without its port."""
    return authority[: authority.find(b"]") + 1] if authority[:1] == b"[" else authority.partition(b":")[0]


def _node(client: bytes) -> bytes:
    if client == b"unix:":
        return b"_unix"
    if _ADDRESS.fullmatch(client) is None:
        return b"unknown"
    return b'"[%b]"' % client if b":" in client else client


def _bare(node: bytes) -> bytes:
    """An address without the brackets and port that it may come with."""
    if node[:1] == b"[":
        return node[1:].partition(b"]")[0]
    return node.partition(b":")[0] if node.count(b":") == 1 else node
