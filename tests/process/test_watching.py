"""rspctl log and rspctl trace: requests of all workers as they end, seen without an effect on them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from rsp.ipc.watches import MOST
from tests.harness import PATIENCE, Backend, Rsp, answering, background_load, get, proxy_to, run_load, wait_until
from tests.ports import free_port

ESCAPE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd: \xe2\x80\xae\xc2\x9b31m\r\nSet-Cookie: s=secret\r\n\r\nok"


class Watch:
    """``GET /watch``, as lines of JSON; what is not asked for stays in the socket."""

    def __init__(self, rsp: Rsp, **query: object) -> None:
        self._rest = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(rsp.directory / "admin.sock"))
        self._socket.sendall(f"GET /watch?{urlencode(query)} HTTP/1.0\r\n\r\n".encode())
        self.status = int(self._line().split()[1])
        while self._line():
            pass

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            data = self._socket.recv(65536)
            assert data, "it has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.rstrip(b"\r")

    def next(self) -> dict:
        return json.loads(self._line())

    def waiting(self) -> Iterator[dict]:
        """What has come so far."""
        self._socket.settimeout(0.1)
        try:
            while True:
                yield self.next()
        except TimeoutError:
            self._socket.settimeout(PATIENCE)

    def until_all_look(self, rsp: Rsp, workers: int) -> None:
        """Until so many workers have shown a request."""
        seen: set[int] = set()
        while len(seen) < workers:
            get(rsp.port, "/ready")
            seen |= {line["worker"] for line in self.waiting()}

    def close(self) -> None:
        self._socket.close()


def command(rsp: Rsp, *arguments: str, encoding: str = "utf-8") -> subprocess.Popen:
    asked = [sys.executable, "-m", "rsp.rspctl", "-s", "admin.sock", *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.Popen(
        asked, cwd=rsp.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )  # fmt: skip


def output(process: subprocess.Popen, rsp: Rsp, *requests: tuple[str, str]) -> str:
    """What it says, while there are such requests."""
    wait_until(lambda: [get(rsp.port, *one) for one in requests] and process.poll() is not None, "its end")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out.decode()


def test_the_log_shows_the_requests_that_match(tmp_path):
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        process = command(rsp, "log", "--json", "-n", "3", 'path = "/b" and status = 200')
        lines = output(process, rsp, ("/a?b", "a.example"), ("/b?token=secret&x=1", "a.example")).splitlines()
        assert len(lines) == 3
        for line in map(json.loads, lines):
            assert line["target"] == "/b?token=***&x=1"
            assert (line["status"], line["method"], line["client"]) == (200, "GET", "127.0.0.1")
            assert line["upstream"] == backend.address and line["request_id"] and line["duration"] > 0


def test_a_trace_shows_what_happened(tmp_path):
    dead = f"127.0.0.1:{free_port()}"
    with Backend(answering(ESCAPE)) as backend:
        hook = f'sleep(0.001) http.get("http://{backend.address}/hook?token=secret")'
        text = proxy_to(backend.address, dead, extra=f"function on_request(req) {hook} end")
        with Rsp(tmp_path, text) as rsp:
            process = command(rsp, "trace", "--json", "-n", "2", 'retries >= 1 and request.header.x-a = "b"')
            extra = "X-A: b\r\nAuthorization: Basic c2VjcmV0\r\nCookie: s=secret; t\r\n"
            wait_until(
                lambda: rsp.rspctl("enable", dead) and get(rsp.port, "/x?password=secret", extra=extra)
                and process.poll() is not None, "its end",
            )  # fmt: skip
            out, err = process.communicate()
            assert process.returncode == 0, err
            assert b"secret" not in out and b"c2VjcmV0" not in out
    one = json.loads(out.splitlines()[0])
    phases = one["phases"]
    order = ["accepted", "head", "hooks", "queue", "connect", "sent", "first_byte", "last_byte"]
    assert list(phases) == order, one
    assert phases["accepted"] < 0 == phases["head"]
    moments = [phases[name] for name in order]
    assert moments == sorted(moments)
    assert phases["hooks"] >= 1000
    assert [run["phase"] for run in one["hooks"]] == ["on_request"]
    (call,) = one["calls"]
    assert (call["method"], call["target"]) == ("GET", "/hook?token=***")
    assert [(each["peer"], each["status"]) for each in call["tries"]] == [(backend.address, 200)]
    first, second = one["tries"][-2:]
    assert (first["peer"], first["status"], first["failure"]) == (dead, 0, "Connection refused")
    assert (second["peer"], second["status"], second["failure"]) == (backend.address, 200, "")
    assert first["started"] <= first["ended"] <= second["started"] <= second["sent"] <= second["first_byte"]
    assert one["request"].startswith("GET /x?password=*** HTTP/1.1\r\nHost: test\r\n")
    assert "Cookie: s=***; ***\r\n" in one["request"]
    assert one["response"].startswith("HTTP/1.1 200 OK\r\n") and "Set-Cookie: s=***" in one["response"]
    assert (one["status"], one["bytes"], one["retries"]) == (200, 2, 1)


@pytest.mark.parametrize("kind", ["log", "trace"])
def test_a_terminal_obeys_no_client_and_no_peer(tmp_path, kind):
    with Backend(answering(ESCAPE)) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        process = command(rsp, kind, "-n", "2")
        odd = "User-Agent: \u202e\u009b31m[red]x[/red]\\\r\n"
        wait_until(lambda: get(rsp.port, "/%1b[31m[b]x", extra=odd) and process.poll() is not None, "its end")
        out = process.communicate()[0].decode()
    assert "GET /%1b[31m[b]x" in out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    if kind == "trace":
        assert "[red]x[/red]\\\\" in out
        assert "X-Odd: \\u202e\\x9b31m" in out


def test_a_terminal_that_knows_few_letters(tmp_path):
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        process = command(rsp, "trace", "-n", "1", encoding="ascii")
        extra = "User-Agent: \u4e2d\r\n"
        wait_until(lambda: get(rsp.port, extra=extra) and process.poll() is not None, "its end")
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert b"User-Agent: \\u4e2d" in out


def test_requests_that_cannot_be_read_are_seen(tmp_path):
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        process = command(rsp, "log", "--json", "-n", "1", "status = 400")
        wait_until(lambda: get(rsp.port, extra="X : y\r\n") and process.poll() is not None, "its end")
        line = json.loads(process.communicate()[0])
        assert (line["method"], line["status"], line["route"]) == ("", 400, "")


def test_a_reader_that_is_too_slow_misses_a_number_of_requests_that_is_known(tmp_path):
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        watch = Watch(rsp, kind="trace")
        watch.until_all_look(rsp, 2)
        load = run_load(rsp.port, 8, 4000)
        assert load.good == 4000
        seen = dropped = 0
        while seen + dropped < 4000:
            line = watch.next()
            dropped += line.get("dropped", 0)
            seen += line.get("target") == "/load"
        assert seen + dropped == 4000
        assert seen >= 40, "a share of each worker's"
        watch.close()


def test_traffic_goes_on_when_the_control_process_dies(tmp_path):
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        process = command(rsp, "log")
        Watch(rsp, kind="trace").until_all_look(rsp, 2)
        with background_load(rsp.port, 4) as load:
            os.kill(rsp.admin("/status")["control"]["pid"], signal.SIGKILL)
            said = process.communicate(timeout=PATIENCE)[1]
            assert process.returncode == 1
            assert said.startswith(b"rspctl: admin.sock: ") and b"Traceback" not in said
            good = load.good
            wait_until(lambda: load.good > good + 50, "requests")
        assert not load.failures
        wait_until(lambda: rsp.rspctl("status").returncode == 0, "the control process")
        process = command(rsp, "log", "--json", "-n", "1")
        assert json.loads(output(process, rsp, ("/again", "test")))["target"] == "/again"


def test_mistakes(tmp_path):
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        done = rsp.rspctl("trace", "statu = 5")
        assert done.returncode == 1
        assert done.stderr == 'rspctl: condition: column 1: there is no field "statu" (did you mean "status"?)\n'
        done = rsp.rspctl("log", "-n", "0")
        assert done.returncode == 2 and 'expected a number from 1 to 1000000, got "0"' in done.stderr
        watches = [Watch(rsp) for _ in range(MOST)]
        assert {watch.status for watch in watches} == {200}
        wait_until(lambda: rsp.rspctl("log", "-n", "1", "status = 1").returncode == 1, "all to be open")
        assert rsp.rspctl("log").stderr == f"rspctl: {MOST} watches are open already; end one of them\n"
        for watch in watches:
            watch.close()
        process = command(rsp, "log", "-n", "1")
        output(process, rsp, ("/", "test"))
