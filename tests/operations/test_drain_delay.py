"""``ready`` and ``drain_delay``: what Kubernetes and the balancers of clouds see of an instance that is about to end."""

import contextlib
import os
import signal
import socket

import psutil
import pytest

from tests.harness import Backend, Rsp, accepts, exchange, get, wait_until

SITE = """
listen "127.0.0.1:{port}"
ready = "/readyz"
drain_delay = "DELAY"
upstream "app" { "APP" }
route { to = "app" }
"""


@pytest.fixture(scope="module")
def backend():
    with Backend() as backend:
        yield backend


def site(backend, delay):
    return SITE.replace("APP", backend.address).replace("DELAY", delay)


def is_ready(rsp):
    answer = get(rsp.port, "/readyz")
    assert answer.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 Service Unavailable\r\n")), answer
    return answer.startswith(b"HTTP/1.1 200")


def once(rsp):
    with socket.create_connection(("127.0.0.1", rsp.port), 30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return client.recv(1000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_it_accepts_until_the_second_signal(tmp_path, backend, number):
    with Rsp(tmp_path, site(backend, "1h"), workers=2) as rsp:
        kept = socket.create_connection(("127.0.0.1", rsp.port), 30)
        assert is_ready(rsp) and rsp.rspctl("health").returncode == 0
        assert b"Connection: close" not in once(rsp)
        rsp.signal(number)
        wait_until(lambda: not is_ready(rsp), "503")
        for _ in range(20):  # whichever worker answers
            assert not is_ready(rsp)
            assert get(rsp.port).endswith(b"one")
        kept.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert kept.recv(1000).startswith(b"HTTP/1.1 503")
        health = rsp.rspctl("health")
        assert (health.returncode, health.stderr) == (1, "rspctl: rsp stops\n")
        wait_until(lambda: b"\r\nConnection: close\r\n" in once(rsp), "responses that end their connection")
        assert "Stopping in 3600s: new connections are accepted until then, or until a second signal." in rsp.log
        psutil.Process(rsp.workers()[0]).kill()  # its successor knows as well
        wait_until(lambda: len(rsp.workers()) == 2, "the next worker")
        for _ in range(20):
            assert not is_ready(rsp)
        rsp.reload()
        assert not is_ready(rsp)
        assert rsp.admin("/upgrade", {})["http_status"] != 200
        assert "Upgrade refused: rsp is stopping" in rsp.log
        rsp.signal(number)
        assert rsp.process.wait(30) == 0
        assert "Stopping: waiting for running requests to finish." in rsp.log
        kept.close()
    assert not accepts(rsp.port)


def test_it_ends_by_itself(tmp_path, backend):
    with Rsp(tmp_path, site(backend, "700ms")) as rsp:
        rsp.signal(signal.SIGTERM)
        wait_until(lambda: "Stopping in 700ms" in rsp.log, "the announcement")
        assert not is_ready(rsp)
        assert rsp.process.wait(30) == 0
        assert "Stopping: waiting for running requests to finish." in rsp.log


def test_an_interrupt_does_not_wait(tmp_path, backend):
    with Rsp(tmp_path, site(backend, "1h")) as rsp:
        rsp.signal(signal.SIGTERM)
        wait_until(lambda: "Stopping in 3600s" in rsp.log, "the announcement")
        rsp.signal(signal.SIGINT)
        assert rsp.process.wait(30) == 0
        assert "Stopping at once." in rsp.log


def test_a_signal_to_the_whole_group_is_one(tmp_path, backend):
    """As systemd sends it with KillMode=control-group."""
    with Rsp(tmp_path, site(backend, "1h"), workers=2) as rsp:
        for pid in (rsp.process.pid, *rsp.workers().values()):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_ready(rsp), "503")
        workers = rsp.workers()
        for _ in range(20):
            assert get(rsp.port).endswith(b"one")
        assert rsp.workers() == workers
        for pid in (rsp.process.pid, *workers.values()):
            with contextlib.suppress(ProcessLookupError):  # the master's signal may have ended its workers by now
                os.kill(pid, signal.SIGTERM)
        assert rsp.process.wait(30) == 0


def test_without_a_delay_open_connections_hear_of_it(tmp_path, backend):
    with Rsp(tmp_path, site(backend, "0s")) as rsp:
        kept = socket.create_connection(("127.0.0.1", rsp.port), 30)
        kept.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n")  # a connection that is not idle is not closed
        idle = socket.create_connection(("127.0.0.1", rsp.port), 30)
        idle.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(10_000).startswith(b"HTTP/1.1 200 OK\r\n")  # the worker has seen both by now
        rsp.signal(signal.SIGTERM)
        wait_until(lambda: "Stopping: waiting for running requests to finish." in rsp.log, "the end")
        while idle.recv(10_000):  # until the worker, too, knows of it
            pass
        kept.sendall(b"\r\n")
        received = b""
        while more := kept.recv(10_000):
            received += more
        assert received.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nConnection: close\r\n" in received
        assert rsp.process.wait(30) == 0
        kept.close()
        idle.close()


def test_the_service_manager_hears_of_it(tmp_path, backend, monkeypatch):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(30)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with Rsp(tmp_path, site(backend, "1h")) as rsp:
        rsp.signal(signal.SIGTERM)
        while not (heard := manager.recv(1000)).startswith(b"STOPPING=1"):
            pass
        assert heard == b"STOPPING=1\nSTATUS=new connections are accepted for another 3600s"
        assert exchange(rsp.port, b"GET /readyz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 503")
        assert rsp.stop() == 0
    manager.close()
