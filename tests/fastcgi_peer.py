"""A FastCGI application on a real socket, written from the specification alone: it shares no code with rsp."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.ports import free_port

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7


def record(kind: int, content: bytes = b"", *, number: int = 1, padding: int = 0, version: int = 1) -> bytes:
    return struct.pack(">BBHHBB", version, kind, number, len(content), padding, 0) + content + bytes(padding)


def end(status: int = 0, *, code: int = 0, number: int = 1, padding: int = 0) -> bytes:
    return record(END, struct.pack(">IB3x", code, status), number=number, padding=padding)


def answer(text: bytes, *, piece: int = 65535) -> bytes:
    """A whole response: ``text`` on STDOUT, in records of ``piece`` bytes."""
    parts = [record(STDOUT, text[at : at + piece]) for at in range(0, len(text), piece)]
    return b"".join(parts) + record(STDOUT) + end()


def page(body: bytes, fields: bytes = b"") -> bytes:
    return answer(b"Content-Type: text/plain\r\n" + fields + b"\r\n" + body)


@dataclass
class Asked:
    """A request as it came; ``records``: the types of its records."""

    params: dict[bytes, bytes] = field(default_factory=dict)
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    keep: bool = False
    records: list[int] = field(default_factory=list)


def read_pairs(data: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values (specification, 3.4)."""
    found, at = [], 0

    def length() -> int:
        nonlocal at
        if data[at] >> 7 == 0:
            at += 1
            return data[at - 1]
        at += 4
        return struct.unpack(">I", data[at - 4 : at])[0] & 0x7FFFFFFF

    while at < len(data):
        name, value = length(), length()
        assert at + name + value <= len(data), "a pair that goes on in the next record, which PHP does not read"
        found.append((data[at : at + name], data[at + name : at + name + value]))
        at += name + value
    return found


def read_request(connection: socket.socket, pace: float = 0.0) -> Asked | None:
    """One request with its body, or ``None`` at the connection's end; ``pace``: seconds between its records."""
    asked, body = Asked(), []
    while True:
        head = _exactly(connection, 8)
        if head is None:
            return None
        version, kind, number, size, padding, _ = struct.unpack(">BBHHBB", head)
        assert (version, number) == (1, 1)
        content = (_exactly(connection, size) or b"") if size else b""
        if padding:
            _exactly(connection, padding)
        asked.records.append(kind)
        if kind == BEGIN:
            role, flags = struct.unpack(">HB5x", content)
            assert role == 1
            asked.keep = bool(flags & 1)
        elif kind == PARAMS:
            asked.pairs += read_pairs(content)
            asked.params = dict(asked.pairs)
        elif kind == STDIN:
            body.append(content)
            time.sleep(pace)
            if not content:
                asked.body = b"".join(body)
                return asked


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            return None
        data += more
    return bytes(data)


Reply = Callable[[socket.socket, Asked], bool]


class FastCgiPeer:
    """``reply(connection, asked)`` answers and says whether the connection goes on; ``asked`` has all requests."""

    def __init__(self, reply: Reply | None = None, *, unix: str | None = None, pace: float = 0.0) -> None:
        self.reply = reply or saying(page(b"ok"))
        self.pace = pace
        self.asked: list[Asked] = []
        self.connections = 0
        self.open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(unix or ("127.0.0.1", free_port()))
        self._listener.listen(512)
        self.address = f"unix:{unix}" if unix else f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while (asked := read_request(connection, self.pace)) is not None:
                self.asked.append(asked)
                if not self.reply(connection, asked):
                    return
        except OSError:
            pass
        finally:
            connection.close()
            self.open.discard(connection)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self) -> "FastCgiPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def saying(data: bytes, *, keep: bool | None = None) -> Reply:
    """Answers with exactly these bytes, and goes on if it is asked to."""

    def reply(connection: socket.socket, asked: Asked) -> bool:
        connection.sendall(data)
        return asked.keep if keep is None else keep

    return reply
