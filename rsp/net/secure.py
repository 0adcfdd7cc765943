"""A connection over TLS: a transport whose bytes pass an engine (``rsp.tls.engine``) once the handshake is complete.

Its owner notices nothing of it: plaintext both ways, one ``data_received`` for what one read brought.  What waits in
the backlog is ciphertext, so backpressure is the plain transport's.  Nothing waits in OpenSSL: whatever a read brings
is opened at once, because a silent socket would not tell of the rest.
"""

import errno
from math import inf
from typing import Final

from rsp.http.pieces import joined
from rsp.net.calls import receive, send
from rsp.net.poller import Poller
from rsp.net.timing import timing
from rsp.net.transport import Protocol, Transport
from rsp.tls.engine import Engine, TlsError
from rsp.tls.words import of_client, of_peer

# What TLS itself may have to say while the other side reads nothing: answers to key updates, tickets.
_MOST_SAID: Final = 16 << 10
NEVER_FULL: Final = 1 << 20  # for handshakes, which say a few KB, and only when they are asked
_JOIN_BELOW: Final = 16 << 10  # one copy is cheaper than one more record
_LARGE: Final = 64 << 10  # bytes that are not copied for close_notify behind them


class TlsLost(OSError):
    """A connection over TLS has ended in the wrong way.  ``reason``: how; it follows the name of the other side.

    ``refused``: the other side has sent an alert.  With TLS 1.3 that may be its word on the handshake.
    ``delay``: how long after this side's last data the end came, in seconds, where the kernel knows it.
    """

    def __init__(self, reason: str, refused: bool, delay: float = inf) -> None:
        super().__init__(errno.ECONNRESET, reason)
        self.reason = reason
        self.refused = refused
        self.delay = delay


