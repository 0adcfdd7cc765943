"""TLS handshakes with peers."""

from collections.abc import Callable

from rsp.net.secure import NEVER_FULL, TlsTransport
from rsp.net.transport import Protocol
from rsp.tls.engine import Engine, TlsError
from rsp.tls.words import of_peer

Done = Callable[[TlsTransport | None, str], None]


class ClientHandshake(Protocol):
    """A connection until its handshake is complete.

    Calls ``done`` once: ``done(transport, "")`` hands a connection over that is secure; ``done(None, reason)`` says why
    there is none.  ``name``: what its certificate has to be for.
    """

    __slots__ = ("_done", "_engine", "_name", "_secure")

    def __init__(self, transport: TlsTransport, engine: Engine, name: str, done: Done) -> None:
        self._engine = engine
        self._name = name
        self._done: Done | None = done
        self._secure = transport
        self.transport = transport
        transport.begin(self, NEVER_FULL)
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        engine, transport = self._engine, self._secure
        if self._done is None:
            return
        try:
            plaintext = engine.open(data)
        except TlsError as error:
            self._say()
            self._end(of_peer(error, self._name, data))
            return
        self._say()
        if engine.ready and not transport.closing:
            done, self._done = self._done, None
            transport.secure(engine, True)
            done(transport, "")
            transport.deliver(plaintext)
        elif engine.ended:
            self._end("closed the connection during the TLS handshake")

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: OSError | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            what = "reset" if error else "closed"
            done(None, f"{what} the connection during the TLS handshake")

    def cancel(self, reason: str) -> None:
        """Give up, unless it is done."""
        self._end(reason)

    def _end(self, reason: str) -> None:
        done, self._done = self._done, None
        self._secure.close()
        if done is not None:
            done(None, reason)

    def _say(self) -> None:
        said = self._engine.take()
        if said:
            self._secure.write(said)
