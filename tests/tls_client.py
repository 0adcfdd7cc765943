"""A client that holds the bytes of its TLS in its own hands: for tests that cut, split and delay them."""

import contextlib
import socket
import ssl

from tests.certificates import authority

GET = b"GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n"


def context(newest: str = "1.3", alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Trusts the tests' authority.  ``newest``: 1.1, 1.2 or 1.3."""
    made = authority().trusted()
    made.maximum_version = ssl.TLSVersion[f"TLSv{newest.replace('.', '_')}"]
    if newest == "1.1":
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.set_ciphers("ALL:@SECLEVEL=0")
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


class Client:
    """``sock``: connected; nothing has been sent yet."""

    def __init__(self, port: int, using: ssl.SSLContext | None = None, name: str | None = "site.example") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        using = using or context()
        using.check_hostname = name is not None
        self.tls = using.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.closed_properly = False

    def step(self) -> bytes:
        """Go on with the handshake by what has arrived; what is to be sent.  Raises :class:`ssl.SSLError`."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def hear(self) -> None:
        """Something arrives."""
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.incoming.write(data)

    def finish(self) -> bytes:
        """The handshake up to the last bytes, which are not sent."""
        while True:
            last = self.step()
            if self.tls.version() is not None and self._done():
                return last
            if last:
                self.sock.sendall(last)
            self.hear()

    def _done(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def shake(self) -> "Client":
        self.sock.sendall(self.finish())
        return self

    def seal(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def leave(self) -> bytes:
        """close_notify"""
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        return self.outgoing.read()

    def send(self, data: bytes) -> None:
        self.sock.sendall(self.seal(data))

    def receive(self) -> bytes:
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
            try:
                self.hear()
            except EOFError:
                return b""

    def drained(self) -> bytes:
        received = bytearray()
        while more := self.receive():
            received += more
        return bytes(received)

    def get(self, request: bytes = GET) -> bytes:
        self.send(request)
        return self.drained()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def records(data: bytes, size: int) -> bytes:
    """The one record of ``data`` as several, of ``size`` bytes each."""
    pieces = [data[at : at + size] for at in range(5, len(data), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2) + piece for piece in pieces)
