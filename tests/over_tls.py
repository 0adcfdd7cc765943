"""The tests' own clients over TLS: ``make test-tls``, which sets RSP_TEST_TLS to the version, 1.2 or 1.3.

Each listener at ``{port}`` gets ``tls = true``, and a socket that connects to such a port speaks TLS from then on.
Otherwise it is the same socket: half-close (close_notify and FIN), RST, buffers and source address are the test's.
An end without close_notify is an error, unless the test says that it expects one (:func:`may_be_cut`).
"""

import asyncio
import atexit
import os
import re
import shutil
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from tests.certificates import authority
from tests.ports import speaking_tls

VERSION = os.environ.get("RSP_TEST_TLS", "")
SCHEME = "https" if VERSION else "http"

_cut = False


def not_over_tls(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(VERSION != "", reason=f"over TLS: {reason}")


@contextmanager
def may_be_cut() -> Iterator[None]:
    """In here an end without close_notify counts as an end."""
    global _cut
    before, _cut = _cut, True
    yield
    _cut = before


@cache
def _bundle() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="rsp-tls-"))
    atexit.register(shutil.rmtree, directory)
    directory.chmod(0o755)
    return authority().issue("localhost", "127.0.0.1").write(directory, "site")


@cache
def _context() -> ssl.SSLContext:
    context = authority().trusted()
    context.check_hostname = False
    context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{VERSION.replace('.', '_')}"]
    return context


def secured(text: str, port: int) -> str:
    """The configuration ``text`` with TLS where it listens at ``{port}``."""
    if not VERSION:
        return text
    listener = r'(\blisten\s*"[^"]*\{port\}")(\s*\{)?'
    found, count = re.subn(listener, lambda it: it[1] + (" { tls = true, " if it[2] else " { tls = true }"), text)
    if not count:
        return text
    speaking_tls.add(port)
    return f'certificate {{ "{_bundle()}" }} ' + found


class Client(socket.socket):
    """A socket that speaks TLS once it is connected to one of those ports."""

    _tls: ssl.SSLObject | None = None

    def connect(self, address: object) -> None:
        super().connect(address)
        if isinstance(address, tuple) and address[1] in speaking_tls and self.gettimeout() != 0:
            self._shake_hands()

    def _shake_hands(self) -> None:
        self._lock = threading.Lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._unsent = self._plain = b""
        tls = _context().wrap_bio(self._incoming, self._outgoing, False)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                super().sendall(self._outgoing.read())
                data = super().recv(65536)
                if not data:
                    raise ConnectionResetError("rsp has ended the handshake") from None
                self._incoming.write(data)
        super().sendall(self._outgoing.read())
        self._tls = tls

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._tls is None:
            return super().recv(size, flags)
        while True:
            with self._lock:
                if self._plain:
                    found, self._plain = self._plain[:size], self._plain[size:]
                    return found
                try:
                    return self._tls.read(size)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
            data = super().recv(65536)
            if not data:
                if _cut:
                    return b""
                raise ssl.SSLEOFError("the connection has ended without close_notify")
            with self._lock:
                self._incoming.write(data)

    def recv_into(self, buffer: object, size: int = 0, flags: int = 0) -> int:
        if self._tls is None:
            return super().recv_into(buffer, size, flags)
        view = memoryview(buffer).cast("B")
        found = self.recv(size or len(view))
        view[: len(found)] = found
        return len(found)

    def sendall(self, data: bytes, flags: int = 0) -> None:
        if self._tls is None:
            super().sendall(data, flags)
            return
        with self._lock:
            self._tls.write(data)
            sealed = self._unsent + self._outgoing.read()
            self._unsent = b""
        super().sendall(sealed)

    def send(self, data: bytes, flags: int = 0) -> int:
        """One record at most; what the kernel does not take of it is sent with the next."""
        if self._tls is None:
            return super().send(data, flags)
        if self._unsent:
            self._unsent = self._unsent[super().send(self._unsent) :]
            if self._unsent:
                raise BlockingIOError
        part = memoryview(data)[:16384]
        with self._lock:
            self._tls.write(part)
            self._unsent = self._outgoing.read()
        with suppress(BlockingIOError):
            self._unsent = self._unsent[super().send(self._unsent) :]
        return len(part)

    def _say_goodbye(self, flags: int = 0) -> None:
        """close_notify; what has arrived before it stays to be read."""
        assert self._tls is not None
        with self._lock, suppress(ssl.SSLError):
            with suppress(ssl.SSLError):
                while piece := self._tls.read(65536):
                    self._plain += piece
            self._tls.unwrap()
        with suppress(OSError):
            super().send(self._unsent + self._outgoing.read(), flags)
        self._unsent = b""

    def shutdown(self, how: int) -> None:
        if self._tls is not None and how != socket.SHUT_RD:
            self._say_goodbye()
        super().shutdown(how)

    def close(self) -> None:
        if self._tls is not None and self.fileno() >= 0 and not self._resets():
            self._say_goodbye(socket.MSG_DONTWAIT)
        super().close()

    def _resets(self) -> bool:
        """Whether the test wants RST."""
        return struct.unpack("ii", self.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)


def install() -> None:
    socket.socket = Client
    plain = asyncio.open_connection

    async def open_connection(host: object = None, port: object = None, **options: object) -> object:
        if port in speaking_tls:
            options["ssl"] = _context()
        return await plain(host, port, **options)

    asyncio.open_connection = open_connection


if VERSION:
    install()
