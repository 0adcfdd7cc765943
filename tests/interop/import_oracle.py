"""nginx with a configuration, and rsp with what ``rsp import`` makes of it, before the same backends.

Both listen at the same ports of different loopback addresses, so that nothing that they say of themselves differs.
This file starts them, sends requests, and says where two responses are not the same; it knows no configuration.
"""

import base64
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read
from rsp.importing.site import Site
from tests.harness import Rsp, wait_until
from tests.interop.import_battery import Request
from tests.ports import free_port

NGINX_AT, RSP_AT = "127.0.0.2", "127.0.0.3"
MODIFIED = 784111777
# What each server says of itself or of the connection.
_OWN = {"date", "server", "connection", "keep-alive", "transfer-encoding", "content-length", "etag", "last-modified", "accept-ranges", "x-saw"}  # fmt: skip
_OWN_TO_PEERS = {"connection", "content-length", "transfer-encoding"}
FILES = {
    "index.html": b"<html>the index</html>" * 10,
    "about.html": b"about",
    "app.js": b"let plain = 1;\n" * 30,
    "css/app.css": b"p { color: red }\n" * 30,
    "docs/index.html": b"index of docs",
    "docs/guide.html": b"guide",
    "a b.txt": b"a name with a space",
    "404.html": b"own page for 404",
    "50x.html": b"own page for 50x",
    "shut/index.php": b"<?php",
    "shut/index.html": b"behind the script",
    "private/secret.txt": b"secret",
    ".env": b"PASSWORD=1",
    ".git/config": b"[core]",
    "logo.PNG": b"png",
}


def make_files(root: Path) -> None:
    (root / "empty").mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (MODIFIED, MODIFIED))


class _Handler(BaseHTTPRequestHandler):
    """Says what it saw in X-Saw.  ``/status/503`` in the target: this status; ``/goto``: a redirect to its own host."""

    protocol_version = "HTTP/1.1"
    server: "Echo"

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode("latin-1") if length else ""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = self._chunks()
        fields = [[name.lower(), value] for name, value in self.headers.items() if name.lower() not in _OWN_TO_PEERS]
        saw = json.dumps([self.server.name, self.command, self.path, sorted(fields), _told(body)])
        told = re.search(r"/status/([2-5][0-9][0-9])", self.path)
        upgraded = (
            self.headers.get("Upgrade", "").lower() == "websocket"
            and "upgrade" in self.headers.get("Connection", "").lower()
        )
        status = int(told[1]) if told else 302 if "/goto" in self.path else 101 if upgraded else 200
        text = f"<p>{self.server.name} for {self.path} example.test</p>\n".encode() * 20
        self.send_response_only(status)
        if status == 302 or "/login" in self.path:
            self.send_header("Location", f"http://{self.headers.get('Host', '')}/there?x=1")
        if status == 101:
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
        else:
            self.send_header("Connection", "close")
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(0 if status in (204, 304) else len(text)))
        self.send_header("X-Saw", base64.b64encode(saw.encode()).decode())
        self.send_header("X-Powered-By", "echo")
        self.send_header("Set-Cookie", "session=1; Path=/; Domain=backend.test")
        self.end_headers()
        self.close_connection = True  # so that no pooled connection of a proxy ends while a request is on its way
        if status not in (101, 204, 304) and self.command != "HEAD":
            self.wfile.write(text)

    def _chunks(self) -> str:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body.decode("latin-1")

    def log_message(self, *_: object) -> None:
        pass


def _told(body: str) -> str:
    return body if len(body) < 1000 else f"{len(body)} bytes"


for _method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
    setattr(_Handler, f"do_{_method}", _Handler._respond)


