"""A connection to a peer over HTTP/2 by itself: the peer at its other end is hyper-h2, in the hands of a test."""

import contextlib
import socket

import h2.config
import h2.connection
import h2.events
import h2.settings

from rsp.config.limits import Limits as Sizes
from rsp.config.limits import Timeouts
from rsp.http.h1.codec import parse_request
from rsp.http.h2.client import H2Owner, H2PeerConnection
from rsp.http.limits import Limits
from rsp.http.message import OutgoingHead
from rsp.http.peer_stream import UNTRIED, PeerRequest
from rsp.system.descriptors import Room
from tests.unit.lone_worker import LoneWorker, tcp_pair

LIMITS = Limits((Timeouts(),), (Sizes(head=4000, buffer=64 << 10),), Room(100, 1))


class Request(PeerRequest):
    """``told``: what it is told, in order; ``body``: of the response."""

    def __init__(self, text: str = "GET /a", *lines: str, grpc: bool = False) -> None:
        whole = "\r\n".join([f"{text} HTTP/1.1", "Host: t", *lines, "", ""]).encode()
        self.head = parse_request(whole)
        self.head.grpc = grpc
        self.limits = LIMITS
        self.client = b"192.0.2.1"
        self.request_done = self.head.framing == 0
        self.tried = UNTRIED
        self.wanted = True
        self.told = []
        self.body = b""
        self.fields = b""
        self.stream = None
        self.failures = []
        self.failed_stream = None

    @property
    def waits(self) -> bool:
        return self.wanted and self.stream is None

    def connected(self, stream):
        self.send(stream)

    def connect_failed(self, failure):
        self.failures.append(failure)
        self.told.append(failure.reason)

    def send(self, stream, pieces=(), trailers=None):
        self.stream = stream
        head = self.head
        if trailers is not None:
            self.request_done = True
        stream.send_request(OutgoingHead(head, head.target, head.host, head.fields, b"", b""), list(pieces), trailers)

    def send_more(self, *pieces: bytes, trailers=None):
        if trailers is not None:
            self.request_done = True
        self.stream.send_body(list(pieces), trailers)

    def peer_done(self):
        self.stream = None
        self.told.append("done")

    def peer_failed(self, stream, failure):
        self.stream, self.failed_stream = None, stream
        self.failures.append(failure)
        self.told.append(failure.reason)

    def peer_full(self):
        self.told.append("full")

    def peer_ready(self):
        self.told.append("ready")

    def interim(self, head):
        self.told.append(head.status)

    def response(self, head, pieces, trailers):
        self.told.append(head.status)
        self.head_of_response = head
        self.fields = head.fields
        self.response_body(pieces, trailers)

    def response_body(self, pieces, trailers):
        self.body += b"".join(pieces)
        if trailers is not None:
            self.told.append(trailers)

    def switch_protocols(self, head, data):
        self.told.append(head.status)
        self.fields = head.fields
        self.stream.open_tunnel()

    def tunnel_down(self, data):
        self.body += data

    def tunnel_down_eof(self):
        self.told.append("eof")

    def tunnel_lost(self):
        self.stream = None
        self.told.append("lost")


class Owner(H2Owner):
    """``events``: what connections have said of themselves."""

    def __init__(self) -> None:
        self.retired = False
        self.wants = True
        self.events = []

    def keeps(self, connection):
        return self.wants

    def has_room(self, connection):
        self.events.append("room")

    def leaves(self, connection):
        if "leaves" not in self.events:
            self.events.append("leaves")

    def wants_http1(self):
        self.events.append("http1")

    # as what waits for the first SETTINGS

    def settled(self):
        self.events.append("settled")

    def broken(self, reason):
        self.events.append(reason)


