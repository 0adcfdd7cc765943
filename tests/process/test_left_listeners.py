"""Listeners that a reload removes or changes: what has connected before is served as it would have been."""

import os
import signal
import socket
import ssl
import threading

import psutil
import pytest

from tests.certificates import authority
from tests.harness import Rsp, wait_until
from tests.ports import free_port
from tests.tls_client import context

ROUTE = 'route { respond = { body = "hello" } }'
REQUEST = b"GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n"
CERTIFICATE = 'certificate { "site.bundle.pem" }'
HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"


def over_tls(sock):
    with context().wrap_socket(sock, server_hostname="site.example") as client:
        return plainly(client)


def plainly(sock):
    sock.sendall(REQUEST)
    received = b""
    while more := sock.recv(4096):
        received += more
    return received


def behind_a_proxy(sock):
    sock.sendall(HEADER)
    return plainly(sock)


class Clients:
    """Of ``port``; they have connected, and each then asks in a thread of its own, by ``ask``."""

    def __init__(self, port, number):
        self._socks = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(number)]
        self._threads = []
        self.answers = []

    def ask(self, ask):
        for sock in self._socks:
            self._threads.append(threading.Thread(target=self._ask, args=(ask, sock)))
            self._threads[-1].start()

    def _ask(self, ask, sock):
        with sock:
            try:
                self.answers.append(ask(sock)[:15])
            except (OSError, ssl.SSLError) as error:
                self.answers.append(repr(error))

    def finish(self):
        for thread in self._threads:
            thread.join()
        return self.answers


TRIAL = 'reload = { canary = "1s" }'
TLS = 'listen "127.0.0.1:{own}" { tls = true }'
PLAIN = 'listen "127.0.0.1:{own}"'
PROXIED = 'listen "127.0.0.1:{own}" { proxy_protocol = { from = { "127.0.0.1" } } }'
REMAINS = 'listen "127.0.0.1:{port}"'
REMAINS_TLS = 'listen "127.0.0.1:{port}" { tls = true }'


ONLY_TLS = f"{REMAINS} {TLS} {CERTIFICATE}", REMAINS, over_tls


@pytest.fixture
def site(tmp_path):
    """What makes the text of a configuration, and the port that changes."""
    authority().issue("site.example").write(tmp_path, "site")
    authority().issue("other.example").write(tmp_path, "other")
    own = free_port()
    return own, lambda listeners, more="": f"{listeners.replace('{own}', str(own))} {ROUTE} {more}"


@pytest.mark.parametrize(
    ("before", "after", "ask", "trial"),
    [
        (*ONLY_TLS, ""),
        (*ONLY_TLS, TRIAL),
        (f"{REMAINS_TLS} {TLS} {CERTIFICATE}", f'{REMAINS_TLS} certificate {{ "other.bundle.pem" }}', over_tls, ""),
        (f"{REMAINS} {PROXIED}", REMAINS, behind_a_proxy, ""),
        (f"{REMAINS} {TLS} {CERTIFICATE}", f"{REMAINS} {PLAIN}", over_tls, ""),
        (f"{REMAINS} {PLAIN}", f"{REMAINS} {TLS} {CERTIFICATE}", plainly, ""),
        (f"{REMAINS} {PLAIN}", f"{REMAINS} {PROXIED}", plainly, TRIAL),
    ],
    ids=[
        "the only one with TLS", "with a trial", "one of two with TLS", "PROXY protocol", "TLS becomes plain",
        "plain becomes TLS", "plain becomes PROXY protocol",
    ],
)  # fmt: skip
def test_what_is_queued_is_served_as_before(tmp_path, site, before, after, ask, trial):
    own, text = site
    with Rsp(tmp_path, text(before)) as rsp:
        worker = rsp.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        clients = Clients(own, 30)
        clients.ask(ask)
        rsp.write(text(after, trial))
        rsp.signal(signal.SIGHUP)
        wait_until(lambda: rsp.admin("/status")["trial"], "a configuration on its way to the worker")
        os.kill(worker, signal.SIGCONT)
        assert clients.finish() == [b"HTTP/1.1 200 OK"] * 30, rsp.log
        wait_until(lambda: "Reloaded:" in rsp.log, "the reload")


def test_a_client_that_has_connected_may_begin_its_handshake_after_the_reload(tmp_path, site):
    own, text = site
    with Rsp(tmp_path, text(ONLY_TLS[0])) as rsp:
        clients = Clients(own, 2)
        wait_until(lambda: rsp.admin("/status")["now"]["connections"] == 2, "the connections")
        rsp.reload(text(ONLY_TLS[1]))
        clients.ask(over_tls)
        assert clients.finish() == [b"HTTP/1.1 200 OK"] * 2, rsp.log


def test_while_a_configuration_is_tried_its_worker_serves_the_listener_as_before(tmp_path, site):
    own, text = site
    with Rsp(tmp_path, text(ONLY_TLS[0])) as rsp:
        rsp.write(text(ONLY_TLS[1], TRIAL))
        rsp.signal(signal.SIGHUP)
        wait_until(lambda: rsp.admin("/status")["workers"][0]["version"] == 2, "the trial")
        clients = Clients(own, 2)
        clients.ask(over_tls)
        assert clients.finish() == [b"HTTP/1.1 200 OK"] * 2, rsp.log
        wait_until(lambda: "Reloaded:" in rsp.log, "the reload")


def test_what_is_kept_of_a_listener_that_redirects_is_redirected_after_its_removal(tmp_path, site):
    """The routes may be for TLS alone."""
    own, text = site
    kept = REQUEST.replace(b"Connection: close\r\n", b"")
    with Rsp(tmp_path, text(f'{REMAINS} listen "127.0.0.1:{own}" {{ redirect = "https" }}')) as rsp:
        with socket.create_connection(("127.0.0.1", own), timeout=30) as client:
            client.sendall(kept)
            assert client.recv(4096).startswith(b"HTTP/1.1 308 ")
            for _ in range(2):
                rsp.reload(text(REMAINS))
                client.sendall(kept)
                assert client.recv(4096).startswith(b"HTTP/1.1 308 ")
            rsp.reload(text(f"{REMAINS} {PLAIN}"))
            client.sendall(REQUEST)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_what_connects_while_a_listener_is_removed_is_served(tmp_path, site):
    """The master must not keep a socket that its worker has left: what queued there would be reset."""
    own, text = site
    with Rsp(tmp_path, text(f"{REMAINS} {PLAIN}"), workers=2) as rsp:
        first, second = rsp.workers().values()
        os.kill(second, signal.SIGSTOP)
        rsp.write(text(REMAINS))
        rsp.signal(signal.SIGHUP)
        wait_until(lambda: all(one.laddr.port != own for one in psutil.Process(first).net_connections()), "the first")
        clients = Clients(own, 20)
        clients.ask(plainly)
        os.kill(second, signal.SIGCONT)
        assert clients.finish() == [b"HTTP/1.1 200 OK"] * 20, rsp.log
        wait_until(lambda: "Reloaded:" in rsp.log, "the reload")
