"""TLS handshakes: of clients, which wait for their turn, and towards peers.

A handshake costs as much CPU as fifty requests.  So a client's is done in steps, each when its turn comes: in one turn
of the loop only as many steps run as fit in a millisecond, and established connections have theirs in between.  What
has been begun comes first, then whatever came first.
"""

from collections import deque
from collections.abc import Callable
from typing import Final
from typing import Protocol as Interface

from rsp.http.limits import Limits
from rsp.ipc.worker_cells import HANDSHAKE_FAILURES, HANDSHAKES, RESUMED
from rsp.logs import log
from rsp.net.calls import monotonic
from rsp.net.context import WorkerContext
from rsp.net.poller import Watched
from rsp.net.secure import TlsTransport
from rsp.net.transport import Protocol, Transport
from rsp.tls.engine import Engine, TlsError
from rsp.tls.facts import Facts
from rsp.tls.hello import HelloError, HelloReader, looks_like_http
from rsp.tls.names import ServerNames

_SHARE: Final = 0.001  # of a turn of the loop, in seconds
_MOST_QUEUED: Final = 4096  # two seconds of work; those who come later would have left by then
_BUFFER: Final = 64 << 10  # bytes that wait for a step
_NEVER_FULL: Final = 1 << 20  # a handshake says a few KB, and only when it is asked

Done = Callable[[TlsTransport | None, str], None]


class Service(Interface):
    """What serves connections once their handshake is complete."""

    def admits(self, client: bytes, listener: str) -> tuple[Limits, bool]:
        """The limits of ``listener``, and whether ``limits.per_client`` counts ``client``."""

    def accept(self, transport: Transport, client: bytes, listener: str, tls: Facts | None = None) -> None: ...

    def refuse_plain(self, transport: Transport, client: bytes, listener: str, data: bytes) -> None:
        """``data``: the beginning of a request without TLS."""


class Handshakes(Watched):
    """Those of one worker's clients.  ``names``: what is in force for those that begin now."""

    __slots__ = ("_begun", "_fresh", "_running", "context", "names", "service")

    def __init__(self, context: WorkerContext, service: Service, names: Callable[[], ServerNames | None]) -> None:
        Watched.__init__(self, -1)
        self.context = context
        self.service = service
        self.names = names
        self._begun: deque[ServerHandshake] = deque()
        self._fresh: deque[ServerHandshake] = deque()
        self._running: ServerHandshake | None = None

    def accept(self, transport: TlsTransport, client: bytes, listener: str) -> None:
        """A new connection."""
        ServerHandshake(self, transport, client, listener)

    def queue(self, handshake: "ServerHandshake", begun: bool) -> bool:
        """Run a step of ``handshake`` when its turn comes; whether there is room."""
        if begun:
            self._begun.append(handshake)
        elif len(self._fresh) < _MOST_QUEUED:
            self._fresh.append(handshake)
        else:
            return False
        self.context.poller.again(self)
        return True

    def turn(self) -> None:
        give_up = monotonic() + _SHARE
        while self._begun or self._fresh:
            self._running = self._begun.popleft() if self._begun else self._fresh.popleft()
            self._running.step()
            if monotonic() >= give_up:
                break
        self._running = None
        if self._begun or self._fresh:
            self.context.poller.again(self)

    def broken(self) -> None:
        """The one that ran is dropped; the others go on."""
        running, self._running = self._running, None
        if running is not None:
            running.transport.abort()
        if self._begun or self._fresh:
            self.context.poller.again(self)


