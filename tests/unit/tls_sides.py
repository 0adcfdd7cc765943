"""Both sides of a TLS connection without sockets: engines, Python's own connections, and the contexts for them."""

import _ssl
import ctypes
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from rsp.tls import engine
from rsp.tls.engine import Context, Engine
from tests.certificates import authority

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
CA = authority()
SITE = ("example.com", "127.0.0.1", "::1")
SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"

needs_complete = pytest.mark.skipif(not engine.COMPLETE, reason="needs the compiled engine")


class Maker:
    """Contexts of Python's ``ssl``, from which both engines and independent connections are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def server(self, version: str = "", kind: str = "ecdsa", ca=None, optional=False, number=0):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CA.issue(*SITE, kind=kind, number=number).write(self.folder, f"{kind}-{number}"))
        context.set_alpn_protocols(["http/1.1"])
        if ca is not None:
            context.load_verify_locations(cadata=ca.pem.decode())
            context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
        return self._of(context, version)

    def client(self, version: str = "", ca=CA, own=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca.pem.decode())
        context.set_alpn_protocols(["http/1.1"])
        if own is not None:
            context.load_cert_chain(own.write(self.folder, f"own-{own.fingerprint[:8]}"))
        return self._of(context, version)

    def _of(self, context: ssl.SSLContext, version: str) -> ssl.SSLContext:
        context.set_ciphers(SUITES)
        if version:
            context.minimum_version = context.maximum_version = VERSIONS[version]
        return context


class Stock:
    """Python's own connection, with the methods of an engine: an independent other side.

    :meth:`call` reaches what Python does not offer, in the library that it has loaded.
    """

    def __init__(self, context: ssl.SSLContext, *, server: bool, session=None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else "example.com"
        self.object = context.wrap_bio(self._in, self._out, server, name, session)
        self.ready = self.ended = False

    def open(self, data: bytes) -> bytes:
        self._in.write(data)
        pieces = []
        try:
            if not self.ready:
                self.object.do_handshake()
                self.ready = True
            while piece := self.object.read(1 << 20):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)

    def call(self, function: str, *arguments: object, result: type = ctypes.c_int) -> int:
        """``SSL *`` is the second field of Python's connections."""
        handle = ctypes.c_void_p.from_address(id(self.object._sslobj) + object.__basicsize__ + 8)
        called = getattr(ctypes.CDLL(_ssl.__file__), function)
        called.restype = result
        return called(handle, *arguments)

    def take(self) -> bytes:
        return self._out.read()

    def finish(self) -> None:
        """As browsers end: else OpenSSL takes the session for a bad one."""
        try:
            self.object.unwrap()
        except ssl.SSLError:
            pass

    def seal(self, data: bytes) -> bytes:
        view = memoryview(data)
        while view:
            view = view[self.object.write(view) :]
        return self._out.read()


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def shake(client, server, size: int = 1 << 20) -> bytes:
    """Until nothing is left to be said, in pieces of ``size``; gives plaintext that came along for the client."""
    client.open(b"")
    early = b""
    for _ in range(10):
        said, answered = client.take(), b""
        for piece in cut(said, size):
            server.open(piece)
        answered = server.take()
        for piece in cut(answered, size):
            early += client.open(piece)
        if client.ready and server.ready and not answered:
            return early
    raise AssertionError("the handshake does not end")


def pair(make: Maker, version: str = "", **about) -> tuple[Engine, Engine]:
    client = Context(make.client(version)).client("example.com", None)
    server = Context(make.server(version, **about)).server(b"example.com")
    shake(client, server)
    return client, server
