"""What the PROXY header of a client's connection says, for placeholders and hooks."""

from collections.abc import Callable
from typing import Final

from rsp.exchange.subject import Subject
from rsp.http.stream import ProxiedSession
from rsp.net import proxy_header
from rsp.net.proxy_header import Address, ProxyHeader

_TLV: Final = b"tlv_0x"
_READERS: Final[dict[bytes, Callable[[ProxyHeader], object]]] = {
    b"source": lambda header: _joined(header.source),
    b"destination": lambda header: _joined(header.destination),
    b"alpn": lambda header: header.value(proxy_header.ALPN),
    b"authority": lambda header: header.value(proxy_header.AUTHORITY),
    b"unique_id": lambda header: header.value(proxy_header.UNIQUE_ID),
    b"ssl_version": lambda header: header.ssl(proxy_header.SSL_VERSION),
    b"ssl_cipher": lambda header: header.ssl(proxy_header.SSL_CIPHER),
    b"ssl_cn": lambda header: header.ssl(proxy_header.SSL_CN),
    b"ssl_verified": lambda header: header.verified,
}


def proxy_seen(exchange: Subject, name: bytes) -> object:
    """``req.proxy[name]``; ``None``: there is none.  The names stand in objects.lua."""
    session = exchange.session
    if not isinstance(session, ProxiedSession):
        return None
    if name == b"address":
        return session.proxy
    if name.startswith(_TLV):
        return session.header.value(int(name[len(_TLV) :], 16))
    return _READERS[name](session.header)


def proxy_told(exchange: Subject, name: str) -> bytes:
    """What the placeholder ``{proxy.NAME}`` stands for; empty: nothing.  What is no text is written as hexadecimal
    digits: no byte that a field cannot have comes from a header."""
    found = proxy_seen(exchange, name.partition(".")[2].encode())
    if not isinstance(found, bytes):
        return b"true" if found is True else b""
    return found if found.isascii() and found.decode("ascii").isprintable() else found.hex().encode()


def _joined(address: Address | None) -> bytes | None:
    if address is None:
        return None
    host, port = address
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()