class ServerHandshake(Protocol):
    """A client's connection until its handshake is complete."""

    __slots__ = (
        "_all", "_client", "_counted", "_data", "_engine", "_entered", "_listener", "_queued", "_reader", "_secure",
        "_sni", "deadline",
    )  # fmt: skip

    def __init__(self, owner: Handshakes, transport: TlsTransport, client: bytes, listener: str) -> None:
        self._all = owner
        self._client = client
        self._listener = listener
        self._reader = HelloReader()
        self._engine: Engine | None = None
        self._data = b""  # waits for a step
        self._queued = False
        self._sni = b""
        self._counted = False
        limits, counted = owner.service.admits(client, listener)
        self.deadline = owner.context.now + limits.handshake_time
        self._secure = transport
        self.transport = transport
        transport.begin(self, _NEVER_FULL)
        if self._enter(limits, counted) > limits.lingering:
            owner.context.stats.answered(503, 0)
            transport.abort()

    def _enter(self, limits: Limits, counted: bool) -> int:
        """Count it; by how many connections it is too many.  The next owner of the connection says so, if they are
        few."""
        context = self._all.context
        self._entered = True
        context.connections.add(self)
        excess = len(context.connections) - limits.connections
        if excess <= 0 and counted and limits.per_client:
            self._counted = True
            excess = context.count_client(self._client) - limits.per_client
        return excess

    def _leave(self) -> None:
        if self._entered:
            self._entered = False
            self._all.context.connections.discard(self)
            if self._counted:
                self._all.context.forget_client(self._client)

    @property
    def is_idle(self) -> bool:
        """Nothing has come of it yet."""
        return self._engine is None and not self._data and not self._reader.received

    # -- the transport's side

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        if len(self._data) > _BUFFER:
            self._secure.pause_reading()
        if not self._queued:
            self._queued = True
            if not self._all.queue(self, self._engine is not None):
                self._fail("too many handshakes wait", "")

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: OSError | None) -> None:
        idle = self.is_idle
        self._leave()
        if not idle and self.deadline:
            self._note("the client has closed the connection")

    # -- steps

    def step(self) -> None:
        """Take what has arrived one step on.  Nothing may be left of a connection that has ended meanwhile."""
        self._queued = False
        if self._secure.closing:
            return
        data, self._data = self._data, b""
        if self._secure.paused:
            self._secure.resume_reading()
        try:
            engine = self._engine
            if engine is None:
                engine = self._begin(data)
                if engine is None:
                    return
                self._engine = engine
                data = bytes(self._reader.received)
            plaintext = engine.open(data)
        except HelloError as error:
            self._refuse(error, data)
            return
        except TlsError as error:
            said = self._engine.take() if self._engine is not None else b""
            self._fail(str(error), error.code, said)
            return
        said = engine.take()
        if said:
            self._secure.write(said)
        if engine.ready:
            self._complete(engine, plaintext)
        elif engine.ended:
            self._fail("the client has closed the connection", "")

    def _begin(self, data: bytes) -> Engine | None:
        """``None``: the hello has not arrived whole.  Raises :class:`HelloError`."""
        hello = self._reader.feed(data)
        if hello is None:
            return None
        self._sni = hello.sni
        names = self._all.names()
        if names is None:
            raise HelloError("comes to a listener that has no certificate any more", 80)
        return names.context_for(hello).server(hello.sni)

    def _complete(self, engine: Engine, plaintext: bytes) -> None:
        owner, transport = self._all, self._secure
        facts = engine.facts()
        owner.context.stats.add(HANDSHAKES, 1)
        if facts.resumed:
            owner.context.stats.add(RESUMED, 1)
        self._leave()
        self.deadline = 0.0
        transport.secure(engine, False)
        if transport.closing:
            return
        owner.service.accept(transport, self._client, self._listener, facts)
        transport.deliver(plaintext)

    # -- what goes wrong

    def _refuse(self, error: HelloError, data: bytes) -> None:
        received = bytes(self._reader.received)
        if looks_like_http(received):
            self._leave()
            self.deadline = 0.0
            self._all.context.stats.add(HANDSHAKE_FAILURES, 1)
            self._all.service.refuse_plain(self._secure, self._client, self._listener, received)
        else:
            self._fail(f"the client {error}", "", error.record)

    def _fail(self, why: str, code: str, said: bytes = b"") -> None:
        """``said``: an alert."""
        if self.deadline:
            self._note(why)
        if said:
            self._secure.write(said)
        self._secure.close()

    def _note(self, why: str) -> None:
        """Once for each handshake."""
        self.deadline = 0.0
        self._all.context.stats.add(HANDSHAKE_FAILURES, 1)
        name = f' for "{self._sni.decode()}"' if self._sni else ""
        log.once_a_second(f"handshake {why}", f"TLS handshake with {self._client.decode()}{name} failed: {why}")

    # -- the clock's side

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        if not self.is_idle and self.deadline:
            self._note("it took too long")
        self._secure.abort()

    def close(self) -> None:
        self._secure.close()


class ClientHandshake(Protocol):
    """The same with a peer.  Calls ``done`` once: ``done(transport, "")`` hands a connection over that is secure;
    ``done(None, reason)`` says why there is none."""

    __slots__ = ("_done", "_engine", "_secure")

    def __init__(self, transport: TlsTransport, engine: Engine, done: Done) -> None:
        self._engine = engine
        self._done: Done | None = done
        self._secure = transport
        self.transport = transport
        transport.begin(self, _NEVER_FULL)
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        engine, transport = self._engine, self._secure
        if self._done is None:
            return
        try:
            plaintext = engine.open(data)
        except TlsError as error:
            said = engine.take()
            if said:
                transport.write(said)
            self._end(str(error))
            return
        said = engine.take()
        if said:
            transport.write(said)
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
