"""The header of the PROXY protocol, versions 1 and 2: what a proxy says of the connection that it passes on.

Rules of this room: bytes in, bytes out, no sockets, nothing of a configuration.  Everything that is read is bounded:
a line of version 1 by 107 bytes (specification, section 2.1), a header of version 2 by ``MOST``.

The specification: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

import re
import socket
import struct
from collections.abc import Iterator
from functools import cache
from typing import Final

MOST: Final = 16 << 10  # bytes of a header; HAProxy takes as many, nginx 4 KB
SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
ALPN: Final = 0x01
AUTHORITY: Final = 0x02
CRC32C: Final = 0x03
NOOP: Final = 0x04
UNIQUE_ID: Final = 0x05
SSL: Final = 0x20
SSL_VERSION: Final = 0x21  # these four within SSL
SSL_CN: Final = 0x22
SSL_CIPHER: Final = 0x23
CLIENT_SSL: Final = 0x01  # bits of SSL's first byte
CLIENT_CERT_CONN: Final = 0x02
CLIENT_CERT_SESS: Final = 0x04

# For a connection that a proxy makes for itself; version 1 has no word for it but UNKNOWN.
LOCAL: Final = {"v1": b"PROXY UNKNOWN\r\n", "v2": SIGNATURE + b"\x20\x00\x00\x00"}

Address = tuple[str, int]

_V1: Final = b"PROXY "
_LONGEST_LINE: Final = 107
_FIXED: Final = 16  # bytes of version 2 before the addresses
_HEAD: Final = struct.Struct(">BBH")
_TLV: Final = struct.Struct(">BH")
_TCP: Final = {
    0x11: (socket.AF_INET, struct.Struct(">4s4sHH")),
    0x21: (socket.AF_INET6, struct.Struct(">16s16sHH")),
}
# Bytes of addresses, by family; those that are not of TCP are not used.
_SIZES: Final = {0x00: 0, 0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216}
_FAMILIES: Final = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6}
_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")
_MAPPED: Final = "::ffff:"


class ProxyError(ValueError):
    """What has come is no valid header.  ``str(error)`` is a clause that follows the name of the other side."""


class ProxyHeader:
    """``source``, ``destination``: of the client's connection; ``None``: what the socket says holds.

    ``tlvs``: what version 2 adds, as it came, without checksum and padding.
    """

    __slots__ = ("destination", "source", "tlvs")

    def __init__(self, source: Address | None, destination: Address | None, tlvs: bytes = b"") -> None:
        self.source = source
        self.destination = destination
        self.tlvs = tlvs

    def value(self, kind: int) -> bytes | None:
        """Of the first TLV of this kind."""
        return _first(self.tlvs, kind) if self.tlvs else None

    def ssl(self, kind: int) -> bytes | None:
        """Of the first TLV of this kind within the one that describes the client's TLS."""
        found = self.value(SSL)
        return _first(found[5:], kind) if found is not None else None

    @property
    def client_ssl(self) -> int:
        """How the client has reached the proxy: bits such as ``CLIENT_SSL``; 0: not over TLS, as far as is known."""
        found = self.value(SSL)
        return found[0] if found is not None else 0

    @property
    def verified(self) -> bool:
        """Whether the client has shown a certificate to the proxy, which has verified it."""
        found = self.value(SSL)
        return found is not None and bool(found[0] & (CLIENT_CERT_CONN | CLIENT_CERT_SESS)) and not any(found[1:5])


def read_header(data: bytes) -> tuple[ProxyHeader, int] | None:
    """The header that ``data`` begins with, and its size; ``None``: it has not come whole.

    Raises :class:`ProxyError` as soon as it cannot become one.
    """
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _read_binary(data)
    if data[: len(_V1)] == _V1[: len(data)]:
        return _read_line(data)
    raise ProxyError("began without a PROXY header")


def line(source: Address | None, destination: Address | None) -> bytes:
    """A header of version 1.  ``None``: the client's address is not known."""
    if source is None or destination is None:
        return LOCAL["v1"]
    hosts, is_v6 = _same_family(source[0], destination[0])
    family = "TCP6" if is_v6 else "TCP4"
    return f"PROXY {family} {hosts[0]} {hosts[1]} {source[1]} {destination[1]}\r\n".encode()


def binary(source: Address | None, destination: Address | None, tlvs: bytes = b"") -> bytes:
    """A header of version 2.  ``None``: the client's address is not known."""
    if source is None or destination is None:
        return SIGNATURE + _HEAD.pack(0x21, 0x00, len(tlvs)) + tlvs
    hosts, is_v6 = _same_family(source[0], destination[0])
    family, addresses = _TCP[0x21 if is_v6 else 0x11]
    packed = (socket.inet_pton(family, host) for host in hosts)
    body = addresses.pack(*packed, source[1], destination[1]) + tlvs
    return SIGNATURE + _HEAD.pack(0x21, 0x21 if is_v6 else 0x11, len(body)) + body


def tlv(kind: int, value: bytes) -> bytes:
    return _TLV.pack(kind, len(value)) + value


