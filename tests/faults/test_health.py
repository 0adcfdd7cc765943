"""Active checks: once for the whole instance, in the scoreboard for all workers."""

import socket
import ssl
import subprocess
import threading
import time
from itertools import pairwise

import pytest

from tests.faults.lab import Lab, load, under_load
from tests.harness import Backend, Rsp, answering, get, wait_until

FAST = 'interval = "500ms", timeout = "500ms", rise = 2, fall = 2'


@pytest.fixture
def lab():
    with Lab() as one:
        yield one


def test_a_peer_that_is_down_gets_no_requests(tmp_path, lab):
    sick = lab.backends[0]
    with Rsp(tmp_path, lab.site(f'health = {{ path = "/health", {FAST} }}'), workers=2) as rsp:
        wait_until(lambda: all(one["health"] == "up" for one in rsp.peers().values()), "the first checks")
        with under_load(rsp.port, 8) as count:
            sick.health = "hang"
            wait_until(lambda: rsp.state(sick.address) == "down", "the peer to be down")
            seen, others = sick.requests, sum(one.requests for one in lab.backends[1:])
            wait_until(lambda: sum(one.requests for one in lab.backends[1:]) > others + 200, "requests elsewhere")
            assert sick.requests - seen <= 8, "none but those that were on their way"
            sick.health = "ok"
            wait_until(lambda: rsp.state(sick.address) == "up", "the peer to be up")
            wait_until(lambda: sick.requests > seen + 8, "requests for it")
        assert count.failed == 0
    assert f"peer {sick.address} is down: no response within" in rsp.log
    assert f'upstream "app": peer {sick.address} is up' in rsp.log


def test_one_prober_for_all_workers(tmp_path, lab):
    with Rsp(tmp_path, lab.site('health = { path = "/health", interval = "500ms", timeout = "400ms" }'), workers=4):
        wait_until(lambda: all(backend.checks for backend in lab.backends), "the first checks")
        before, since = [backend.checks for backend in lab.backends], time.monotonic()
        wait_until(lambda: all(backend.checks >= 6 for backend in lab.backends), "more of them")
        most = 1 + (time.monotonic() - since) / (0.9 * 0.5)  # an interval may be shorter by a tenth
        checks = [backend.checks - earlier for backend, earlier in zip(lab.backends, before, strict=True)]
        assert all(count <= most for count in checks), (checks, most)


def test_a_wrong_answer_makes_doubtful(tmp_path, lab):
    sick = lab.backends[0]
    with Rsp(tmp_path, lab.site(f'health = {{ path = "/health", {FAST} }}'), workers=1) as rsp:
        sick.health = "error"
        wait_until(lambda: rsp.state(sick.address) == "doubtful", "the peer to be doubtful")
        seen = sick.requests
        assert load(rsp.port, 4, requests=60).failed == 0
        assert sick.requests == seen
        assert "is doubtful: answered 500" in rsp.log


def test_one_peer_that_fails_its_checks_still_gets_traffic(tmp_path):
    with Lab(1) as lab:
        for health in ("error", "hang"):
            lab.backends[0].health = health
            with Rsp(tmp_path, lab.site(f'health = {{ path = "/health", {FAST} }}'), workers=1) as rsp:
                wait_until(lambda: rsp.state(lab.backends[0].address) in ("doubtful", "down"), "the checks to fail")
                time.sleep(1.1)
                assert load(rsp.port, 4, requests=50).failed == 0


def test_when_most_fail_their_checks_all_that_answer_share_the_traffic(tmp_path, lab):
    for backend in lab.backends[:2]:
        backend.health = "error"
    with Rsp(tmp_path, lab.site(f'health = {{ path = "/health", {FAST} }}'), workers=1) as rsp:
        wait_until(lambda: "only 1 of 3 peers are up" in rsp.log, "the panic")
        assert load(rsp.port, 4, requests=300).bodies == {b"b0": 100, b"b1": 100, b"b2": 100}


def test_who_is_dead_gets_nothing_even_then(tmp_path, lab):
    for backend in lab.backends[:2]:
        backend.health = backend.fault = "hang"
    with Rsp(tmp_path, lab.site(f'health = {{ path = "/health", {FAST} }}'), workers=1) as rsp:
        wait_until(
            lambda: rsp.state(lab.backends[1].address) == rsp.state(lab.backends[0].address) == "down", "both down"
        )
        time.sleep(1.1)
        count = load(rsp.port, 4, requests=100)
        assert count.bodies == {b"b2": 100}


