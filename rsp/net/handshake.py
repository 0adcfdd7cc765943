"""TLS handshakes of clients, which wait for their turn; ``peer_handshake.py`` has those with peers.

A handshake costs as much CPU as fifty requests.  So a client's is done in steps, each when its turn comes, and between
two of them established connections have theirs.  What has been begun comes first, then whatever came first.
"""

from typing import Final

from rsp.http.limits import Limits
from rsp.ipc.worker_cells import HANDSHAKE_FAILURES, HANDSHAKES, RESUMED
from rsp.logs import log
from rsp.net.calls import monotonic
from rsp.net.context import WorkerContext
from rsp.net.poller import IN, Watched
from rsp.net.proxy_header import ProxyHeader
from rsp.net.secure import NEVER_FULL, TlsTransport
from rsp.net.session import SecureService, Session
from rsp.net.transport import Protocol
from rsp.tls.contexts import ContextError
from rsp.tls.engine import Engine, TlsError
from rsp.tls.facts import Facts
from rsp.tls.hello import Hello, HelloError, HelloReader, looks_like_http, whole_hello
from rsp.tls.names import ServerNames
from rsp.tls.words import of_client

_SHARE: Final = 0.002  # of a turn of the loop, in seconds, with what comes between the steps
_PAUSE: Final = 0.0002  # seconds of steps, then established connections have their turn
_MOST_QUEUED: Final = 4096  # two seconds of work; clients that come later would have left by then
_BUFFER: Final = 64 << 10  # bytes that wait for a step
_GRACE: Final = 1.0
_INTERNAL_ERROR: Final = b"\x15\x03\x03\x00\x02\x02\x50"  # an alert


class Line:
    """Handshakes that wait, linked through themselves; whichever comes first is the first to go."""

    __slots__ = ("_first", "_last", "size")

    def __init__(self) -> None:
        self._first: ServerHandshake | None = None
        self._last: ServerHandshake | None = None
        self.size = 0

    def add(self, handshake: "ServerHandshake") -> None:
        if self._last is None:
            self._first = handshake
        else:
            self._last.behind = handshake
        self._last = handshake
        self.size += 1

    def take(self) -> "ServerHandshake | None":
        first = self._first
        if first is not None:
            self._first, first.behind = first.behind, None
            if self._first is None:
                self._last = None
            self.size -= 1
        return first


class Handshakes(Watched):
    """Those of one worker's clients.  ``names``: what is in force for those that begin now.  ``former``: by listener,
    what was in force where there is no TLS any more, for clients that have connected before."""

    __slots__ = ("_begun", "_due", "_fresh", "_running", "context", "former", "names", "service")

    def __init__(self, context: WorkerContext, service: SecureService, names: ServerNames | None = None) -> None:
        Watched.__init__(self, -1)
        self.context = context
        self.service = service
        self.names = names
        self.former: dict[str, ServerNames] = {}
        self._begun = Line()
        self._fresh = Line()
        self._running: ServerHandshake | None = None
        self._due = False  # a turn

    def accept(
        self, transport: TlsTransport, client: bytes, listener: str, proxied: ProxyHeader | None = None
    ) -> None:  # fmt: skip
        """A new connection; ``proxied``: it began with this."""
        handshake = ServerHandshake.__new__(ServerHandshake)  # in the compiled build this is no call of Python
        handshake.set_up(self, transport, self.service.session(client, listener, proxied))
        if not transport.closing:
            transport.ready(IN)  # the hello has arrived, nearly always

    def queue(self, handshake: "ServerHandshake", begun: bool) -> bool:
        """Run a step of ``handshake`` when its turn comes; whether there is room."""
        if begun:
            self._begun.add(handshake)
        elif self._fresh.size < _MOST_QUEUED:
            self._fresh.add(handshake)
        else:
            return False
        if not self._due:
            self._due = True
            self.context.poller.soon(self)
        return True

    def turn(self) -> None:
        now = monotonic()
        give_up, pause = now + _SHARE, now + _PAUSE
        poller = self.context.poller
        while (running := self._next()) is not None:
            self._running = running
            running.step()
            self._running = None
            now = monotonic()
            if now >= give_up:
                break
            if now >= pause or not self._waiting():
                poller.look()
                pause = monotonic() + _PAUSE
        self._go_on()

    def _next(self) -> "ServerHandshake | None":
        first = self._begun.take()
        return first if first is not None else self._fresh.take()

    def _waiting(self) -> bool:
        return self._begun.size > 0 or self._fresh.size > 0

    def _go_on(self) -> None:
        self._due = self._waiting()
        if self._due:
            self.context.poller.again(self)

    def broken(self) -> None:
        """The one that ran is dropped; the others go on."""
        running, self._running = self._running, None
        if running is not None:
            running.transport.abort()
        self._go_on()


