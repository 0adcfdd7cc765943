"""rsp is told to stop while it is being upgraded: it stops, and nothing serves, or takes connections, after it."""

import signal
import socket
import threading

import psutil
import pytest

from tests.harness import Backend, Rsp, proxy_to, receive, wait_until


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("delay", ["", 'drain_delay = "100ms"\n'])
def test_a_stop_ends_an_upgrade(tmp_path, delay):
    """A request runs for longer than the new master takes to start."""
    go_on = threading.Event()

    def slow(connection, head, rest):
        go_on.wait(60)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
        return True

    with Backend(slow) as backend, Rsp(tmp_path, delay + proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=30) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: backend.heads, "the request runs")
            before = {child.pid for child in psutil.Process(rsp.process.pid).children()}
            rsp.signal(signal.SIGUSR2)
            wait_until(lambda: "Upgrading: " in rsp.log, "the upgrade begins")
            (new,) = [child for child in psutil.Process(rsp.process.pid).children() if child.pid not in before]
            rsp.signal(signal.SIGTERM)
            wait_until(lambda: refuses(rsp.port), "connections are refused")
            assert "Upgrade failed: rsp is stopping." in rsp.log
            assert not new.is_running()
            go_on.set()
            assert receive(client, 65536).endswith(b"good")
        assert rsp.process.wait(30) == 0
        assert "Upgraded" not in rsp.log