class TlsTransport(Transport):
    """Plain until :meth:`secure`: handshakes are its owner's.

    ``engine``  the state of its TLS; ``None``: bytes pass as they are
    ``exact``   an end without close_notify is an error (RFC 9112 section 9.8): what came may not be all
    """

    __slots__ = ("_parted", "_said", "_spoken", "engine", "exact")

    def set_up(self, poller: Poller, descriptor: int) -> None:
        Transport.set_up(self, poller, descriptor)
        self.engine: Engine | None = None
        self.exact = False
        self._said = 0  # by TLS itself since the backlog was empty
        self._parted = False  # close_notify is out, with the last bytes
        self._spoken = False  # the owner, since the handshake is complete

    def begin(self, protocol: Protocol, limit: int) -> None:
        """As for plain ones; but a handshake's last bytes may still wait, and it has perhaps met the end."""
        self._protocol = protocol
        self._limit = limit
        self._full = self._ended = False
        self._want()

    def secure(self, engine: Engine, exact: bool) -> None:
        """The handshake is complete: everything passes ``engine`` from now on."""
        self.engine = engine
        self.exact = exact

    def deliver(self, plaintext: bytes) -> None:
        """``plaintext`` came with the end of the handshake: it is for the owner, and so is an end that came with it.
        A ticket goes out with the owner's answer then, also with a later one."""
        protocol, engine = self._protocol, self.engine
        if protocol is None or engine is None:
            return
        if plaintext and not engine.ended and not self.closing:
            protocol.data_received(plaintext)
        else:
            self._pass_on(protocol, engine, plaintext)

    # -- reading

    def _read(self) -> None:
        protocol, engine = self._protocol, self.engine
        if protocol is None:
            return
        try:
            data = receive(self.descriptor)
        except OSError as error:
            self._fail(error)
            return
        if data is None:
            return
        if not data:
            self._read_eof(protocol)
        elif engine is None:
            protocol.data_received(data)
        else:
            self._open(protocol, engine, data)

    def _open(self, protocol: Protocol, engine: Engine, data: bytes) -> None:
        try:
            plaintext = engine.open(data)
        except TlsError as error:
            self._refuse(engine, error)
        else:
            self._pass_on(protocol, engine, plaintext)

    def _pass_on(self, protocol: Protocol, engine: Engine, plaintext: bytes) -> None:
        """What TLS itself has to say goes out with the protocol's answer, if there is one right away, or its end."""
        if plaintext and not self.closing:
            protocol.data_received(plaintext)
        if engine.ended:
            self._end_reading()
        said = engine.take()
        if said:
            self._say(said)

    def _refuse(self, engine: Engine, error: TlsError) -> None:
        """What has arrived is not valid, or is an alert."""
        said = engine.take()
        if said:
            self._say(said)
        self._fail(TlsLost(of_peer(error, "") if self.exact else of_client(error), "ALERT" in error.code))

    def _fail(self, error: OSError) -> None:
        """The round trip is of interest only with a peer; to ask for it costs four system calls."""
        if self.exact:
            Transport._fail(self, error)
        elif self.descriptor >= 0:
            self._end(error)

    def _say(self, data: bytes) -> None:
        """Words of TLS itself.  A client can make it say much; if it does not read that, it is cut."""
        if self.closing or self._finishing:
            return
        self._said = self._said + len(data) if self.waiting else 0
        if self._said > _MOST_SAID:
            self.abort()
        else:
            Transport.write(self, data)

    def _read_eof(self, protocol: Protocol) -> None:
        if self.exact and self._error is None:
            delay = timing(self.descriptor)[1]
            self._fail(TlsLost("closed the connection without close_notify", False, delay))
        else:
            Transport._read_eof(self, protocol)

    def _end_reading(self) -> None:
        """No more can be read: the other side has said so, or sent what is not valid, perhaps behind its last bytes.
        If these have to wait, so does this."""
        protocol, engine = self._protocol, self.engine
        if engine is None or protocol is None or self._ended or self.closing or self.paused or self.left:
            return
        try:
            engine.open(b"")
        except TlsError as error:
            self._refuse(engine, error)
        else:
            Transport._read_eof(self, protocol)

    def resume_reading(self) -> None:
        Transport.resume_reading(self)
        if self.engine is not None and self.engine.ended and not self._ended:
            self._poller.again(self)  # no byte will come that would bring it up

    def turn(self) -> None:
        if self.left:
            Transport.turn(self)
        if self.engine is not None and self.engine.ended:
            self._end_reading()

    # -- writing

    def write(self, data: bytes) -> None:
        engine = self.engine
        self._spoken = engine is not None
        if engine is not None and not (self.closing or self._finishing):
            try:
                data = engine.seal(data)
                if self.leaving and len(data) < _LARGE:
                    self._parted = True
                    data += engine.close()
            except TlsError as error:
                self._refuse(engine, error)
                return
        Transport.write(self, data)

    def write_both(self, first: bytes, second: bytes) -> None:
        if len(first) + len(second) < _JOIN_BELOW:
            self.write(joined(first, second))
            return
        engine = self.engine
        self._spoken = engine is not None
        if engine is not None and not (self.closing or self._finishing):
            try:
                first, second = engine.seal(first), engine.seal(second)
            except TlsError as error:
                self._refuse(engine, error)
                return
        Transport.write_both(self, first, second)

    def takes_files(self) -> bool:
        return self.engine is None

    def write_eof(self) -> None:
        if not (self.closing or self._finishing):
            self._take_leave()
            Transport.write_eof(self)

    def close(self) -> None:
        if not self.closing:
            if self.exact or self._spoken or not self._ended:
                self._take_leave()  # a client that has left without a question does not listen
            Transport.close(self)

    def abort(self) -> None:
        if self.exact and self.engine is not None:
            self.engine.close()  # OpenSSL resumes no session of a connection that says nothing at its end
        Transport.abort(self)

    def _take_leave(self) -> None:
        """close_notify, unless it has been sent.  If it does not get through, nothing more is lost."""
        if self.engine is None or self._finishing or self._parted:
            return
        data = self.engine.close()
        if self.waiting:
            self._hold(data, 0)
            return
        try:
            sent = send(self.descriptor, data, 0)
        except OSError:
            return
        if sent < len(data):
            self._hold(data, sent)