def test_a_peer_that_comes_back_starts_slowly(tmp_path, lab):
    one = lab.backends[0]
    options = f'health = {{ path = "/health", {FAST} }}, slow_start = "5s"'
    with Rsp(tmp_path, lab.site(options), workers=1) as rsp:
        one.health = "hang"
        wait_until(lambda: rsp.state(one.address) == "down", "the peer to be down")
        began = time.monotonic()
        one.health = "ok"
        wait_until(lambda: rsp.state(one.address) == "up", "the peer to be up")
        up = time.monotonic()

        def share():
            return load(rsp.port, 2, requests=300, pause=0.002).bodies[b"b0"] / 300

        shares = []
        while time.monotonic() < up + 6:
            shares.append(share())
            seconds = time.monotonic() - began
            weight = max(0.1, min(1.0, seconds / 5))  # that of each of the two others is 1
            assert 0.0 < shares[-1] < weight / (2 + weight) + 0.03, (shares, seconds)
        shares.append(share())
        assert shares[-1] > 0.3, shares
        assert all(later > earlier - 0.05 for earlier, later in pairwise(shares)), shares


@pytest.mark.parametrize(
    ("options", "answer", "state"),
    [
        ("status = 204", b"HTTP/1.1 204 No Content\r\n\r\n", "up"),
        ("status = 204", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "doubtful"),
        ('status = { 200, "500-599" }', b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "up"),
        ('body = "all well"', b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall well now", "up"),
        (
            'body = "all well"',
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n4\r\nwell\r\n0\r\n\r\n",
            "up",
        ),
        ('body = "all well"', b"HTTP/1.0 200 OK\r\n\r\nall w", "doubtful"),
        ('method = "HEAD"', b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "up"),
        ("", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "up"),
        ("", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "down"),
        ("", b"HTTP/1.1 200 OK\r\nContent-", "down"),
        ('type = "tcp"', b"whatever", "up"),
    ],
)
def test_what_is_asked_and_what_is_right(tmp_path, options, answer, state):
    with Backend(answering(answer, keep=False)) as backend:
        text = f'listen "127.0.0.1:{{port}}" upstream "app" {{ "{backend.address}", health = {{ {options} {"," if options else ""} {FAST} }} }}'
        with Rsp(tmp_path, text) as rsp:
            wait_until(lambda: rsp.peers()[backend.address]["health"] != "unknown", "the first check")
            assert rsp.state(backend.address) == state
            if "tcp" not in options:
                method = b"HEAD" if "HEAD" in options else b"GET"
                assert backend.heads[0].startswith(method + b" / HTTP/1.1\r\nHost: 127.0.0.1")


def test_another_port_and_host(tmp_path, lab):
    with Backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as checker:
        options = f'health = {{ path = "/up?x=1", host = "app.test", port = {checker.port}, {FAST} }}'
        with Rsp(tmp_path, lab.site(options)) as rsp:
            wait_until(lambda: all(one["health"] == "up" for one in rsp.peers().values()), "the checks")
            assert checker.heads[0].startswith(b"GET /up?x=1 HTTP/1.1\r\nHost: app.test\r\n")
            assert [backend.checks for backend in lab.backends] == [0, 0, 0]


def test_over_tls(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=x"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked = []
    with Backend() as plain:  # only its port is of interest
        pass
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                asked.append(secure.recv(1000))
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass  # not everybody who comes speaks TLS

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    port = listener.getsockname()[1]
    text = (
        f'listen "127.0.0.1:{{port}}" upstream "app" {{ "127.0.0.1:{port}", health = {{ tls = true, host = "x", {FAST} }} }}'
        f'upstream "plain" {{ "{plain.address}", health = {{ tls = true, {FAST} }} }} route {{ to = "app" }}'
    )
    with Rsp(tmp_path, text) as rsp:
        wait_until(lambda: rsp.state(f"127.0.0.1:{port}") == "up" and asked, "the check")
        wait_until(lambda: rsp.state(plain.address, "plain") == "down", "the other check")
    listener.close()


def test_checks_follow_a_reload(tmp_path, lab):
    with Rsp(tmp_path, lab.site(f'health = {{ path = "/health", {FAST} }}')) as rsp:
        for backend in lab.backends:
            backend.health = "error"
        wait_until(lambda: all(one["state"] == "doubtful" for one in rsp.peers().values()), "bad checks")
        rsp.reload(lab.site())
        wait_until(lambda: all(one["state"] == "up" for one in rsp.peers().values()), "no checks")
        checks = [backend.checks for backend in lab.backends]
        time.sleep(1.1)  # two intervals
        assert [backend.checks for backend in lab.backends] == checks
        assert get(rsp.port)[9:12] == b"200"
