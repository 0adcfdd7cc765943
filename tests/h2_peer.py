"""A backend that speaks HTTP/2 by another implementation (hyper-h2), on a real socket: a thread for each connection and
one for each request."""

import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from tests.ports import free_port

PATIENCE = 30.0
Lines = Iterable[tuple[str | bytes, str | bytes]]
SETTING = h2.settings.SettingCodes
ERROR = h2.errors.ErrorCodes


class Gone(Exception):
    """The request has been reset, or its connection is lost."""


class Asked:
    """One request.  ``fields``: of its head, the last one of each name; ``lines``: all of them, in order."""

    def __init__(self, connection: "Connection", number: int, lines: list[tuple[bytes, bytes]]) -> None:
        self.connection = connection
        self.number = number
        self.lines = lines
        self.fields = dict(lines)
        self.trailers: list[tuple[bytes, bytes]] = []
        self.reset_with: int | None = None
        self._pieces: list[tuple[bytes, int]] = []
        self._ended = False

    @property
    def method(self) -> bytes:
        return self.fields[b":method"]

    @property
    def path(self) -> bytes:
        return self.fields.get(b":path", b"")

    # -- what the connection hears

    def hear(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            self._pieces.append((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.TrailersReceived):
            self.trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            self._ended = True
        elif isinstance(event, h2.events.StreamReset):
            self.reset_with = event.error_code

    # -- what handlers do

    def read(self) -> bytes:
        """The next bytes of the body, which the peer may then send anew; none: its end."""
        with self.connection.changed:
            self._wait(lambda: self._pieces or self._ended)
            if not self._pieces:
                return b""
            data, size = self._pieces.pop(0)
            if size and not self._ended:
                with suppress(h2.exceptions.ProtocolError):
                    self.connection.h2.acknowledge_received_data(size, self.number)
                self.connection.flush()
            return data

    def body(self) -> bytes:
        return b"".join(iter(self.read, b""))

    def interim(self, status: int = 103, lines: Lines = ()) -> None:
        self._head([(":status", str(status)), *lines], False)

    def head(self, status: int = 200, lines: Lines = (), *, last: bool = False) -> None:
        self._head([(":status", str(status)), *lines], last)

    def respond(self, status: int = 200, body: bytes = b"", lines: Lines = (), trailers: Lines = ()) -> None:
        """All at once: a connection that is dropped has had all of it, or nothing."""
        with self.connection.changed:
            self.head(status, lines, last=not (body or trailers))
            if body:
                self.send(body, last=not trailers)
            if trailers:
                self._head(list(trailers), True)

    def end(self, trailers: Lines = ()) -> None:
        if trailers:
            self._head(list(trailers), True)
        else:
            self.send(b"", last=True)

    def _head(self, lines: list[tuple[str | bytes, str | bytes]], last: bool) -> None:
        with self.connection.changed:
            self._check()
            self.connection.h2.send_headers(self.number, lines, end_stream=last)
            self.connection.flush()

    def send(self, data: bytes, *, last: bool = False) -> None:
        """As fast as the peer's windows allow."""
        conn = self.connection.h2
        with self.connection.changed:
            while True:
                if data:
                    self._wait(lambda: conn.local_flow_control_window(self.number) > 0)
                self._check()
                room = conn.local_flow_control_window(self.number)
                size = min(len(data), room, conn.max_outbound_frame_size)
                piece, data = data[:size], data[size:]
                conn.send_data(self.number, piece, end_stream=last and not data)
                self.connection.flush()
                if not data:
                    return

    def reset(self, code: int = ERROR.REFUSED_STREAM) -> None:
        with self.connection.changed:
            self.connection.h2.reset_stream(self.number, code)
            self.connection.flush()

    def _wait(self, condition: Callable[[], object]) -> None:
        def settled() -> object:
            return self.connection.lost or self.reset_with is not None or condition()

        assert self.connection.changed.wait_for(settled, PATIENCE), "waited too long"
        self._check()

    def _check(self) -> None:
        if self.connection.lost or self.reset_with is not None:
            raise Gone


Handler = Callable[[Asked], None]


class Connection:
    """``goaway``: the code of the peer's GOAWAY; ``pings``: those that the peer has sent; ``at_once``: requests that
    have run at a time, at most."""

    def __init__(self, backend: "H2Backend", sock: socket.socket) -> None:
        self.backend = backend
        self.sock = sock
        self.changed = threading.Condition()
        self.requests: dict[int, Asked] = {}
        self.lost = False
        self.goaway: int | None = None
        self.pings = 0
        self.running = self.at_once = 0
        config = h2.config.H2Configuration(client_side=False, header_encoding=None, validate_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=backend.settings)
        self.h2.max_inbound_frame_size = self.h2.local_settings.max_frame_size

    def serve(self) -> None:
        try:
            with self.changed:
                self.h2.initiate_connection()
                if self.backend.window is not None:
                    self.h2.increment_flow_control_window(self.backend.window)
                self.flush()
            while data := self.sock.recv(65536):
                with self.changed:
                    for event in self.h2.receive_data(data):
                        self._hear(event)
                    self.flush()
                    self.changed.notify_all()
        except (OSError, h2.exceptions.ProtocolError) as error:
            self.backend.failures.append(repr(error))
        finally:
            self.close()

    def _hear(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            asked = self.requests[event.stream_id] = Asked(self, event.stream_id, event.headers)
            self.backend.requests.append(asked)
            self.running += 1
            self.at_once = max(self.at_once, self.running)
            threading.Thread(target=self._answer, args=(asked,), daemon=True).start()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
        elif isinstance(event, h2.events.PingReceived):
            self.pings += 1
        elif (number := getattr(event, "stream_id", None)) in self.requests:
            self.requests[number].hear(event)

    def _answer(self, asked: Asked) -> None:
        try:
            self.backend.handler(asked)
        except (Gone, OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            with self.changed:
                self.running -= 1

    def flush(self) -> None:
        """With ``changed`` held."""
        if data := self.h2.data_to_send():
            self.sock.sendall(data)

    def say_goaway(self, last: int | None = None, code: int = 0) -> None:
        """Streams above ``last`` are none: their requests have not been processed."""
        with self.changed:
            if last is not None:
                self.raw(b"\0\0\x08\x07\0\0\0\0\0" + last.to_bytes(4, "big") + code.to_bytes(4, "big"))
                return
            self.h2.close_connection(code)
            self.flush()

    def update(self, **settings: int) -> None:
        """New SETTINGS, by name."""
        with self.changed:
            self.h2.update_settings({SETTING[name]: value for name, value in settings.items()})
            self.flush()

    def raw(self, data: bytes) -> None:
        """These bytes, behind what has been said."""
        with self.changed:
            self.flush()
            self.sock.sendall(data)

    def close(self) -> None:
        with self.changed:
            self.lost = True
            self.changed.notify_all()
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # the thread that reads closes it, see H2Backend._serve
        self.backend.open.discard(self)


class H2Backend:
    """``handler``: answers one request, in a thread of its own; without one, ``name`` is the body of every response.

    ``settings``  what it says in its SETTINGS, by name; ``window``: by how much the connection's window is larger
    ``context``   of TLS; ``raw``: what is done with a connection instead, given its socket
    """

    def __init__(
        self,
        handler: Handler | None = None,
        *,
        name: str = "one",
        unix: str | None = None,
        port: int = 0,
        context: ssl.SSLContext | None = None,
        raw: Callable[[socket.socket], None] | None = None,
        window: int | None = None,
        **settings: int,
    ) -> None:
        self.name = name
        self.handler = handler or self._say_name
        self.raw = raw
        self.window = window
        self.settings = {SETTING[key]: value for key, value in settings.items()}
        self.requests: list[Asked] = []
        self.failures: list[str] = []
        self.made: list[Connection] = []
        self.open: set[Connection] = set()
        self._context = context
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(unix or ("127.0.0.1", port or free_port()))
        self._listener.listen(512)
        self.port = 0 if unix else self._listener.getsockname()[1]
        self.address = f"unix:{unix}" if unix else f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _say_name(self, asked: Asked) -> None:
        asked.body()
        asked.respond(200, self.name.encode(), [("content-length", str(len(self.name)))])

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            try:
                sock = self._context.wrap_socket(sock, server_side=True)
            except OSError as error:
                self.failures.append(str(error))
                sock.close()
                return
        if self.raw is not None:
            with suppress(OSError):
                self.raw(sock)
            sock.close()
            return
        # Another thread must not close it: OpenSSL answers the end that it then meets with an alert, to a number that
        # may by then be the pipe of another test.
        with sock:
            connection = Connection(self, sock)
            self.made.append(connection)
            self.open.add(connection)
            if self._closed:
                connection.close()
            else:
                connection.serve()

    @property
    def last(self) -> Connection:
        return self.made[-1]

    def drop(self) -> None:
        """Cut all connections that are open."""
        for connection in list(self.open):
            connection.close()

    def stop_listening(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        self.stop_listening()
        self.drop()

    def __enter__(self) -> "H2Backend":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def after(number: int, first: Handler, then: Handler) -> Handler:
    """A handler that does ``first`` for so many requests."""
    count = itertools.count()

    def handler(asked: Asked) -> None:
        (first if next(count) < number else then)(asked)

    return handler
