"""The ClientHello, read before the handshake begins: which name a client asks for decides which rules it gets.

Rules of this room: what keeps a hello from being read is refused here; what a hello offers is judged by OpenSSL, which
gets the same bytes afterwards.  What decides has to mean the same to both, so an extension that comes twice is refused.

RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3 (names), RFC 7301 (ALPN).  Alerts are those that OpenSSL sends.
"""

import re
from ipaddress import ip_address
from typing import Any, Final

LARGEST: Final = 64 << 10  # bytes of a hello with the headers of its records

UNEXPECTED_MESSAGE: Final = 10
RECORD_OVERFLOW: Final = 22
ILLEGAL_PARAMETER: Final = 47
DECODE_ERROR: Final = 50
PROTOCOL_VERSION: Final = 70
UNRECOGNIZED_NAME: Final = 112
NO_APPLICATION_PROTOCOL: Final = 120

_HEADER: Final = 5  # bytes of a record's header
_LONGEST_RECORD: Final = 1 << 14
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_ALPN: Final = 16
_SUPPORTED_VERSIONS: Final = 43
_NAME_SIZE: Final = 255  # as OpenSSL
_MOST_KNOWN: Final = 512  # names, and lists: clients say the same again and again
_LONGEST_KNOWN: Final = 260
_ONE: Final = 1

_LABEL: Final = rb"[a-z0-9_-]{1,63}"
_NAME: Final = re.compile(rb"%b(?:\.%b)*+" % (_LABEL, _LABEL))
_IPV4: Final = re.compile(rb"[0-9]+(?:\.[0-9]+)*+")
_METHOD: Final = re.compile(rb"[A-Za-z-]{1,32}(?: |\Z)")


class HelloError(Exception):
    """There is no handshake with this client; the text says what it does: ``speaks SSL 2``.

    ``alert``: the number of the alert to answer with; ``record``: the same as bytes to send.
    """

    def __init__(self, text: str, alert: int) -> None:
        super().__init__(text)
        self.alert = alert

    @property
    def record(self) -> bytes:
        return b"\x15\x03\x03\x00\x02\x02%c" % self.alert


class Hello:
    """``sni``: the name that the client asks for, in lower case, without a final dot; empty: none, or an IP address.

    ``alpn``      protocols that the client offers, its favourite first
    ``ciphers``   those that it offers, two bytes each
    ``versions``  those that it offers: 0x0304 is TLS 1.3; without the extension, the newest alone
    """

    __slots__ = ("alpn", "ciphers", "sni", "versions")

    def __init__(self, version: int) -> None:
        self.set_up(version)

    def set_up(self, version: int) -> None:
        """What the constructor does."""
        self.sni = b""
        self.alpn: tuple[bytes, ...] = ()
        self.ciphers = b""
        self.versions: tuple[int, ...] = (version,)


def whole_hello(data: bytes) -> Hello | None:
    """The hello, if ``data`` is one record with all of it, as nearly always; ``None``: :class:`HelloReader` has to read
    it.  Raises :class:`HelloError`."""
    size = len(data) - _HEADER
    if size < 4 or size > _LONGEST_RECORD or data[0] != _HANDSHAKE or data[1] != 3 or data[_HEADER] != _CLIENT_HELLO:
        return None
    if data[3] << 8 | data[4] != size or _long(data, _HEADER + 1) != size - 4:
        return None
    return _read(data, _HEADER, len(data))


class HelloReader:
    """Puts a hello together from whatever pieces it arrives in.  Each byte is looked at once.

    ``received``: all bytes so far, which the engine gets once the hello is known.
    """

    __slots__ = ("_message", "_next", "received")

    def __init__(self) -> None:
        self.received = bytearray()
        self._message = bytearray()  # of the handshake, without the headers of records
        self._next = 0  # where the next record begins

    def feed(self, data: bytes) -> Hello | None:
        """``None``: more is needed.  Raises :class:`HelloError`."""
        received = self.received
        received += data
        if not self._next and received:
            _check_start(received)
        while (size := self._record()) >= 0:
            self._message += received[self._next + _HEADER : self._next + _HEADER + size]
            self._next += _HEADER + size
            if self._complete():
                message = bytes(self._message)
                return _read(message, 0, 4 + _long(message, 1))
        return None

    def _record(self) -> int:
        """The size of the next record's content; -1: it is not there yet."""
        received, start = self.received, self._next
        if len(received) < start + _HEADER:
            return -1
        size = received[start + 3] << 8 | received[start + 4]
        if received[start] != _HANDSHAKE:
            raise HelloError("sends something else in the middle of its hello", UNEXPECTED_MESSAGE)
        if received[start + 1] != 3:
            raise HelloError("sends a record of an unknown version", PROTOCOL_VERSION)
        if size > _LONGEST_RECORD:
            raise HelloError("sends a record larger than 16 KB", RECORD_OVERFLOW)
        if size == 0:
            raise HelloError("sends an empty record", UNEXPECTED_MESSAGE)
        if start + _HEADER + size > LARGEST:
            raise HelloError("sends a hello larger than 64 KB", ILLEGAL_PARAMETER)
        return size if len(received) >= start + _HEADER + size else -1

    def _complete(self) -> bool:
        message = self._message
        if message[0] != _CLIENT_HELLO:
            raise HelloError("begins with another message than a hello", UNEXPECTED_MESSAGE)
        if len(message) < 4:
            return False
        size = message[1] << 16 | message[2] << 8 | message[3]
        if size > LARGEST:
            raise HelloError("sends a hello larger than 64 KB", ILLEGAL_PARAMETER)
        return len(message) >= 4 + size


def looks_like_http(data: bytes | bytearray) -> bool:
    """Whether ``data`` begins as a request of HTTP/1 or HTTP/2 without TLS does; one letter will do."""
    return _METHOD.match(data) is not None


