"""A client on hyper-h2 at rsp's end of an HTTP/2 connection, without sockets; behind it the worker of ``fakes``."""

import itertools

import h2.config
import h2.connection
import h2.events
import h2.settings
from hyperframe.frame import Frame

from rsp.http.h2.server import H2ServerConnection
from rsp.net.transport import Transport
from tests.unit.fakes import FakeWorker


class FakeTransport(Transport):
    """``sent``: what was written and not read yet.  ``room``: bytes that it takes before the rest waits."""

    def __init__(self, poller) -> None:
        Transport.__init__(self, poller, -1)
        self.sent = b""
        self.room = 1 << 40
        self.flushes = False
        self.eof = self.aborted = False
        self.protocol = None

    def begin(self, protocol, limit: int) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.sent += data
        if len(self.sent) > self.room:
            self.protocol.pause_writing()

    def flush_later(self) -> None:
        self.flushes = True

    def later(self) -> None:
        self.left = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def write_eof(self) -> None:
        self.eof = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def own_address(self):
        return ("127.0.0.1", 1)

    # -- the test's side

    def turn(self) -> bytes:
        """The end of a turn of the loop; what was written."""
        while self.flushes and not self.closing:
            self.flushes = False
            self.protocol.flush()
        sent, self.sent = self.sent, b""
        return sent


class H2Client:
    """``events``: what hyper-h2 has made of all that came, by stream; 0: of the connection.  ``frames``: all frames.

    ``takes``: it opens its windows again as data comes; ``deaf``: hyper-h2 is not told of what comes.
    """

    def __init__(self, worker: FakeWorker, **settings: int) -> None:
        self.worker = worker
        self.transport = FakeTransport(worker.context.poller)
        self.connection = H2ServerConnection.__new__(H2ServerConnection)
        self.connection.set_up(worker.context, worker.service, self.transport, worker.session(), False)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.events: dict[int, list] = {}
        self.frames: list[Frame] = []
        self.takes = True
        self.deaf = False
        self._rest = b""
        self._numbers = itertools.count(1, 2)
        self.h2.initiate_connection()
        self.h2.update_settings({getattr(h2.settings.SettingCodes, name): value for name, value in settings.items()})
        self.play()

    def play(self) -> None:
        """Let both sides say all that they have to say."""
        while True:
            out = self.h2.data_to_send()
            if out:
                self.connection.data_received(out)
            self.worker.turn()
            while self.transport.left:
                self.transport.left = False
                self.connection.go_on()
            data = self.transport.turn()
            self._note(data)
            if data and not self.deaf:
                for event in self.h2.receive_data(data):
                    self.events.setdefault(getattr(event, "stream_id", 0) or 0, []).append(event)
                    if isinstance(event, h2.events.DataReceived) and self.takes:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if not out and not data and not self.h2._data_to_send:
                return

    def _note(self, data: bytes) -> None:
        data = self._rest + data
        while len(data) >= 9:
            frame, size = Frame.parse_frame_header(memoryview(data[:9]))
            if len(data) < 9 + size:
                break
            frame.parse_body(memoryview(data[9 : 9 + size]))
            self.frames.append(frame)
            data = data[9 + size :]
        self._rest = data

    def frames_of(self, number: int, kind: str) -> list[Frame]:
        return [each for each in self.frames if each.stream_id == number and type(each).__name__ == kind]

    def ask(self, *fields: tuple[str, str], method="GET", path="/x", host="t", last=True) -> int:
        """A request; its stream's number."""
        number = next(self._numbers)
        pseudo = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
        self.h2.send_headers(number, [*pseudo, *fields], end_stream=last)
        self.play()
        return number

    def send(self, number: int, data: bytes, last: bool = False) -> None:
        self.h2.send_data(number, data, end_stream=last)
        self.play()

    def raw(self, data: bytes) -> None:
        """Bytes that hyper-h2 would not send."""
        self.connection.data_received(data)
        self.play()

    # -- what came

    def of(self, number: int, kind: type) -> list:
        return [event for event in self.events.get(number, []) if isinstance(event, kind)]

    def status(self, number: int) -> int:
        (event,) = self.of(number, h2.events.ResponseReceived)
        return int(dict(event.headers)[b":status"])

    def fields(self, number: int) -> dict[bytes, bytes]:
        (event,) = self.of(number, h2.events.ResponseReceived)
        return dict(event.headers)

    def body(self, number: int) -> bytes:
        return b"".join(event.data for event in self.of(number, h2.events.DataReceived))

    def ended(self, number: int) -> bool:
        return bool(self.of(number, h2.events.StreamEnded))