class Peer:
    """hyper-h2 at the end of ``sock``.  ``heard``: events, but for those that are only about windows and settings."""

    def __init__(self, sock, **settings: int) -> None:
        self.sock = sock
        config = h2.config.H2Configuration(
            client_side=False, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        first = {h2.settings.SettingCodes[name]: value for name, value in settings.items()}
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=first)
        self.h2.max_inbound_frame_size = self.h2.local_settings.max_frame_size
        self.h2.initiate_connection()
        self.heard = []
        self.received = 0  # bytes
        self.closed = False
        self.credits = True  # what has come may come anew

    def play(self) -> None:
        """Read what is there, and say what there is to say."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while not self.closed:
                data = self.sock.recv(1 << 20)
                self.received += len(data)
                if not data:
                    self.closed = True
                for event in self.h2.receive_data(data) if data else ():
                    if self.credits and isinstance(event, h2.events.DataReceived):
                        with contextlib.suppress(h2.exceptions.ProtocolError):
                            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.heard.append(event)
        self.flush()

    def flush(self) -> None:
        if (data := self.h2.data_to_send()) and not self.closed:
            self.sock.sendall(data)

    def raw(self, data: bytes) -> None:
        self.flush()
        self.sock.sendall(data)

    def hang_up(self) -> None:
        self.closed = True
        self.sock.close()

    def of(self, kind: type, number: int | None = None) -> list:
        """The events of a kind; ``number``: on that stream."""
        return [
            event
            for event in self.heard
            if isinstance(event, kind) and number in (None, getattr(event, "stream_id", None))
        ]

    def body(self, number: int) -> bytes:
        return b"".join(event.data for event in self.of(h2.events.DataReceived, number))

    def answer(self, number: int, status: int = 200, body: bytes = b"", *lines, last: bool = True) -> None:
        self.h2.send_headers(number, [(b":status", b"%d" % status), *lines], end_stream=last and not body)
        if body:
            self.h2.send_data(number, body, end_stream=last)
        self.flush()

    def goaway(self, last: int, code: int = 0) -> None:
        self.raw(frame(7, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big")))

    @property
    def goaways(self) -> list[int]:
        """Codes of those that have come."""
        return [int(event.error_code) for event in self.of(h2.events.ConnectionTerminated)]

    def resets(self, number: int) -> list[int]:
        return [int(event.error_code) for event in self.of(h2.events.StreamReset, number)]


def frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + number.to_bytes(4, "big") + payload


class Process(LoneWorker):
    def __init__(self, *, age: float = float("inf"), settled: bool = True, **settings: int) -> None:
        super().__init__()
        self.context.limits = LIMITS
        self.owner = Owner()
        pair = tcp_pair()
        for end in pair:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport, far = self.pair(pair)
        connection = self.connection = H2PeerConnection.__new__(H2PeerConnection)
        connection.set_up(self.context, self.owner, transport, b"http", age, self.owner)
        self.peer = Peer(far, **settings)
        if settled:
            self.play()
            assert self.owner.events == ["settled"]
            self.owner.events.clear()

    def play(self) -> None:
        """Until neither side has anything to say."""
        for _ in range(6):
            self.turn()
            self.peer.play()
        self.turn()

    def soon(self, call, *arguments) -> None:
        """Called by the loop, as everything is."""
        self.loop.call_soon(call, *arguments)
        self.turn()

    def ask(self, text: str = "GET /a", *lines: str, pieces=(), trailers=None, **more) -> Request:
        request = Request(text, *lines, **more)
        request.send(self.connection.open(request), pieces, trailers)
        self.play()
        return request

    def end(self) -> None:
        self.play()
        self.peer.sock.close()
        self.close()
        assert self.context.window_room >= 0


@contextlib.contextmanager
def process(**options):
    """Checks that nothing is left in the end: no stream, no room that windows have taken."""
    made = Process(**options)
    room = made.context.window_room
    try:
        yield made
    except BaseException:
        made.peer.sock.close()
        raise
    made.end()
    assert made.context.window_room == room
    assert not made.connection.streams
