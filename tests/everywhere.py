"""The same request over HTTP/1.1 and HTTP/2, with and without TLS, and its response in one form.

with Everywhere(tmp_path, text) as rsp:        # ``text`` has no listeners: one for each way is added
    answer = rsp.ask(way, "/path", ("Name", "value"), method="PUT", body=b"...")
"""

import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from tests.certificates import authority
from tests.h2_client import Client, Field, as_bytes, data, headers, request_fields
from tests.harness import PATIENCE, Rsp
from tests.ports import free_port
from tests.tls_client import context

WAYS = ("h1", "h1-tls", "h2c", "h2-tls")
HOST = "site.example"


@dataclass
class Answer:
    """``fields``: by name in lower case, all values."""

    status: int
    fields: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""
    interim: list[int] = field(default_factory=list)

    def __getitem__(self, name: str) -> str | None:
        """The only value of a field; ``None``: there is no such field."""
        values = self.fields.get(name.lower(), [])
        assert len(values) < 2, (name, values)
        return values[0] if values else None


class Everywhere(Rsp):
    """``ports``: by way."""

    def __init__(self, directory: Path, text: str, workers: int | None = 1, **more: object) -> None:
        authority().issue(HOST, "*.site.example").write(directory, "site")
        self.ports = {way: free_port() for way in WAYS}
        self.ports["h2-tls"] = self.ports["h1-tls"]
        super().__init__(directory, text, workers, **more)

    def write(self, text: str) -> None:
        listeners = (
            f'listen "127.0.0.1:{self.ports["h1"]}"\n'
            f'listen "127.0.0.1:{self.ports["h2c"]}" {{ http2 = "prior-knowledge" }}\n'
            f'listen "127.0.0.1:{self.ports["h1-tls"]}" {{ tls = true }}\n'
            'certificate { "site.bundle.pem" }\n'
        )
        super().write(listeners + text)

    def connect(self, way: str) -> socket.socket:
        """A connection of HTTP/1.1."""
        sock = socket.create_connection(("127.0.0.1", self.ports[way]), PATIENCE)
        return trusted("http/1.1").wrap_socket(sock, server_hostname=HOST) if way == "h1-tls" else sock

    def client(self, way: str, *pairs: tuple[int, int], **more: object) -> Client:
        """A connection of HTTP/2."""
        tls = trusted("h2") if way == "h2-tls" else None
        return Client(self.ports[way], *pairs, tls=tls, name=HOST, **more)

    def ask(
        self, way: str, path: str = "/", *fields: Field, method: str = "GET", body: bytes = b"", host: str = HOST
    ) -> Answer:
        if way.startswith("h2"):
            with self.client(way) as client:
                return _ask_http2(client, path, fields, method, body, host)
        with self.connect(way) as sock:
            return _ask_http1(sock, path, fields, method, body, host)


def trusted(alpn: str) -> ssl.SSLContext:
    return context(alpn=(alpn,))


def _ask_http2(client: Client, path: str, fields: tuple[Field, ...], method: str, body: bytes, host: str) -> Answer:
    number = client.number()
    lower = [(as_bytes(name).lower(), value) for name, value in fields]
    named = request_fields(path, *lower, method=method, authority=host, scheme=client.scheme)
    client.send(headers(number, named, end=not body))
    response = client.streams[number]
    for at in range(0, len(body), 16384):
        make_room(client, number, min(16384, len(body) - at))
        client.send(data(number, body[at : at + 16384], end=at + 16384 >= len(body)))
    client.finish(response)
    found: dict[str, list[str]] = {}
    for name, value in response.fields:
        if not name.startswith(":"):
            found.setdefault(name, []).append(value)
    interim = [int(dict(each)[":status"]) for each in response.interim]
    return Answer(response.status, found, response.body, interim)


def make_room(client: Client, number: int, size: int) -> None:
    """Wait until both windows take so much."""
    windows = client.__dict__.setdefault("send_windows", {0: 65535})
    windows.setdefault(number, 65535)
    seen = client.__dict__.setdefault("seen", [0])

    def has_room() -> bool:
        for one in client.frames[seen[0] :]:
            if one.type == 8 and one.stream_id in windows:
                windows[one.stream_id] += one.window_increment
        seen[0] = len(client.frames)
        return min(windows[0], windows[number]) >= size or client.streams[number].over

    client.wait(has_room, "room in the windows")
    windows[0] -= size
    windows[number] -= size


def _ask_http1(
    sock: socket.socket, path: str, fields: tuple[Field, ...], method: str, body: bytes, host: str
) -> Answer:
    lines = b"".join(as_bytes(name) + b": " + as_bytes(value) + b"\r\n" for name, value in fields)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}".encode()
    sock.sendall(head + lines + b"\r\n" + body)
    received = b""
    while more := sock.recv(65536):
        received += more
    return parse(received)


def parse(received: bytes) -> Answer:
    """A whole response of HTTP/1.1, with those before it."""
    interim: list[int] = []
    while True:
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status >= 200 or status == 101:
            break
        interim.append(status)
        received = rest
    found: dict[str, list[str]] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        found.setdefault(name.lower(), []).append(value.strip())
    if found.get("transfer-encoding") == ["chunked"]:
        rest = _unchunked(rest)
    return Answer(status, found, rest, interim)


def _unchunked(data: bytes) -> bytes:
    body = b""
    while (match := re.match(rb"([0-9a-fA-F]+)[^\r]*\r\n", data)) and (size := int(match[1], 16)):
        body += data[match.end() : match.end() + size]
        data = data[match.end() + size + 2 :]
    return body
