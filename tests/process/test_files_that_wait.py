"""Requests for files on a disk that does not respond: clients that leave, deadlines, bodies, hooks, and all others."""

import re
import socket
import threading

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.h2_client import headers, request_fields
from tests.harness import PATIENCE, Backend, exchange, receive, wait_until
from tests.paths import public_directory
from tests.slow_disk import SlowDisk, is_possible

pytestmark = pytest.mark.skipif(not is_possible(), reason="needs root and FUSE")

SITE = """
access_log = "access.log"
upstream "app" { "APP" }
route { path = "/slow/", files = "disk" }
route { path = "/else/", files = "disk", else_to = "app" }
route { path = "/timed/", files = "disk", timeouts = { request = "1s" },
  on_error = function(req, err) sleep(0.05) return respond(err.status, "mended") end }
route { path = "/hooked/", files = "disk", on_request = function(req) sleep(0.01) end,
  on_response = function(req, res) sleep(0.01) res.headers["X-Hook"] = res.status .. "" end }
route { path = "/fast/", files = "fast" }
"""
FILES = {f"{kind}-{number}": kind.encode() for kind in ("gone", "late", "held", "some") for number in range(10)}


def taking(bodies):
    """A backend that keeps the bodies of requests."""

    def answer(connection, head, rest):
        size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(rest) < size:
            rest += receive(connection, 65536)
        bodies.append(rest)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\napp")
        return True

    return answer


@pytest.fixture(scope="module")
def rsp():
    bodies = []
    with public_directory() as directory, Backend(taking(bodies)) as app:
        (directory / "disk").mkdir()
        (directory / "fast").mkdir()
        (directory / "fast" / "a.txt").write_bytes(b"fast")
        with (
            SlowDisk(directory / "disk", FILES) as disk,
            Everywhere(directory, SITE.replace("APP", app.address)) as one,
        ):
            one.disk, one.bodies = disk, bodies
            assert one.ask("h1", "/fast/a.txt").body == b"fast"
            for path in ("/slow/some-0", "/else/some-0", "/timed/some-0", "/hooked/some-0"):
                assert one.ask("h1", path).status == 200
            yield one


class Stalled:
    """As long as this lasts, the disk does not respond."""

    def __init__(self, rsp):
        self.rsp = rsp

    def __enter__(self):
        self.rsp.disk.asked.clear()
        self.rsp.disk.responds.clear()
        return self

    def __exit__(self, *_):
        self.rsp.disk.responds.set()

    def wait(self):
        assert self.rsp.disk.asked.wait(PATIENCE)
        assert self.rsp.ask("h1", "/fast/a.txt").body == b"fast"  # nothing else waits


class Asking(threading.Thread):
    def __init__(self, rsp, *arguments, **more):
        super().__init__(daemon=True)
        self.call = lambda: rsp.ask(*arguments, **more)
        self.answer = None
        self.start()

    def run(self):
        self.answer = self.call()

    def result(self):
        self.join(PATIENCE)
        return self.answer


@pytest.mark.parametrize("way", WAYS)
def test_a_request_waits_for_the_disk_and_is_answered(rsp, way):
    number = WAYS.index(way)
    with Stalled(rsp) as stalled:
        asked = [
            Asking(rsp, way, f"/slow/held-{number}"),
            Asking(rsp, way, f"/hooked/held-{number}"),
            Asking(rsp, way, f"/slow/held-{number}", ("Range", "bytes=1-2")),
            Asking(rsp, way, f"/slow/none-{way}"),
            Asking(rsp, way, f"/slow/held-{number + 4}", method="HEAD"),
        ]
        stalled.wait()
        assert all(one.answer is None for one in asked)
    found = [one.result() for one in asked]
    assert [one.status for one in found] == [200, 200, 206, 404, 200]
    assert [one.body for one in found[:3]] == [b"held", b"held", b"el"]
    assert found[1]["x-hook"] == "200"


def test_clients_that_leave_meanwhile(rsp):
    with Stalled(rsp) as stalled:
        for number in range(8):
            for path in ("slow", "else", "hooked"):
                sock = socket.create_connection(("127.0.0.1", rsp.ports["h1"]))
                sock.sendall(f"GET /{path}/gone-{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                if path == "slow":
                    stalled.wait()
                sock.close()
        with rsp.client("h2c") as client:
            client.send(headers(1, request_fields("/slow/gone-9", authority="x")))
            stalled.wait()
    wait_until(lambda: (rsp.directory / "access.log").read_text().count("gone-") >= 25, "lines for all of them")
    assert rsp.ask("h1", "/slow/gone-1").body == b"gone"
    assert "Traceback" not in rsp.log


@pytest.mark.parametrize("way", ["h1", "h2-tls"])
def test_a_deadline_passes_meanwhile(rsp, way):
    """One answer, though the file is found while a hook is still at work on the error."""
    with Stalled(rsp) as stalled:
        asked = Asking(rsp, way, f"/timed/late-{WAYS.index(way)}")
        stalled.wait()
        answer = asked.result()
    assert (answer.status, answer.body) == (504, b"mended")
    assert rsp.ask(way, "/timed/late-5").body == b"late"


@pytest.mark.parametrize("way", WAYS)
def test_a_body_arrives_meanwhile(rsp, way):
    body = bytes(range(256)) * 1200  # more than waits in memory for an upstream
    with Stalled(rsp) as stalled:
        fields = (("content-length", str(len(body))),) if way.startswith("h2") else ()
        asked = Asking(rsp, way, f"/else/none-{way}", *fields, body=body)
        stalled.wait()
    assert asked.result().body == b"app"
    assert rsp.bodies.pop() == body


def test_requests_behind_one_that_waits_keep_their_order(rsp):
    line = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
    received = []
    with Stalled(rsp) as stalled:
        requests = (
            line % b"slow/late-7"
            + line % b"fast/a.txt"
            + line.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"slow/none"
        )
        thread = threading.Thread(target=lambda: received.append(exchange(rsp.ports["h1"], requests)))
        thread.start()
        stalled.wait()
    thread.join(PATIENCE)
    assert re.findall(rb"HTTP/1.1 (\d+)", received[0]) == [b"200", b"200", b"404"]
    assert received[0].index(b"\r\n\r\nlate") < received[0].index(b"\r\n\r\nfast")
