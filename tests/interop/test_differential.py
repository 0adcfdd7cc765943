"""The same hundreds of raw requests through rsp, nginx and HAProxy, in front of a backend that records.

What must hold for rsp: what the backend received reads the same to a strict and to a lenient parser, and every
request in it was answered to the client who sent it.  Where rsp accepts what both others refuse, or refuses what
both accept, the reason stands in ``differences.py``.
"""

import re
import socket
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import h11
import pytest

from tests.harness import Rsp, free_port, proxy_to, wait_until
from tests.interop.battery import SENTINEL, battery
from tests.interop.differences import DIFFERENCES, reason_for
from tests.paths import ROOT

ANSWER = b"HTTP/1.1 200 OK\r\nX-Marker: 1\r\nContent-Length: 2\r\n\r\nok"


class Recorder:
    """A strict backend (h11) that keeps what every connection sent and how many requests it answered."""

    def __init__(self) -> None:
        self.streams: list[bytearray] = []
        self.answered = Counter()  # by stream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = bytearray()
        number = len(self.streams)
        self.streams.append(stream)
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        try:
            with connection:
                while True:
                    event = parser.next_event()
                    if event is h11.NEED_DATA:
                        data = connection.recv(65536)
                        stream += data
                        parser.receive_data(data)
                        if not data:
                            return
                    elif isinstance(event, h11.Request):
                        head_only = event.method == b"HEAD"
                    elif isinstance(event, h11.EndOfMessage):
                        self.answered[number] += 1
                        connection.sendall(ANSWER[:-2] if head_only else ANSWER)
                        parser.send(h11.Response(status_code=200, headers=[("Content-Length", "2")]))
                        if not head_only:
                            parser.send(h11.Data(data=b"ok"))
                        parser.send(h11.EndOfMessage())
                        if parser.our_state is h11.MUST_CLOSE:
                            return
                        parser.start_next_cycle()
                    elif isinstance(event, h11.ConnectionClosed):
                        return
        except (OSError, h11.ProtocolError):
            pass

    def close(self) -> None:
        self._listener.close()


def lenient_count(stream: bytes) -> int:
    """Whole requests in ``stream`` as the most forgiving of backends would read it."""
    count = 0
    while stream.strip(b"\r\n"):
        match = re.search(rb"\r?\n\r?\n", stream)
        if match is None:
            break
        head, stream = stream[: match.start()].lower(), stream[match.end() :]
        count += 1
        if re.search(rb"transfer.encoding\s*:[^\n]*chunked", head):
            while True:
                size = re.match(rb"\s*([0-9a-f]+)[^\n]*\n", stream, re.IGNORECASE)
                if size is None:
                    return count - 1
                stream = stream[size.end() :]
                if int(size[1], 16) == 0:
                    end = re.search(rb"^\r?\n", stream, re.MULTILINE)
                    stream = stream[end.end() :] if end else b""
                    break
                stream = stream[int(size[1], 16) :].lstrip(b"\r").removeprefix(b"\n")
        elif length := re.search(rb"content.length\s*:\s*\+?(\d+)", head):
            count -= len(stream) < int(length[1])
            stream = stream[int(length[1]) :]
    return count


def ask(port: int, request: bytes) -> list[int]:
    """Statuses of all the answers to ``request`` and the sentinel; 0 at the end for a connection that stays silent."""
    received = b""
    silent = False
    with socket.create_connection(("127.0.0.1", port), timeout=1.5) as client:
        try:
            client.sendall(request + SENTINEL)
            while data := client.recv(65536):
                received += data
        except TimeoutError:
            silent = True
        except OSError:
            pass
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received) if int(status) >= 200]
    return statuses + ([0] if silent else [])


NGINX = """daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ }} http {{ access_log off; upstream b {{ server 127.0.0.1:{backend}; keepalive 8; }}
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection "";
proxy_set_header Host $http_host; proxy_request_buffering off; }} }} }}"""

HAPROXY = """defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{backend}
"""


@pytest.fixture
def others(tmp_path, program, processes, answers):
    """nginx and HAProxy, each before a recorder of its own: their ports."""
    recorders, ports = [], []
    for name, text, arguments in (("nginx", NGINX, ["-c"]), ("haproxy", HAPROXY, ["-f"])):
        recorder, port = Recorder(), free_port()
        config = tmp_path / f"{name}.conf"
        config.write_text(text.format(directory=tmp_path, port=port, backend=recorder.port))
        processes.append(subprocess.Popen([program(name), *arguments, str(config)], stderr=subprocess.DEVNULL))
        wait_until(lambda port=port: answers(port), name)
        recorders.append(recorder)
        ports.append(port)
    yield ports
    for recorder in recorders:
        recorder.close()


def first_is_accepted(statuses: list[int]) -> bool:
    return statuses[:1] == [200]


@pytest.mark.soak
def test_rsp_against_nginx_and_haproxy(tmp_path, others):
    requests = battery()
    assert len(requests) > 300
    recorder = Recorder()
    with Rsp(tmp_path, proxy_to(f"127.0.0.1:{recorder.port}"), workers=2) as rsp, ThreadPoolExecutor(24) as pool:
        ports = [rsp.port, *others]
        results = [list(pool.map(lambda request, port=port: ask(port, request), requests)) for port in ports]
        assert "Unexpected" not in rsp.log
    marked = sum(status == 200 for statuses in results[0] for status in statuses)
    for number, stream in enumerate(recorder.streams):
        assert lenient_count(bytes(stream)) == recorder.answered[number], bytes(stream[:500])
    assert marked == sum(recorder.answered.values())
    unexplained = []
    for request, ours, nginx, haproxy in zip(requests, *results, strict=True):
        accepted, theirs = first_is_accepted(ours), {first_is_accepted(nginx), first_is_accepted(haproxy)}
        if accepted not in theirs and reason_for(request, accepted) is None:
            unexplained.append((request[:120], ours, nginx, haproxy))
    assert not unexplained, "\n".join(map(str, unexplained))


def test_the_differences_are_documented():
    documented = (ROOT / "docs" / "http.md").read_text()
    for _, reason in DIFFERENCES:
        assert f"| {reason} |" in documented
