"""Both ends of a TLS connection for tests: ours with rsp's engine, the far one with Python's ``ssl``."""

import asyncio
import contextlib
import socket
import ssl

from rsp.config.tls import Tls
from rsp.net.secure import TlsTransport
from rsp.tls.contexts import profile_of, server_context
from rsp.tls.engine import Context, Engine
from rsp.tls.material import Chain, Described
from tests.certificates import authority
from tests.unit.test_net import LIMIT, Owner

NAME = "site.example"


def chain() -> Chain:
    site = authority().issue(NAME)
    about = Described("site.lua:1", "site.pem", (NAME,), "", "", "ecdsa", site.fingerprint, 0, 0)
    return Chain(site.chain, site.key(), about)


def ours(version: str | None = None) -> Context:
    """For clients."""
    return server_context([chain()], profile_of(Tls(min=version)), None)


def trusting(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = authority().trusted()
    context.maximum_version = version
    return context


class Far:
    """The other end of ``sock``, which does not block."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or trusting()).wrap_bio(self.incoming, self.outgoing, server_hostname=NAME)
        self.closed_properly = False

    def shake(self, engine: Engine) -> None:
        """The handshake, without the socket."""
        for _ in range(10):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            engine.open(self.outgoing.read())
            said = engine.take()
            self.incoming.write(said)
            if engine.ready and not said:
                return
        raise AssertionError("no handshake")

    def seal(self, data: bytes) -> bytes:
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        return self.outgoing.read()

    def leave(self) -> bytes:
        """close_notify"""
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        return self.outgoing.read()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self, most: int = 100_000) -> bytes:
        """Some plaintext; empty at the end."""
        while True:
            try:
                found = self.tls.read(1 << 20)
                self.closed_properly = not found
                return found
            except ssl.SSLZeroReturnError:  # after leave()
                self.closed_properly = True
                return b""
            except ssl.SSLWantReadError:
                pass
            data = await asyncio.get_running_loop().sock_recv(self.sock, most)
            if not data:
                return b""
            self.incoming.write(data)

    async def drained(self) -> bytes:
        received = bytearray()
        while more := await self.receive():
            received += more
        return bytes(received)


@contextlib.contextmanager
def secured(poller, *, keep_open=False, exact=False, version=ssl.TLSVersion.TLSv1_3):
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    owner, end = Owner(keep_open), Far(far, trusting(version))
    engine = ours().server(NAME.encode())
    end.shake(engine)
    owner.transport = TlsTransport(poller, near.detach())
    owner.transport.secure(engine, exact)
    owner.transport.begin(owner, LIMIT)
    with far:
        yield owner, end
    owner.transport.abort()
