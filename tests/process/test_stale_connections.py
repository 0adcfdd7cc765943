"""How often a request is sent: once, but for what `retry` allows, and once more where an idle connection was stale."""

import os
import socket
import struct
import tempfile
import threading
import time

import psutil
import pytest

from tests.harness import Backend, Rsp, exchange, wait_until

ONCE = "retry = { tries = 1, budget = 0 }"
GET = b"GET /%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nxy"


class Fickle:
    """Answers the first request of each connection, and does something else with the next one; so it does with a
    request for /first."""

    def __init__(self, then):
        self.then = then
        self.served = set()
        self.executed = 0

    def __call__(self, connection, head, rest):
        if b" /early " not in head and b"/first" not in head and connection not in self.served:
            self.served.add(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return True
        self.executed += 1
        return self.then(connection)


def at_once(connection):
    return False


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def late(connection):
    time.sleep(0.5)  # many round trips
    return False


def late_reset(connection):
    time.sleep(0.5)
    return reset(connection)


def partly(connection):
    connection.sendall(b"HTTP/1.1 2")
    return False


def interim(connection):
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n")
    return False


def site(*backends, options=ONCE, extra=""):
    peers = ", ".join(f'"{one.address}"' for one in backends)
    return f'listen "127.0.0.1:{{port}}" upstream "app" {{ {peers}, {options} }} route {{ to = "app" }} {extra}'


def used(rsp, backend):
    """An idle connection to it is in the pool."""
    assert exchange(rsp.port, GET % b"warm").startswith(b"HTTP/1.1 200")
    wait_until(lambda: len(backend.open) == 1)


@pytest.mark.parametrize("then", [late, late_reset, partly, interim])
def test_a_request_that_the_peer_has_had_runs_once(tmp_path, then):
    with Backend(Fickle(then)) as backend, Rsp(tmp_path, site(backend)) as rsp:
        used(rsp, backend)
        assert b"HTTP/1.1 502" in exchange(rsp.port, GET % b"")
        assert backend._handler.executed == 1
        assert len(backend.heads) == 2


def ask_when_it_closes(rsp, backend, request):
    """The answer to ``request``, which the worker has in its hands before it hears that the peer has closed the idle
    connection."""
    worker = psutil.Process(rsp.workers()[0])
    client = socket.create_connection(("127.0.0.1", rsp.port), 30)
    client.sendall(b"GET /warm HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    wait_until(lambda: len(backend.open) == 1)
    worker.suspend()
    wait_until(lambda: worker.status() == psutil.STATUS_STOPPED)
    client.sendall(request)
    for connection in list(backend.open):
        connection.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not backend.open)
    worker.resume()
    answer = client.recv(65536)
    client.close()
    return answer


@pytest.mark.parametrize("options", [ONCE, "retry = { budget = 0 }", "retry = { tries = 1 }"])
@pytest.mark.parametrize("request_", [GET % b"", PUT], ids=["get", "put"])
def test_a_connection_that_was_stale_costs_no_try(tmp_path, options, request_):
    with Backend() as backend, Rsp(tmp_path, site(backend, options=options)) as rsp:
        assert ask_when_it_closes(rsp, backend, request_).startswith(b"HTTP/1.1 200")
        assert len(backend.heads) == 2


def test_a_stale_connection_to_a_local_socket(tmp_path):
    with tempfile.TemporaryDirectory() as place, Backend(unix=f"{place}/peer") as backend:
        os.chmod(place, 0o755)
        os.chmod(f"{place}/peer", 0o777)
        with Rsp(tmp_path, site(backend)) as rsp:
            assert ask_when_it_closes(rsp, backend, GET % b"").startswith(b"HTTP/1.1 200")
            assert len(backend.heads) == 2


def test_there_is_one_free_try_and_none_after_a_new_connection(tmp_path):
    with Backend(Fickle(at_once)) as backend, Rsp(tmp_path, site(backend)) as rsp:
        assert exchange(rsp.port, GET % b"first").startswith(b"HTTP/1.1 502")
        assert backend._handler.executed == 1
        assert ask_when_it_closes(rsp, backend, GET % b"first").startswith(b"HTTP/1.1 502")
        assert backend._handler.executed == 2


def soon(connection):
    time.sleep(0.02)  # more than what is free, less than what may be a busy peer's delay
    return False


@pytest.mark.parametrize(
    ("options", "again"),
    [("", True), ("retry = { tries = 2 }", True), (ONCE, False), ("retry = { budget = 0 }", False)],
)
def test_the_only_peer_is_asked_again_where_a_retry_is_allowed(tmp_path, options, again):
    with Backend(Fickle(soon)) as backend, Rsp(tmp_path, site(backend, options=options)) as rsp:
        answers = set()
        for _ in range(10):  # on a machine that stands still for 80 ms it is too late
            if b"200" not in answers:
                exchange(rsp.port, GET % b"warm")
                answers.add(exchange(rsp.port, GET % b"")[9:12])
        assert (b"200" in answers) == again


def test_what_cannot_be_repeated_is_not(tmp_path):
    options = "retry = { tries = 1, budget = 0, body = 10 }"
    with Backend(Fickle(at_once)) as backend, Rsp(tmp_path, site(backend, options=options)) as rsp:
        for method, size in ((b"POST", 0), (b"PUT", 20)):
            used(rsp, backend)
            request = b"%b / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (method, size)
            before = backend._handler.executed
            assert exchange(rsp.port, request + b"x" * size).startswith(b"HTTP/1.1 502")
            assert backend._handler.executed == before + 1


@pytest.mark.parametrize(
    ("options", "executions"), [(ONCE, 1), ("retry = { tries = 2 }", 2), ("retry = { budget = 0 }", 1), ("", 3)]
)
@pytest.mark.parametrize("then", [late, partly])
def test_three_peers_that_fail_are_asked_as_often_as_retry_says(tmp_path, options, executions, then):
    three = [Backend(Fickle(then)) for _ in range(3)]
    with three[0], three[1], three[2], Rsp(tmp_path, site(*three, options=options)) as rsp:
        for _ in three:
            assert exchange(rsp.port, GET % b"warm").startswith(b"HTTP/1.1 200")
        assert [len(one.open) for one in three] == [1, 1, 1]
        assert b"HTTP/1.1 502" in exchange(rsp.port, GET % b"")
        assert sum(one._handler.executed for one in three) == executions


def test_a_hedge_is_a_try(tmp_path):
    go_on = threading.Event()

    def wait(connection):
        go_on.wait(30)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    two = [Backend(Fickle(wait)) for _ in range(2)]
    options = "hedge = { after = 0.02 }, retry = { tries = 1 }"
    with two[0], two[1], Rsp(tmp_path, site(*two, options=options)) as rsp:
        answers = []
        client = threading.Thread(target=lambda: answers.append(exchange(rsp.port, GET % b"first")))
        client.start()
        wait_until(lambda: sum(one._handler.executed for one in two) == 1)
        client.join(0.3)
        go_on.set()
        client.join()
        assert answers[0].startswith(b"HTTP/1.1 200")
        assert sum(one._handler.executed for one in two) == 1


HOOK = """
route { path = "/hook", to = "app", on_request = function()
  local res, reason = http.get { upstream = "app", url = "/" }
  return respond { status = 200, body = res and tostring(res.status) or reason }
end }
"""


def test_a_hooks_request_runs_once_too(tmp_path):
    with Backend(Fickle(late)) as backend, Rsp(tmp_path, site(backend, extra=HOOK)) as rsp:
        used(rsp, backend)
        assert exchange(rsp.port, GET % b"hook").endswith(b"no peer could be reached, or none responded")
        assert backend._handler.executed == 1
        assert ask_when_it_closes(rsp, backend, GET % b"hook").endswith(b"200")
        assert backend._handler.executed == 1
