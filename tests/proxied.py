"""The PROXY protocol in tests: headers as another implementation writes and reads them (PyPI ``proxy-protocol``)."""

import socket
import ssl
from ipaddress import ip_address

from proxyprotocol import ProxyProtocol
from proxyprotocol.result import ProxyResult, ProxyResultIPv4, ProxyResultIPv6, ProxyResultLocal, ProxyResultUnknown
from proxyprotocol.tlv import ProxyProtocolTLV
from proxyprotocol.v1 import ProxyProtocolV1
from proxyprotocol.v2 import ProxyProtocolV2

from tests.harness import Backend

CODECS: dict[str, ProxyProtocol] = {"v1": ProxyProtocolV1(), "v2": ProxyProtocolV2()}


def header(
    version: str, source: str = "192.0.2.7", destination: str = "198.51.100.1", tlv: ProxyProtocolTLV | None = None
) -> bytes:
    kind = ProxyResultIPv6 if ":" in source else ProxyResultIPv4
    more = {} if tlv is None else {"tlv": tlv}
    found = kind((ip_address(source), 4711), (ip_address(destination), 443), protocol=socket.SOCK_STREAM, **more)
    return CODECS[version].pack(found)


LOCAL = CODECS["v2"].pack(ProxyResultLocal())
UNKNOWN = CODECS["v1"].pack(ProxyResultUnknown())


def read_from(connection: socket.socket) -> tuple[str, ProxyResult]:
    """The header that a connection begins with, and its version; nothing behind it is read.  Raises OSError."""
    start = _exactly(connection, 15)  # as long as the shortest line of version 1
    if start.startswith(b"\r\n"):
        start += _exactly(connection, 1)
        return "v2", CODECS["v2"].unpack(start + _exactly(connection, int.from_bytes(start[14:16])))
    while not start.endswith(b"\n"):
        start += _exactly(connection, 1)
    return "v1", CODECS["v1"].unpack(start)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the header ends early")
        data += more
    return data


class ProxyBackend(Backend):
    """Its connections begin with a PROXY header; ``headers``: of each, with its version, in their order.

    It answers with the head that it was sent, between the number of the connection and its own name.  ``tls``: spoken after the header.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, **options: object) -> None:
        self.headers: list[tuple[str, ProxyResult]] = []
        self.numbers: dict[int, int] = {}
        self._tls = tls
        super().__init__(self._say, **options)

    def _serve(self, connection: socket.socket) -> None:
        number = -1
        try:
            connection.settimeout(60)
            found = read_from(connection)
            number = len(self.headers)
            self.headers.append(found)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
        except (OSError, ssl.SSLError):
            connection.close()
            self.open.discard(connection)
            return
        self.open.add(connection)
        self.numbers[id(connection)] = number
        super()._serve(connection)

    def _say(self, connection: socket.socket, head: bytes, rest: bytes) -> bool:
        if b" /leave " in head:
            return False
        body = b"%d\r\n%b%b" % (self.numbers[id(connection)], head, self.name.encode())
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    def sources(self) -> list[str | None]:
        """The clients that the headers name, without ports."""
        return [str(found.source[0]) if found.source is not None else None for _, found in self.headers]
