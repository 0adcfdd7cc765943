"""Reloads, renewals, upgrades and dying workers while clients speak TLS: requests are counted, and resumed sessions."""

import os
import signal
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import psutil
import pytest
from cryptography import x509

from rsp.tls import engine
from tests.certificates import authority
from tests.harness import PATIENCE, Backend, Rsp, resident, wait_until
from tests.operations.test_upgrade import Upgradable, is_gone
from tests.over_tls import not_over_tls
from tests.soak import short_and_long

pytestmark = not_over_tls("these speak TLS anyway")
SITE = """
listen "127.0.0.1:{port}" { tls = true }
certificate { "site.bundle.pem" }
upstream "app" { "%s" }
route { to = "app" }
"""
complete = pytest.mark.skipif(not engine.COMPLETE, reason="tickets of all workers need the compiled build")


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


def issue(directory, number=0):
    authority().issue("site.test", number=number).write(directory, "site")


class Clients:
    """Threads, each with a connection after the other; half of them ask one request on each, the others fifty.

    ``good``: responses; ``failures``: what went wrong; ``offered``: connections that had a session to resume.
    """

    def __init__(self, port, count):
        self.good = self.opened = self.offered = self.resumed = 0
        self.failures = []
        self._port, self._stop, self._lock = port, threading.Event(), threading.Lock()
        version = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        shapes = [(version[number // 2 % 2], (1, 50)[number % 2]) for number in range(count)]
        self.threads = [threading.Thread(target=self._client, args=shape) for shape in shapes]
        for thread in self.threads:
            thread.start()

    def _client(self, version, requests):
        context = authority().trusted()
        context.minimum_version = context.maximum_version = version
        session = None
        while not self._stop.is_set():
            try:
                session = self._connection(context, requests, session)
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
                time.sleep(0.02)

    def _connection(self, context, requests, session):
        raw = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        with context.wrap_socket(raw, server_hostname="site.test", session=session, suppress_ragged_eofs=False) as sock:
            with self._lock:
                self.opened += 1
                self.offered += session is not None
                self.resumed += sock.session_reused
            for number in range(requests):
                last = number == requests - 1 or self._stop.is_set()
                field = b"Connection: close\r\n" if last else b""
                sock.sendall(b"GET / HTTP/1.1\r\nHost: site.test\r\n" + field + b"\r\n")
                answer = b""
                while not answer.endswith(b"\r\n\r\none"):
                    more = sock.recv(65536)
                    assert more, f"the response ends after {answer!r}"
                    answer += more
                assert answer.startswith(b"HTTP/1.1 200"), answer
                with self._lock:
                    self.good += 1
                if last or b"onnection: close" in answer:
                    break
            return sock.session

    def more(self, requests=200):
        """Wait until so many more requests were answered."""
        wanted = self.good + requests
        wait_until(lambda: self.good >= wanted, f"{requests} more requests ({self.failures[:3]})")

    def rate(self):
        """The share of connections since the last call that have resumed what they offered."""
        with self._lock:
            before, self._seen = getattr(self, "_seen", (0, 0)), (self.offered, self.resumed)
            return (self.resumed - before[1]) / max(self.offered - before[0], 1)

    def stop(self):
        self._stop.set()
        for thread in self.threads:
            thread.join()


@contextmanager
def clients(port, count=8):
    running = Clients(port, count)
    try:
        running.more()
        yield running
        running.more()
    finally:
        running.stop()


@complete
@short_and_long("rounds", 2, 20)
def test_reloads_and_renewals_lose_nothing(tmp_path, backend, rounds):
    issue(tmp_path)
    with Rsp(tmp_path, SITE % backend.address, workers=2) as rsp:
        with clients(rsp.port) as load:
            before = load.rate()
            for number in range(rounds):
                rsp.reload()
                load.more(100)
                issue(tmp_path, number + 1)
                serial = authority().issue("site.test", number=number + 1).certificate.serial_number
                wait_until(lambda serial=serial: serial_of(rsp.port) == serial, "the new certificate")
                load.more(100)
            after = load.rate()
        assert load.failures == []
        assert (before, after) == (1, 1)
        assert load.resumed == load.offered > 50


def serial_of(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE)) as sock:
        return x509.load_der_x509_certificate(sock.getpeercert(True)).serial_number


@complete
@short_and_long("upgrades", 2, 10)
def test_upgrades_lose_nothing(tmp_path, backend, upgrades):
    issue(tmp_path)
    with Upgradable(tmp_path, SITE % backend.address + "timeouts = { shutdown = 5 }") as rsp:
        with clients(rsp.port) as load:
            before = load.rate()
            old = []
            for _ in range(upgrades):
                old.append(rsp.upgrade())
                load.more(100)
            wait_until(lambda: all(is_gone(pid) for pid in old), "the old masters to leave")
            load.more(100)
            after = load.rate()
        assert load.failures == []
        assert (before, after) == (1, 1)
        os.kill(rsp.pid, signal.SIGTERM)
        wait_until(lambda: not (tmp_path / "rsp.pid").exists(), "the last one to stop")


@complete
@short_and_long("kills", 2, 10)  # more in a short time are restarted later and later
def test_a_killed_worker_takes_its_own_requests_only(tmp_path, backend, kills):
    issue(tmp_path)
    with Rsp(tmp_path, SITE % backend.address, workers=2) as rsp:
        with clients(rsp.port) as load:
            load.rate()
            for number in range(kills):
                before, pid = len(load.failures), rsp.workers()[number % 2]
                psutil.Process(pid).kill()
                wait_until(lambda slot=number % 2, pid=pid: rsp.workers().get(slot, pid) != pid, "its successor")
                load.more(300)
                assert len(load.failures) - before <= len(load.threads)  # each client has one connection at a time
                settled = len(load.failures)
                load.more(300)
                assert len(load.failures) == settled
            assert load.rate() == 1


@complete
def test_the_control_process_may_die(tmp_path, backend):
    issue(tmp_path)
    with Rsp(tmp_path, SITE % backend.address, workers=2) as rsp:
        with clients(rsp.port) as load:
            psutil.Process(rsp.admin("/status")["control"]["pid"]).kill()
            load.more(300)
        assert load.failures == []
        assert load.resumed == load.offered


@pytest.mark.alone
@short_and_long("count", 2_000, 10_000)
def test_half_open_handshakes_cost_bounded_memory_and_time(tmp_path, backend, count):
    """Each has sent a ClientHello and nothing more; a quiet client does not notice them, and they are given up."""
    issue(tmp_path)
    text = SITE % backend.address + f"limits = {{ connections = {count + 500} }} timeouts = {{ handshake = 5 }}"
    outgoing = ssl.MemoryBIO()
    hello = authority().trusted().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="site.test")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    data = outgoing.read()
    with Rsp(tmp_path, text) as rsp:
        worker = rsp.workers()[0]
        before = resident(worker)
        held, slowest = [], 0.0
        try:
            for number in range(count):
                sock = socket.create_connection(("127.0.0.1", rsp.port), PATIENCE)
                sock.sendall(data)
                held.append(sock)
                if number % (count // 20) == 0:
                    began = time.monotonic()
                    with (
                        authority()
                        .trusted()
                        .wrap_socket(
                            socket.create_connection(("127.0.0.1", rsp.port), PATIENCE), server_hostname="site.test"
                        ) as quiet
                    ):
                        quiet.sendall(b"GET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n")
                        assert quiet.recv(1000).startswith(b"HTTP/1.1 200")
                    slowest = max(slowest, time.monotonic() - began)
            grown = resident(worker) - before
            assert grown / count < 64 << 10
            assert slowest < 5
            for sock in held:
                sock.settimeout(PATIENCE)
            wait_until(lambda: ended(held[-1]), "the last one to be given up")
            assert all(ended(sock) for sock in held)
        finally:
            for sock in held:
                sock.close()


def ended(sock):
    """Whether rsp has closed it; what it has said before does not matter."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True
