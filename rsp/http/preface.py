"""Which version of HTTP a client without TLS begins with: HTTP/2 has a preface, which is no request of HTTP/1.

RFC 9113 section 3.4.  The first byte that is not the preface's decides for HTTP/1, so a client of HTTP/1 waits for
nothing; what came is for the connection that is made then.
"""

from math import inf
from typing import Final
from typing import Protocol as Interface

from rsp.http.h2.frames import PREFACE
from rsp.http.stream import ClientSession
from rsp.net.context import WorkerContext
from rsp.net.transport import Protocol, Transport

_NEVER_FULL: Final = 1 << 10  # nothing is written here


class Service(Interface):
    """What serves connections once it is known what they speak."""

    def speak(self, transport: Transport, session: ClientSession, admitted: bool, http2: bool) -> Protocol:
        """The connection, made; ``admitted``: when it came it was not too many."""

    def refuse_slow(self, transport: Transport, session: ClientSession) -> None:
        """A client that has begun, and goes on too slowly."""


class Preface(Protocol):
    """A client's connection until it is known what it speaks."""

    __slots__ = ("_context", "_counted", "_data", "_service", "_session", "deadline")

    def __init__(self, context: WorkerContext, transport: Transport, session: ClientSession, service: Service) -> None:
        self._context = context
        self._session = session
        self._service = service
        self._data = b""
        self._counted = False  # among the connections of its address
        self.deadline = context.now + session.limits.idle_time
        self.transport = transport
        transport.begin(self, _NEVER_FULL)
        if self._enter() > 0:
            self._decide(admitted=False, http2=False)  # it says so to the client

    def _enter(self) -> int:
        """Count it; by how many connections it is too many."""
        context, session, limits = self._context, self._session, self._session.limits
        context.connections.add(self)
        excess = len(context.connections) - limits.connections
        if excess <= 0 and limits.per_client and session.counted:
            self._counted = True
            excess = context.count_client(session.client) - limits.per_client
        return excess

    def _leave(self) -> None:
        """It counts no more: it has ended, or its connection has another owner."""
        self.deadline = inf
        self._context.connections.discard(self)
        if self._counted:
            self._counted = False
            self._context.forget_client(self._session.client)

    def _decide(self, *, admitted: bool, http2: bool) -> Protocol:
        self._leave()
        return self._service.speak(self.transport, self._session, admitted, http2)

    @property
    def is_idle(self) -> bool:
        """The client has sent nothing."""
        return not self._data

    # -- the transport's side

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self.deadline = self._context.now + self._session.limits.head_time
        data = self._data = self._data + data
        if data[: len(PREFACE)] == PREFACE[: len(data)]:
            if len(data) < len(PREFACE):
                return
            self._decide(admitted=True, http2=True).data_received(data)
        else:
            self._decide(admitted=True, http2=False).data_received(data)

    def eof_received(self) -> bool:
        return False  # not even a head has come

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: OSError | None) -> None:
        self._leave()

    # -- the clock's side

    def is_due(self, now: float) -> bool:
        return self.deadline < now

    def expire(self) -> None:
        if self._data:
            self._leave()
            self._service.refuse_slow(self.transport, self._session)
        else:
            self.close()

    def close(self) -> None:
        self.transport.close()