class Echo(ThreadingHTTPServer):
    """A backend at ``port`` of 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, name: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.name = name
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """A proxy may end a connection when it likes."""


class Seen(NamedTuple):
    """``saw``: what the backend saw; ``None``: none was asked."""

    status: int
    location: str | None
    fields: tuple[tuple[str, str], ...]
    saw: tuple | None
    body: bytes


def ask(address: str, port: int, request: Request) -> Seen:
    """Status 0: the connection ended without a response."""
    body = b"field=value" if request.method in ("POST", "PUT", "PATCH") else b""
    body = body.ljust(request.size, b".")
    target = re.sub(r"[^!-~]", lambda c: "".join(f"%{b:02X}" for b in c[0].encode()), request.target)
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {request.host}"]
    lines += [f"{name}: {value}" for name, value in request.fields]
    if not any(name == "Connection" for name, _ in request.fields):
        lines.append("Connection: close")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection((address, port), timeout=20) as plain:
        try:
            sock = _over_tls(plain, request.host) if request.tls else plain
            with suppress(OSError):  # a response may come before all of the body is sent
                sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            response = HTTPResponse(sock, method=request.method)
            response.begin()
            content = b"" if response.status == 101 else response.read()
        except (OSError, HTTPException):
            return Seen(0, None, (), None, b"")
        fields = [(name.lower(), value) for name, value in response.getheaders()]
    saw = next((value for name, value in fields if name == "x-saw"), None)
    return Seen(
        response.status,
        response.headers.get("Location"),
        tuple(sorted((name, _steady(name, value, response)) for name, value in fields if name not in _OWN)),
        None if saw is None else tuple(json.loads(base64.b64decode(saw))),
        content,
    )


def _over_tls(sock: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock, server_hostname=host)


def _steady(name: str, value: str, response: HTTPResponse) -> str:
    """Without what the clock changes."""
    if name == "expires" and (date := response.headers.get("Date")):
        try:
            seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(date)).total_seconds()
        except (TypeError, ValueError):
            return value
        return f"{round(seconds, -1)} s" if seconds >= 0 else "past"
    return value


def differences(request: Request, nginx: Seen, rsp: Seen) -> list[str]:
    """Where the two are not the same, one line for each."""
    found = []
    own_pages = _own_page(nginx) and rsp.saw is None and rsp.status >= 300
    for what in ("status", "location"):
        theirs, ours = getattr(nginx, what), getattr(rsp, what)
        if theirs != ours:
            found.append(f"{what}: nginx {theirs}, rsp {ours}")
    if nginx.saw is None or rsp.saw is None:
        if nginx.saw != rsp.saw:
            found.append(f"peer: nginx {nginx.saw and nginx.saw[0]}, rsp {rsp.saw and rsp.saw[0]}")
    else:
        for what, theirs, ours in zip(("peer", "method", "target", "", "content"), nginx.saw, rsp.saw, strict=True):
            if what and theirs != ours:
                found.append(f"{what}: nginx {theirs}, rsp {ours}")
        found += _of_fields("request", nginx.saw[3], rsp.saw[3], set())
    if nginx.status == rsp.status:
        found += _of_fields(
            "response", nginx.fields, rsp.fields, {"location", *(["content-type"] if own_pages else [])}
        )
        if nginx.body != rsp.body and not own_pages and not _packed(nginx, rsp) and request.method != "HEAD":
            found.append(f"body: nginx {nginx.body[:60]!r}, rsp {rsp.body[:60]!r}")
    return found


def _of_fields(where: str, nginx: Sequence, rsp: Sequence, skipped: set[str]) -> Iterator[str]:
    for name in sorted({name for name, _ in (*nginx, *rsp)} - skipped):
        theirs, ours = [[value for key, value in fields if key == name] for fields in (nginx, rsp)]
        if theirs != ours:
            yield f"{where} {name}: nginx {theirs}, rsp {ours}"


def _own_page(seen: Seen) -> bool:
    """Whether it is nginx's own page for a status."""
    return seen.saw is None and seen.status >= 300 and (not seen.body or b"<hr><center>nginx" in seen.body)


def _packed(nginx: Seen, rsp: Seen) -> bool:
    return ("content-encoding", "gzip") in nginx.fields and ("content-encoding", "gzip") in rsp.fields


class Pair(NamedTuple):
    """``site``: what the import made; ``ports``: those in the configuration, and those that are listened at."""

    site: Site
    ports: Mapping[int, int]
    rsp: Rsp

    def ask(self, request: Request) -> tuple[Seen, Seen]:
        """nginx's response and rsp's."""
        port = self.ports[request.port]
        return ask(NGINX_AT, port, request), ask(RSP_AT, port, request)


def written_for(address: str, text: str, ports: Mapping[int, int]) -> str:
    """The configuration with each ``listen PORT`` at ``address``."""
    return re.sub(r"(?m)^(\s*listen\s+)(\d+)\b", lambda found: f"{found[1]}{address}:{ports[int(found[2])]}", text)


@contextmanager
def running(directory: Path, nginx: str, files: Mapping[str, str], user: str = "") -> Iterator[Pair]:
    """``files``: by name; ``nginx.conf`` is the first to be read.  ``listen`` has just a port in all of them."""
    numbers = {int(port) for text in files.values() for port in re.findall(r"(?m)^\s*listen\s+(\d+)\b", text)}
    ports = {number: free_port() for number in sorted(numbers)}
    places = {}
    for address in (NGINX_AT, RSP_AT):
        place = places[address] = directory / address
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(written_for(address, text, ports))
        shutil.copytree(directory / "shared", place, dirs_exist_ok=True) if (directory / "shared").exists() else None
    main = places[RSP_AT] / "nginx.conf"
    site = read(main, main.read_text())
    text = checked(site, str(places[RSP_AT])).text
    command = [nginx, "-p", f"{places[NGINX_AT]}", "-c", "nginx.conf", "-e", "error.log"]
    command += ["-g", f"daemon off; pid nginx.pid; {user}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with Rsp(places[RSP_AT], text.replace("{port}", "{{port}}")) as rsp:
            first = next(iter(ports.values()))
            wait_until(lambda: process.poll() is not None or is_open(NGINX_AT, first), "nginx")
            assert process.poll() is None, (places[NGINX_AT] / "error.log").read_text()
            yield Pair(site, ports, rsp)
    finally:
        process.terminate()
        process.wait()


def is_open(address: str, port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((address, port)) == 0