def each_tlv(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Raises :class:`ProxyError`."""
    at = 0
    while at < len(data):
        if len(data) - at < _TLV.size:
            raise ProxyError("sent a PROXY header with a TLV that is cut off")
        kind, size = _TLV.unpack_from(data, at)
        at += _TLV.size
        if len(data) - at < size:
            raise ProxyError("sent a PROXY header with a TLV that is longer than the header")
        yield kind, data[at : at + size]
        at += size


# -- version 1


def _read_line(data: bytes) -> tuple[ProxyHeader, int] | None:
    end = data.find(b"\n", 0, _LONGEST_LINE)
    if end < 0:
        if len(data) >= _LONGEST_LINE:
            raise ProxyError(f"sent a line of the PROXY protocol of more than {_LONGEST_LINE} bytes")
        return None
    if data[end - 1 : end] != b"\r":
        raise ProxyError("sent a line of the PROXY protocol that does not end with CRLF")
    words = data[: end - 1].split(b" ")
    if words[1] == b"UNKNOWN":  # whatever follows is to be ignored
        return ProxyHeader(None, None), end + 1
    family = _FAMILIES.get(words[1])
    if family is None or len(words) != 6:
        raise ProxyError("sent a line of the PROXY protocol that is not valid")
    hosts = [_host(family, word) for word in words[2:4]]
    ports = [_port(word) for word in words[4:]]
    return ProxyHeader((hosts[0], ports[0]), (hosts[1], ports[1])), end + 1


def _host(family: socket.AddressFamily, word: bytes) -> str:
    try:
        return _text(family, socket.inet_pton(family, word.decode("ascii")))
    except (OSError, ValueError):
        raise ProxyError("sent a line of the PROXY protocol with an address that is not valid") from None


def _port(word: bytes) -> int:
    if _PORT.fullmatch(word) is None or int(word) > 65535:
        raise ProxyError("sent a line of the PROXY protocol with a port that is not valid")
    return int(word)


# -- version 2


def _read_binary(data: bytes) -> tuple[ProxyHeader, int] | None:
    if len(data) > 12:
        _check_command(data[12])
    if len(data) < _FIXED:
        return None
    command, family, size = _HEAD.unpack_from(data, 12)
    size += _FIXED
    if size > MOST:
        raise ProxyError(f"announced a PROXY header of {size} bytes; {MOST} are the most")
    if len(data) < size:
        return None
    body = data[_FIXED:size]
    if command == 0x20:  # LOCAL: whatever follows is to be discarded
        return ProxyHeader(None, None), size
    if family not in _SIZES:
        raise ProxyError(f"sent a PROXY header of an unknown family (0x{family:02x})")
    if len(body) < _SIZES[family]:
        raise ProxyError("sent a PROXY header that is too short for its addresses")
    source = destination = None
    if family in _TCP:
        kind, addresses = _TCP[family]
        first, second, *ports = addresses.unpack_from(body)
        source, destination = (_text(kind, first), ports[0]), (_text(kind, second), ports[1])
    return ProxyHeader(source, destination, _checked(body[_SIZES[family] :], data[:size])), size


def _check_command(byte: int) -> None:
    if byte >> 4 != 2:
        raise ProxyError(f"sent a PROXY header of version {byte >> 4}; 1 and 2 are known")
    if byte & 15 > 1:
        raise ProxyError(f"sent a PROXY header with an unknown command ({byte & 15})")


def _checked(tlvs: bytes, header: bytes) -> bytes:
    """``tlvs`` of ``header`` without checksum and padding.  Raises :class:`ProxyError`."""
    kept: list[bytes] = []
    at = len(header) - len(tlvs)
    is_checked = False
    for kind, value in each_tlv(tlvs):
        at += _TLV.size
        if kind == CRC32C:
            if is_checked:  # each costs a pass over the whole header
                raise ProxyError("sent a PROXY header with two checksums")
            is_checked = True
            if len(value) != 4 or crc32c(header[:at] + bytes(4) + header[at + 4 :]) != int.from_bytes(value):
                raise ProxyError("sent a PROXY header with a wrong checksum")
        elif kind != NOOP:
            kept.append(tlv(kind, value))
        if kind == SSL:
            if len(value) < 5:
                raise ProxyError("sent a PROXY header with a TLV that is cut off")
            for _ in each_tlv(value[5:]):
                pass
        at += len(value)
    return b"".join(kept)


def _first(tlvs: bytes, kind: int) -> bytes | None:
    return next((value for found, value in each_tlv(tlvs) if found == kind), None)


# -- addresses


def _text(family: socket.AddressFamily, packed: bytes) -> str:
    """As clients' addresses are written everywhere in rsp: an IPv4 address that is mapped into IPv6 is one of IPv4."""
    host = socket.inet_ntop(family, packed)
    return host[len(_MAPPED) :] if host.startswith(_MAPPED) and "." in host else host


def _same_family(*hosts: str) -> tuple[list[str], bool]:
    """The addresses without zones, and whether they are of IPv6: one of IPv4 is mapped where the other is not."""
    plain = [host.partition("%")[0] for host in hosts]
    plain = [host[len(_MAPPED) :] if host.startswith(_MAPPED) and "." in host else host for host in plain]
    is_v6 = any(":" in host for host in plain)
    return [host if not is_v6 or ":" in host else _MAPPED + host for host in plain], is_v6


# -- checksum


@cache
def _table() -> list[int]:
    """Made when the first checksum comes."""
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


def crc32c(data: bytes) -> int:
    """RFC 3720 appendix B.4.  0.1 us a byte, and few proxies send one."""
    table, value = _table(), 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF
