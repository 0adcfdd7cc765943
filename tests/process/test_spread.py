"""Connections that stay open are spread over the workers by their number, whatever the kernel's hash says."""

import os
import resource
import signal
import socket
from contextlib import ExitStack

import pytest

from tests.certificates import authority
from tests.harness import Backend, Rsp, proxy_to, wait_until
from tests.tls_client import context

SECURE = """
listen "127.0.0.1:{port}" { tls = true }
certificate { "site.bundle.pem" }
route { respond = { body = "hello" } }
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


class Clients(ExitStack):
    """Of one rsp; all stay connected."""

    def __init__(self, rsp):
        super().__init__()
        self._rsp = rsp

    def connect(self):
        client = self.enter_context(socket.create_connection(("127.0.0.1", self._rsp.port), timeout=30))
        client.sendall(REQUEST)
        return client

    def served(self, number):
        """So many more, one after the other."""
        for _ in range(number):
            assert self.connect().recv(4096).startswith(b"HTTP/1.1 200 ")


def counts(rsp):
    return [worker["connections"] for worker in rsp.admin("/status")["workers"]]


def ticked(rsp):
    """Each worker knows its siblings."""
    wait_until(lambda: all(each["uptime"] > 2.5 for each in rsp.admin("/status")["workers"]), "a second of each")


def test_a_new_worker_gets_the_connections_until_it_has_as_many(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=1) as rsp, Clients(rsp) as clients:
        clients.served(40)
        rsp.signal(signal.SIGTTIN)
        wait_until(lambda: "2 workers." in rsp.log and len(rsp.workers()) == 2, "the second worker")
        ticked(rsp)
        clients.served(20)  # the hash gives ten of them to the first
        wait_until(lambda: sum(counts(rsp)) == 60, "the count")
        assert counts(rsp) == [40, 20]
        clients.served(28)
        wait_until(lambda: sum(counts(rsp)) == 88, "the count")
        assert max(counts(rsp)) - min(counts(rsp)) <= 4
        assert "Unexpected" not in rsp.log


def test_none_is_lost_where_a_worker_may_not_open_more_files(tmp_path):
    ours = 'user = "root" ' if os.geteuid() == 0 else ""  # so that its limit may be changed
    text = ours + 'listen "127.0.0.1:{port}" route { respond = { body = "hello" } }'
    with Rsp(tmp_path, text, workers=1) as rsp, Clients(rsp) as clients:
        clients.served(40)
        rsp.signal(signal.SIGTTIN)
        wait_until(lambda: len(rsp.workers()) == 2, "the second worker")
        ticked(rsp)
        second = rsp.workers()[1]
        limits = resource.prlimit(second, resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir(f"/proc/{second}/fd")))
        resource.prlimit(second, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        waiting = [clients.connect() for _ in range(30)]
        wait_until(lambda: "too many open files" in rsp.log.lower(), "the limit")
        resource.prlimit(second, resource.RLIMIT_NOFILE, limits)
        for client in waiting:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_connection_that_is_handed_over_may_use_tls(tmp_path):
    authority().issue("site.example").write(tmp_path, "site")
    with Rsp(tmp_path, SECURE) as rsp, ExitStack() as stack:

        def served(number):
            for _ in range(number):
                plain = stack.enter_context(socket.create_connection(("127.0.0.1", rsp.port), timeout=30))
                client = stack.enter_context(context().wrap_socket(plain, server_hostname="site.example"))
                client.sendall(b"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n")
                assert client.recv(4096).startswith(b"HTTP/1.1 200 ")

        served(15)
        rsp.signal(signal.SIGTTIN)
        wait_until(lambda: len(rsp.workers()) == 2, "the second worker")
        ticked(rsp)
        served(10)
        wait_until(lambda: sum(counts(rsp)) == 25, "the count")
        assert counts(rsp) == [15, 10]


def test_what_a_worker_had_been_handed_when_it_died_is_served_by_the_next(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp, Clients(rsp) as clients:
        ticked(rsp)
        victim = rsp.workers()[1]
        os.kill(victim, signal.SIGSTOP)
        waiting = [clients.connect() for _ in range(40)]  # in the queue and in the inbox of one of the two
        os.kill(victim, signal.SIGKILL)
        for client in waiting:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert rsp.workers()[1] != victim


def test_a_worker_that_leaves_serves_what_it_had_been_handed(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        ticked(rsp)
        last = rsp.workers()[1]
        for _ in range(2):
            with Clients(rsp) as clients:
                os.kill(last, signal.SIGSTOP)
                waiting = [clients.connect() for _ in range(30)]
                rsp.signal(signal.SIGTTOU)
                os.kill(last, signal.SIGCONT)
                for client in waiting:
                    assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
            wait_until(lambda: len(rsp.workers()) == 1, "one worker")
            rsp.signal(signal.SIGTTIN)
            wait_until(lambda: len(rsp.workers()) == 2, "two workers")
            ticked(rsp)
            last = rsp.workers()[1]
