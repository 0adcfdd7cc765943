"""A client of HTTP/2 for tests: it sends any frame, right or wrong, and reads frames with an independent reader.

What it sends is bytes, so that nothing stops it from breaking the rules; what it receives goes through hyperframe and
hpack, which refuse what is not HTTP/2.
"""

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hpack import Decoder
from hyperframe.frame import (
    DataFrame,
    ExtensionFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK, END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
ENABLE_CONNECT_PROTOCOL = 8
(
    NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
    REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED,
) = range(14)  # fmt: skip
PATIENCE = 30.0
LARGEST_WINDOW = 2**31 - 1

Field = tuple[str | bytes, str | bytes]


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def frame(kind: int, flags: int = 0, number: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, number) + payload


def integer(value: int, prefix: int, first: int = 0) -> bytes:
    """An integer of HPACK (RFC 7541, 5.1)."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    value, rest = value - most, b""
    while value >= 128:
        value, rest = value >> 7, rest + bytes([value & 127 | 128])
    return bytes([first | most]) + rest + bytes([value])


def literal(name: str | bytes, value: str | bytes, first: int = 0) -> bytes:
    """A field whose name is new and that is not added to the table; ``first`` 0x40: it is, 0x10: it never is."""
    name, value = as_bytes(name), as_bytes(value)
    return bytes([first]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def block(fields: Iterable[Field]) -> bytes:
    """A field section that changes no table, so it means the same wherever it is sent."""
    return b"".join(literal(name, value) for name, value in fields)


def request_fields(
    path: str = "/", *more: Field, method: str = "GET", authority: str | None = "test", scheme: str = "http"
) -> list[Field]:
    fields: list[Field] = [(":method", method), (":scheme", scheme), (":path", path)]
    if authority is not None:
        fields.append((":authority", authority))
    return [*fields, *more]


def headers(number: int, fields: bytes | Iterable[Field], *, end: bool = True, more: bool = False) -> bytes:
    """``more``: CONTINUATION follows."""
    payload = fields if isinstance(fields, bytes) else block(fields)
    return frame(HEADERS, (END_STREAM if end else 0) | (0 if more else END_HEADERS), number, payload)


def continuation(number: int, fields: bytes | Iterable[Field], *, more: bool = False) -> bytes:
    payload = fields if isinstance(fields, bytes) else block(fields)
    return frame(CONTINUATION, 0 if more else END_HEADERS, number, payload)


def data(number: int, payload: bytes = b"", *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, number, payload)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(number: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, number, struct.pack(">I", increment))


def reset(number: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, number, struct.pack(">I", code))


def priority(number: int, on: int = 0, weight: int = 15) -> bytes:
    return frame(PRIORITY, 0, number, struct.pack(">IB", on, weight))


def ping(payload: bytes = b"12345678", flags: int = 0) -> bytes:
    return frame(PING, flags, 0, payload)


def goaway(last: int = 0, code: int = NO_ERROR) -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code))


@dataclass
class Response:
    """What has arrived on one stream.  ``reset``: the code of RST_STREAM."""

    number: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    interim: list[list[tuple[str, str]]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] | None = None
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self[":status"] or 0)

    def __getitem__(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Client:
    """``credits``: give back at once what DATA takes of the windows.  ``acks``: confirm SETTINGS."""

    def __init__(
        self,
        port: int,
        *pairs: tuple[int, int],
        tls: ssl.SSLContext | None = None,
        name: str = "site.example",
        begins: bool = True,
        credits: bool = True,
        acks: bool = True,
        receive_buffer: int = 0,
    ) -> None:
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = tls.wrap_socket(sock, server_hostname=name) if tls else sock
        self.scheme = "https" if tls else "http"
        self.credits, self.acks = credits, acks
        self.frames: list[Frame] = []
        self.streams: dict[int, Response] = {}
        self.settings: dict[int, int] = {}
        self.goaways: list[tuple[int, int]] = []  # last stream, code
        self.closed = False
        self.was_reset = False  # ended by RST of TCP
        self._next = 1
        self._received = b""
        self._decoder = Decoder()
        self._section = b""
        if begins:
            self.send(PREFACE + settings(*pairs))

    # -- sending

    def send(self, *pieces: bytes) -> None:
        """What the server does not want any more is no failure: its last words are to be read."""
        try:
            self.sock.sendall(b"".join(pieces))
        except (ConnectionError, ssl.SSLError):
            self.was_reset = True

    def number(self) -> int:
        """Of the next stream."""
        self._next += 2
        return self.expect(self._next - 2).number

    def expect(self, number: int) -> Response:
        return self.streams.setdefault(number, Response(number))

    def open(
        self, path: str = "/", *more: Field, method: str = "GET", authority: str | None = "test", end: bool = True
    ) -> Response:
        """Begin a request; its response is not there yet."""
        number = self.number()
        fields = request_fields(path, *more, method=method, authority=authority, scheme=self.scheme)
        self.send(headers(number, fields, end=end))
        return self.streams[number]

    def get(self, path: str = "/", *more: Field, method: str = "GET", authority: str | None = "test") -> Response:
        return self.finish(self.open(path, *more, method=method, authority=authority))

    def post(self, path: str, body: bytes, *more: Field) -> Response:
        """Of no more bytes than the first windows take."""
        response = self.open(path, *more, method="POST", end=False)
        pieces = [body[at : at + 16384] for at in range(0, len(body), 16384)] or [b""]
        for at, piece in enumerate(pieces):
            self.send(data(response.number, piece, end=at == len(pieces) - 1))
        return self.finish(response)

    # -- receiving

    def wait(self, condition: Callable[[], object], what: str = "condition", patience: float = PATIENCE) -> None:
        """Read frames until it holds; a connection that ends before is a failure."""
        give_up = time.monotonic() + patience
        while not condition():
            left = give_up - time.monotonic()
            assert left > 0 and self.read(left), f"no {what}: {self.story()}"

    def finish(self, response: Response) -> Response:
        self.wait(lambda: response.over, f"end of stream {response.number}")
        return response

    def until(self, kind: type[Frame], matches: Callable[[Frame], bool] = lambda _: True) -> Frame:
        """The next frame of this kind that has not been read yet."""
        seen = len(self.frames)

        def found() -> list[Frame]:
            return [one for one in self.frames[seen:] if isinstance(one, kind) and matches(one)]

        self.wait(found, kind.__name__)
        return found()[0]

    def pong(self, payload: bytes = b"ping-now") -> None:
        """All that was sent before has been processed."""
        self.send(ping(payload))
        self.until(PingFrame, lambda one: "ACK" in one.flags and one.opaque_data == payload)

    def error(self) -> int:
        """The code with which the server ends the connection; the end follows."""
        self.drain()
        assert self.goaways, self.story()
        return self.goaways[-1][1]

    def drain(self, patience: float = PATIENCE) -> None:
        """Read until the connection ends."""
        give_up = time.monotonic() + patience
        while not self.closed:
            left = give_up - time.monotonic()
            assert left > 0 and (self.read(left) or self.closed), f"the connection does not end: {self.story()}"

    def story(self) -> str:
        return f"{'closed, ' if self.closed else ''}{[repr(one)[:100] for one in self.frames[-8:]]}"

    def read(self, patience: float = PATIENCE) -> bool:
        """One frame; False: none within that time, or the connection has ended."""
        while not self.closed:
            if len(self._received) >= 9:
                one, length = Frame.parse_frame_header(memoryview(self._received[:9]))
                if len(self._received) >= 9 + length:
                    payload, self._received = self._received[9 : 9 + length], self._received[9 + length :]
                    one.parse_body(memoryview(payload))
                    self.frames.append(one)
                    self._take(one)
                    return True
            try:
                self.sock.settimeout(max(0.001, patience))
                more = self.sock.recv(1 << 18)
            except TimeoutError:
                return False
            except (ConnectionError, ssl.SSLError):
                more, self.was_reset = b"", True
            finally:
                if not self.closed and self.sock.fileno() >= 0:
                    self.sock.settimeout(PATIENCE)
            self._received += more
            if not more:
                assert not self._received or self.was_reset, f"it ends within a frame: {self._received[:20]!r}"
                self.closed = True
        return False

    def _take(self, one: Frame) -> None:
        assert not isinstance(one, ExtensionFrame), one
        if isinstance(one, SettingsFrame):
            if "ACK" not in one.flags:
                self.settings.update(one.settings)
                if self.acks:
                    self.send(frame(SETTINGS, ACK))
        elif isinstance(one, GoAwayFrame):
            self.goaways.append((one.last_stream_id, one.error_code))
        elif isinstance(one, HeadersFrame) or one.type == CONTINUATION:
            self._section += one.data
            if isinstance(one, HeadersFrame):
                self._ends = "END_STREAM" in one.flags
            if "END_HEADERS" in one.flags:
                section, self._section = self._section, b""
                self._take_fields(self.expect(one.stream_id), self._decoder.decode(section))
        elif isinstance(one, DataFrame):
            self._take_data(self.expect(one.stream_id), one)
        elif isinstance(one, RstStreamFrame):
            self.expect(one.stream_id).reset = one.error_code
        elif isinstance(one, WindowUpdateFrame):
            assert one.window_increment

    def _take_fields(self, response: Response, fields: list[tuple[str, str]]) -> None:
        assert not response.over, f"HEADERS after the end: {self.story()}"
        if response.status:
            assert self._ends and not any(name.startswith(":") for name, _ in fields), fields
            response.trailers = fields
        elif dict(fields)[":status"].startswith("1"):
            assert not self._ends
            response.interim.append(fields)
        else:
            response.fields = fields
        response.ended = self._ends

    def _take_data(self, response: Response, one: DataFrame) -> None:
        assert response.status and not response.over, f"DATA before HEADERS or after the end: {self.story()}"
        response.body += one.data
        response.ended = "END_STREAM" in one.flags
        if self.credits and one.flow_controlled_length:
            updates = window_update(0, one.flow_controlled_length)
            if not response.ended:
                updates += window_update(response.number, one.flow_controlled_length)
            self.send(updates)

    def close(self) -> None:
        self.closed = True
        self.sock.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