class ServerHandshake(Protocol):
    """A client's connection until its handshake is complete.  ``behind``: the next one in its :class:`Line`."""

    __slots__ = (
        "_admitted", "_counted", "_data", "_engine", "_entered", "_eof", "_facts", "_noted", "_owner", "_queued",
        "_reader", "_secure", "_session", "_sni", "_versions", "behind", "deadline",
    )  # fmt: skip

    def set_up(self, owner: Handshakes, transport: TlsTransport, session: Session) -> None:
        """Once, right after it was made."""
        self._owner = owner
        self._session = session
        self.behind: ServerHandshake | None = None
        self._reader: HelloReader | None = None  # of a hello that comes in pieces
        self._engine: Engine | None = None
        self._facts: Facts | None = None  # the handshake is complete
        self._data = b""  # waits for a step
        self._queued = False
        self._sni = b""
        self._versions: tuple[int, ...] = ()
        self._counted = False  # among the connections of its address
        self._eof = False
        self._noted = False  # as a failure
        limits = session.limits
        self.deadline = owner.context.now + limits.handshake_time
        self._secure = transport
        self.transport = transport
        transport.begin(self, NEVER_FULL)
        excess = self._enter(limits)
        self._admitted = excess <= 0
        if excess > limits.lingering:
            owner.context.stats.answered(503, 0)
            transport.abort()

    def _enter(self, limits: Limits) -> int:
        """Count it; by how many connections it is too many.  If they are few, its next owner says so to the client."""
        context = self._owner.context
        self._entered = True
        context.connections.add(self)
        excess = len(context.connections) - limits.connections
        if excess <= 0 and limits.per_client and self._session.counted:
            self._counted = True
            excess = context.count_client(self._session.client) - limits.per_client
        return excess

    def _leave(self) -> None:
        """It counts no more: it has ended, or its connection has another owner."""
        if self._entered:
            self._entered = False
            self._owner.context.connections.discard(self)
            if self._counted:
                self._owner.context.forget_client(self._session.client)

    @property
    def is_idle(self) -> bool:
        """The client has sent nothing."""
        return self._engine is None and not self._data and self._reader is None

    # -- the transport's side

    def data_received(self, data: bytes) -> None:
        if self._facts is not None:
            self._hand_over(self._facts, data)
            return
        self._data = self._data + data if self._data else data
        if len(self._data) > _BUFFER:
            self._secure.pause_reading()
        if not self._queued:
            self._queued = self._owner.queue(self, self._engine is not None)
            if not self._queued:
                self._fail("queue", "too many handshakes wait for their turn")

    def eof_received(self) -> bool:
        """Whether the last bytes of the handshake are there, and perhaps a request: then it goes on."""
        self._eof = True
        return self._engine is not None and self._queued

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: OSError | None) -> None:
        if not self.is_idle and self._facts is None:
            self._note("lost", "the client has closed the connection")
        self._leave()

    # -- steps

    def step(self) -> None:
        """Its turn has come.  The client may have left since."""
        self._queued = False
        if self._secure.closing:
            return
        data, self._data = self._data, b""
        try:
            engine = self._engine
            if engine is None:
                hello = whole_hello(data) if self._reader is None else None
                if hello is None:
                    self._reader = reader = self._reader or HelloReader()
                    hello = reader.feed(data)
                    if hello is None:
                        return
                    data = bytes(reader.received)
                engine = self._engine = self._begin(hello)
            self._advance(engine, data)
        except HelloError as error:
            self._refuse(error, data if self._reader is None else bytes(self._reader.received))
        except ContextError as error:
            self._fail("context", f"no TLS can be set up: {error}", _INTERNAL_ERROR)
        except TlsError as error:
            alert = self._engine.take() if self._engine is not None else b""
            self._fail(error.code, f"the client {of_client(error, self._versions)}", alert)

    def _begin(self, hello: Hello) -> Engine:
        """Raises :class:`HelloError`, :class:`ContextError`."""
        self._sni, self._versions = hello.sni, hello.versions
        listener = self._session.listener
        names = self._owner.former.get(listener, self._owner.names)
        if names is None:
            raise ContextError("the listener's configuration has changed")
        return names.context_for(hello, listener).server(hello.sni)

    def _advance(self, engine: Engine, data: bytes) -> None:
        """Raises :class:`TlsError`."""
        plaintext = engine.open(data)
        if engine.ready:
            self._complete(engine, plaintext)
            return
        _say(engine, self._secure)
        if self._secure.paused:
            self._secure.resume_reading()
        if engine.ended or self._eof:
            self._fail("lost", "the client has closed the connection")

    def _complete(self, engine: Engine, plaintext: bytes) -> None:
        context, transport = self._owner.context, self._secure
        facts = self._facts = engine.facts()
        context.stats.add(HANDSHAKES, 1)
        if self._session.series is not None:
            self._session.series.shaken(facts.version, facts.resumed)
        if facts.resumed:
            context.stats.add(RESUMED, 1)
        if transport.paused:
            transport.resume_reading()
        transport.secure(engine, False)
        if context.draining and not plaintext:
            # As a connection without a request it would be closed at once: the client gets a moment for its first one.
            self.deadline = context.now + _GRACE
            transport.deliver(b"")
        else:
            self._hand_over(facts, plaintext)

    def _hand_over(self, facts: Facts, plaintext: bytes) -> None:
        self._leave()
        if not self._secure.closing:
            self._owner.service.accept_secure(self._secure, self._session, facts, self._admitted)
            self._secure.deliver(plaintext)

    # -- what goes wrong

    def _refuse(self, error: HelloError, received: bytes) -> None:
        if looks_like_http(received):
            self._count_failure()
            self._leave()
            self._owner.service.refuse_plain(self._secure, self._session, received)
        else:
            self._fail(f"hello {error.alert}", f"the client {error}", error.record)

    def _fail(self, kind: str, why: str, alert: bytes = b"") -> None:
        self._note(kind, why)
        if alert:
            self._secure.write(alert)
        self._secure.close()

    def _note(self, kind: str, why: str) -> None:
        """Count it, and log one a second of each ``kind``, which no client makes up."""
        if self._noted:
            return
        self._noted = True
        self._count_failure()
        name = f' for "{self._sni.decode()}"' if self._sni else ""
        log.once_a_second(
            f"handshake {kind}", f"TLS handshake with {self._session.client.decode()}{name} failed: {why}"
        )

    def _count_failure(self) -> None:
        self._owner.context.stats.add(HANDSHAKE_FAILURES, 1)
        if self._session.series is not None:
            self._session.series.failed()

    # -- the clock's side

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        if self._facts is None:
            if self.is_idle:
                self._note("silence", "the client has sent nothing")
            else:
                self._note("time", "it has taken too long")
        self.close()

    def close(self) -> None:
        """With what waits: a client that reads nothing has no claim to it."""
        if self._facts is None:
            self._secure.abort()
        else:
            self._secure.close()


def _say(engine: Engine, transport: TlsTransport) -> None:
    said = engine.take()
    if said:
        transport.write(said)
