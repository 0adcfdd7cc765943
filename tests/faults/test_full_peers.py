"""Peers that are full, and drained or out as well: a worker asked them again and again, and did nothing else."""

import re
import socket
import threading

import pytest

from tests.faults.lab import RESET, Lab
from tests.harness import Rsp, get, wait_until


@pytest.fixture
def lab():
    with Lab(2) as one:
        yield one


def ask(port: int, extra: bytes = b"") -> socket.socket:
    """A request whose answer is read later."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + extra + b"\r\n")
    return client


def answer(client: socket.socket) -> bytes:
    with client, client.makefile("rb") as stream:
        return stream.read()


ALONE = 'route { path = "/alone", respond = { body = "alone" } }'


def test_a_client_that_is_bound_to_a_peer_that_drains_and_is_full_is_served_elsewhere(tmp_path, lab):
    options = 'sticky = true, max_conns = 1, drain = "60s"'
    with Rsp(tmp_path, lab.site(options, extra=ALONE)) as rsp:
        first = get(rsp.port)
        bound = next(one for one in lab.backends if first.endswith(one.name.encode()))
        other = next(one for one in lab.backends if one is not bound)
        cookie = b"Cookie: " + re.search(rb"(?i)set-cookie: ([^;\r]+)", first)[1] + b"\r\n"
        bound.fault = "hang"
        running = ask(rsp.port, cookie)
        wait_until(lambda: bound.running == 1, "the request that fills it")
        assert rsp.rspctl("drain", "app", bound.address).returncode == 0
        wait_until(lambda: rsp.state(bound.address) == "draining", "the drain")
        found = answer(ask(rsp.port, cookie))
        assert found.endswith(other.name.encode())
        assert b"set-cookie" not in found.lower(), "it stays bound"
        assert get(rsp.port, "/alone").endswith(b"alone")
        running.close()


def test_a_request_waits_for_a_peer_that_is_out_and_full(tmp_path, lab):
    sick = lab.backends[0]
    sick.health, sick.fault, sick.delay = "garbage", "hang", 0.0
    options = 'max_conns = 1, health = { path = "/health", interval = "100ms", timeout = "100ms" }, queue = { timeout = "1s" }'
    with Rsp(tmp_path, lab.site(options, peers=f'"{sick.address}"', extra=ALONE)) as rsp:
        wait_until(lambda: rsp.state(sick.address) == "down", "the check")
        running = ask(rsp.port)
        wait_until(lambda: sick.running == 1, "the request that fills it")
        late: list[bytes] = []
        waiting = threading.Thread(target=lambda: late.append(answer(ask(rsp.port))))
        waiting.start()
        assert get(rsp.port, "/alone").endswith(b"alone"), "the worker does other things"
        waiting.join()
        assert late[0].startswith(b"HTTP/1.1 503 "), late
        sick.fault = "ok"
        running.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        running.close()
        assert get(rsp.port).endswith(sick.name.encode())