def _check_start(received: bytearray) -> None:
    """The first bytes tell what a client speaks, before a record is complete."""
    if received[0] == _HANDSHAKE:
        return
    if looks_like_http(received[:64]):
        raise HelloError("speaks plain HTTP", UNEXPECTED_MESSAGE)
    if received[0] == 21:
        raise HelloError("sends an alert instead of a hello", UNEXPECTED_MESSAGE)
    if received[0] & 0x80 and (len(received) < 3 or received[2] == _CLIENT_HELLO):
        raise HelloError("speaks SSL 2", PROTOCOL_VERSION)
    raise HelloError("does not speak TLS", UNEXPECTED_MESSAGE)


def _read(data: bytes, start: int, end: int) -> Hello:
    """The handshake message from ``start`` to ``end``, perhaps with more of the same record behind it."""
    at = start + 38  # type and size, version, random
    if end < at + 1:
        raise _malformed("ends too early")
    hello = Hello.__new__(Hello)  # in the compiled build this is no call of Python
    hello.set_up(_short(data, start + 4))
    if data[at] > 32:
        raise _malformed("has a session id longer than 32 bytes")
    at += 1 + data[at]
    size = _short(data, at) if at + 2 <= end else 0
    hello.ciphers = data[at + 2 : at + 2 + size]
    at += 2 + size
    at += 1 + data[at] if at < end else 1  # compression
    if at == end:
        return hello  # no extensions, as clients before TLS 1.3 may say it
    if at + 2 > end or at + 2 + _short(data, at) != end:
        raise _malformed("has lengths that do not fit")
    _read_extensions(hello, data, at + 2, end)
    return hello


def _short(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _long(data: bytes, at: int) -> int:
    return data[at] << 16 | data[at + 1] << 8 | data[at + 2]


def _read_extensions(hello: Hello, data: bytes, at: int, end: int) -> None:
    low = 0  # bits of the kinds below 64 that have come
    others: set[int] | None = None
    while at < end:
        if at + 4 > end:
            raise _malformed("has lengths that do not fit")
        kind, size = _short(data, at), _short(data, at + 2)
        at += 4
        if at + size > end:
            raise _malformed("has lengths that do not fit")
        if kind < 64:
            bit = _ONE << kind
            if low & bit:
                raise _twice(kind)
            low |= bit
            if kind == _SERVER_NAME:
                hello.sni = _name_in(data[at : at + size])
            elif kind == _ALPN:
                hello.alpn = _protocols_in(data[at : at + size])
            elif kind == _SUPPORTED_VERSIONS:
                hello.versions = _versions_in(data[at : at + size])
        elif others is None:
            others = {kind}
        elif kind in others:
            raise _twice(kind)
        else:
            others.add(kind)
        at += size


# -- what they say; each is read once, as long as it is known

_names: dict[bytes, bytes] = {}
_protocols: dict[bytes, tuple[bytes, ...]] = {}
_versions: dict[bytes, tuple[int, ...]] = {}


def _name_in(data: bytes) -> bytes:
    known = _names.get(data)
    if known is None:
        known = _read_name(data)
        _keep(_names, data, known)
    return known


def _protocols_in(data: bytes) -> tuple[bytes, ...]:
    known = _protocols.get(data)
    if known is None:
        known = _read_protocols(data)
        _keep(_protocols, data, known)
    return known


def _versions_in(data: bytes) -> tuple[int, ...]:
    known = _versions.get(data)
    if known is None:
        known = _read_versions(data)
        _keep(_versions, data, known)
    return known


def _keep(known: dict[bytes, Any], data: bytes, meaning: object) -> None:
    if len(data) <= _LONGEST_KNOWN:
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[data] = meaning


def _read_name(data: bytes) -> bytes:
    """A list of exactly one host_name; what else was once meant to go there never came (RFC 6066 section 3)."""
    size = len(data)
    if size < 6 or data[2] != 0 or int.from_bytes(data[:2]) != size - 2 or int.from_bytes(data[3:5]) != size - 5:
        raise _malformed("has a server name that is not one host name")
    name = data[5:].lower()
    bare = name.removesuffix(b".")
    if len(name) <= _NAME_SIZE and _NAME.fullmatch(bare):
        return b"" if _IPV4.fullmatch(bare) else bare
    if len(name) <= _NAME_SIZE and _is_address(bare):
        return b""
    raise HelloError("asks for a server name that is not a host name", UNRECOGNIZED_NAME)


def _is_address(name: bytes) -> bool:
    try:
        ip_address(name.decode("ascii").strip("[]"))
    except ValueError:
        return False
    return True


def _read_protocols(data: bytes) -> tuple[bytes, ...]:
    size, at = len(data), 2
    if size < 4 or int.from_bytes(data[:2]) != size - 2:
        raise _malformed("has a list of protocols (ALPN) that is malformed")
    found = []
    while at < size:
        end = at + 1 + data[at]
        if end == at + 1 or end > size:
            raise _malformed("has a list of protocols (ALPN) that is malformed")
        found.append(data[at + 1 : end])
        at = end
    return tuple(found)


def _read_versions(data: bytes) -> tuple[int, ...]:
    if len(data) < 3 or data[0] != len(data) - 1 or data[0] % 2:
        raise _malformed("has a list of versions that is malformed")
    return tuple(data[at] << 8 | data[at + 1] for at in range(1, len(data), 2))


def _twice(kind: int) -> HelloError:
    return HelloError(f"sends a hello that has extension {kind} twice", ILLEGAL_PARAMETER)


def _malformed(text: str) -> HelloError:
    return HelloError(f"sends a hello that {text}", DECODE_ERROR)
