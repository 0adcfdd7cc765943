"""Backends that speak TLS, for tests of connections to peers."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from tests.certificates import Issued
from tests.harness import Backend, Handler


class SecureBackend(Backend):
    """``site``: its certificate; ``context``: what sets up more of its side.

    ``handshakes``  counts those that were completed, ``resumed`` those of them that resumed a session
    ``names``       the server names that were asked for; ``failures``: why handshakes failed
    ``clients``     subjects of the certificates that clients have shown
    ``raw``         what to do with a connection in the place of a handshake
    """

    def __init__(
        self,
        directory: Path,
        site: Issued,
        handler: Handler | None = None,
        *,
        context: Callable[[ssl.SSLContext], object] = lambda context: None,
        **options: object,
    ) -> None:
        self.handshakes = self.resumed = 0
        self.names: list[str | None] = []
        self.failures: list[str] = []
        self.clients: list[str] = []
        self.raw: Callable[[socket.socket], None] | None = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(site.write(directory, f"peer-{site.fingerprint[:12]}"))
        self._context.sni_callback = lambda _, name, __: self.names.append(name)
        context(self._context)
        super().__init__(handler, **options)

    def _serve(self, connection: socket.socket) -> None:
        if self.raw is not None:
            try:
                self.raw(connection)
            except OSError:
                pass
            finally:
                connection.close()
                self.open.discard(connection)
            return
        connection.settimeout(60)
        try:
            secure = self._context.wrap_socket(connection, server_side=True)
        except (OSError, ValueError) as error:
            self.failures.append(str(error))
            connection.close()
            self.open.discard(connection)
            return
        self.handshakes += 1
        self.resumed += bool(secure.session_reused)
        certificate = secure.getpeercert()
        if certificate:
            self.clients.append(dict(pair for part in certificate["subject"] for pair in part)["commonName"])
        self.open.discard(connection)
        self.open.add(secure)
        super()._serve(secure)


def plain_http(connection: socket.socket) -> None:
    """What a backend without TLS answers to a ClientHello."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
