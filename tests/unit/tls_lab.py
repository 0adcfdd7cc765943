"""TLS without sockets, for tests: what rsp has read, and handshakes of its engine with Python's ``ssl``, or with itself."""

import ssl
import tempfile
from pathlib import Path

from rsp.config.routes import Route
from rsp.config.schema import Config, Listener, Settings
from rsp.config.tls import Tls
from rsp.tls.engine import Context, Engine, TlsError
from rsp.tls.hello import Hello, HelloReader
from rsp.tls.material import Chain, Described, Keyring
from tests.certificates import Authority, Issued, authority

_TRUSTED = authority()
TURNS = 8  # of bytes to either side: more than any handshake takes


def chain_of(issued: Issued, *names: str, kind: str = "ecdsa") -> Chain:
    about = Described("site.lua:1", "site.pem", names, "", "", kind, issued.fingerprint, 0, 0)
    return Chain(issued.chain, issued.key(), about)


def chain(*names: str, kind: str = "ecdsa", number: int = 0, by: Authority | None = None) -> Chain:
    """``number``: another one for the same names."""
    return chain_of((by or authority()).issue(*names, kind=kind, number=number), *names, kind=kind)


def config(*routes: Route, tls: Tls | None = None, listeners: tuple[Listener, ...] = ()) -> Config:
    return Config(Settings(tls=tls or Tls()), listeners, (), routes or (Route(to="app"),))


def keyring(*chains: Chain, **authorities: bytes) -> Keyring:
    return Keyring(chains, authorities)


def client(
    trusted: Authority | None = _TRUSTED,
    *,
    shows: Issued | None = None,
    newest: str = "TLSv1_3",
    ciphers: str = "",
    alpn: tuple[str, ...] = (),
) -> ssl.SSLContext:
    """Python's.  ``trusted`` is ``None``: it trusts anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=trusted.pem.decode())
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion[newest]
    if ciphers:
        context.set_ciphers(ciphers)
    context.set_alpn_protocols(list(alpn))
    if shows is not None:
        with tempfile.TemporaryDirectory() as directory:
            context.load_cert_chain(shows.write(Path(directory), "client"))
    return context


def parse(data: bytes) -> Hello | None:
    """The hello at the beginning of ``data``; ``None``: more is needed."""
    return HelloReader().feed(data)


class Client:
    """One connection of Python's client."""

    def __init__(self, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)
        self.ready = False
        self.error: ssl.SSLError | None = None
        self.first = self.step(b"")
        self.hello: Hello = parse(self.first)

    def step(self, data: bytes) -> bytes:
        self._incoming.write(data)
        try:
            if not self.ready:
                self.object.do_handshake()
                self.ready = True
            self.object.read(1)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.error = error  # there is an alert to send
        return self._outgoing.read()

    def shake(self, engine: Engine) -> "Client":
        """The handshake to its end, tickets included.  Raises :class:`TlsError`: what rsp's side says."""
        waiting = self.first
        for _ in range(TURNS):
            engine.open(waiting)
            waiting = self.step(engine.take())
        assert self.ready and engine.ready and self.error is None
        return self

    @property
    def certificate(self) -> bytes:
        """The server's, DER."""
        return self.object.getpeercert(binary_form=True)


def talk(server: Context, far: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None = None) -> Client:
    """A handshake with a client that asks for ``name``."""
    new = Client(far, name, session)
    return new.shake(server.server(new.hello.sni))


def both(server: Engine, near: Engine) -> tuple[TlsError | None, TlsError | None]:
    """A handshake of two of rsp's engines: the errors of the server, of the client."""
    errors: list[TlsError | None] = [None, None]
    said = {0: b"", 1: b""}
    for turn in range(1, 2 * TURNS):
        side, engine = turn % 2, (server, near)[turn % 2]
        try:
            engine.open(said[1 - side])
        except TlsError as error:
            errors[side] = errors[side] or error
        said[side] = engine.take()
        said[1 - side] = b""
    return errors[0], errors[1]
