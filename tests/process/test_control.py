"""The control process, its admin socket, and rspctl: what operators see, and what they may change."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import psutil
import pytest

from rsp.ipc.admin_socket import directory
from tests.faults.lab import Lab, load, under_load
from tests.harness import Backend, Rsp, exchange, get, wait_until


@pytest.fixture
def lab():
    with Lab() as one:
        yield one


def test_status(tmp_path, lab):
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        load(rsp.port, 4, requests=90)
        wait_until(lambda: rsp.admin("/status")["totals"]["requests"] == 90, "the counters")
        status = rsp.admin("/status")
        assert {worker["slot"]: worker["pid"] for worker in status["workers"]} == rsp.workers()
        assert sum(worker["requests"] for worker in status["workers"]) == status["totals"]["status_2xx"] == 90
        assert status["configuration"]["version"] == 1
        wait_until(lambda: rsp.admin("/status")["control"]["memory"] > 1 << 20, "its memory to be measured")
        shown = rsp.rspctl("status")
        assert shown.returncode == 0
        assert "90 requests, 0 of them 5xx" in shown.stdout
        assert json.loads(rsp.rspctl("status", "--json").stdout)["totals"]["requests"] == 90
        os.kill(rsp.workers()[0], signal.SIGKILL)
        wait_until(lambda: len(rsp.admin("/status")["workers"]) == 2, "the next incarnation")
        assert rsp.admin("/status")["totals"]["requests"] == 90, "what a dead worker counted stays"


def test_peers(tmp_path, lab):
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        load(rsp.port, 4, requests=90)
        assert sum(one["requests"] for one in rsp.peers().values()) == 90
        shown = rsp.rspctl("peers", "app").stdout
        assert [line.split()[:4] for line in shown.splitlines()[1:]] == [
            ["app", backend.address, "up", "1"] for backend in lab.backends
        ]
        assert len(json.loads(rsp.rspctl("peers", "--json").stdout)["peers"]) == 3


def test_a_peer_is_drained_and_enabled(tmp_path, lab):
    one = lab.backends[0]
    one.delay = 0.3
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        with under_load(rsp.port, 8) as count:
            wait_until(lambda: one.running, "a request to run there")
            done = rsp.rspctl("drain", "app", one.address)
            assert done.returncode == 0 and "drain" in done.stdout, done
            wait_until(lambda: rsp.state(one.address) == "drained", "the last of its requests")
            seen = one.requests
            time.sleep(0.5)
            assert one.requests == seen
            rsp.reload()
            assert rsp.state(one.address) == "drained", "a reload changes nothing about that"
            assert rsp.rspctl("enable", one.address).returncode == 0
            wait_until(lambda: one.requests > seen, "requests for it")
            for said in ("is drained", "is enabled"):
                assert f'upstream "app": peer {one.address} {said} by an operator' in rsp.log
        assert count.failed == 0


def test_when_all_are_drained_that_is_503(tmp_path, lab):
    with Rsp(tmp_path, lab.site()) as rsp:
        for backend in lab.backends:
            assert rsp.rspctl("drain", backend.address).returncode == 0
        assert get(rsp.port).startswith(b"HTTP/1.1 503")


def test_a_weight_is_changed(tmp_path, lab):
    with Rsp(tmp_path, lab.site(), workers=1) as rsp:
        assert rsp.rspctl("weight", lab.backends[0].address, "8").returncode == 0
        wait_until(lambda: load(rsp.port, 1, requests=20).bodies[b"b0"] >= 15, "the weight to be known")
        assert load(rsp.port, 2, requests=100).bodies == {b"b0": 80, b"b1": 10, b"b2": 10}
        assert rsp.rspctl("weight", lab.backends[0].address, "0").returncode == 0
        wait_until(lambda: load(rsp.port, 1, requests=20).bodies[b"b0"] == 0, "the weight to be known")
        assert rsp.rspctl("weight", lab.backends[0].address, "default").returncode == 0
        wait_until(lambda: 5 <= load(rsp.port, 1, requests=20).bodies[b"b0"] <= 9, "the weight to be known")


def test_reload(tmp_path, lab):
    with Rsp(tmp_path, lab.site(), workers=2) as rsp:
        done = rsp.rspctl("reload")
        assert done.returncode == 0
        assert done.stdout.startswith("Reloaded: version 2 (")
        wait_until(lambda: rsp.admin("/status")["configuration"]["version"] == 2, "the control process to follow")
        assert {worker["version"] for worker in rsp.admin("/status")["workers"]} == {2}
        rsp.write('listen "127.0.0.1:{port}" upstream "app" { "a:1", polcy = "x" }')
        done = rsp.rspctl("reload")
        assert done.returncode == 1
        assert 'upstream "app": unknown key "polcy" (did you mean "policy"?)' in done.stderr
        assert get(rsp.port)[9:12] == b"200"
        rsp.write(lab.site())
        asked = [
            subprocess.Popen([sys.executable, "-m", "rsp.rspctl", "-s", str(tmp_path / "admin.sock"), "reload"])
            for _ in range(4)
        ]
        assert [one.wait(60) for one in asked] == [0] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drain", "foo"], 'no peer "foo"; the peers are 127.0.0.1:'),
        (["drain", "app"], '"app" is an upstream; name one of its peers: 127.0.0.1:'),
        (["drain", "ap", "x:1"], 'no upstream "ap" (did you mean "app"?)'),
        (
            ["drain", "{peer}", "--within", "soon"],
            '--within: expected a duration such as "500ms", "5s" or "2m", got "soon"',
        ),
        (["weight", "{peer}", "many"], 'weight: expected a number from 0 to 1000, or "default", got "many"'),
        (["weight", "{peer}"], "weight: expected a number"),
        (["enable", "app", "{peer}", "x"], "expected [UPSTREAM] PEER"),
        (["peers", "nope"], 'no upstream "nope"'),
    ],
)
def test_mistakes(tmp_path, arguments, message):
    with Backend() as backend:
        text = f'listen "127.0.0.1:{{port}}" upstream "app" {{ "{backend.address}" }} upstream "api" {{ "{backend.address}" }} route {{ to = "app" }}'
        with Rsp(tmp_path, text) as rsp:
            done = rsp.rspctl(*(one.replace("{peer}", backend.address) for one in arguments))
            assert (done.returncode, done.stdout) == (1, "")
            assert message in done.stderr
            assert done.stderr.count("\n") == 1
            done = rsp.rspctl("drain", backend.address)
            assert "is in several upstreams; specify one of: app, api" in done.stderr


def test_nobody_there(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rsp.rspctl", "-s", str(tmp_path / "no"), "status"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr


def test_the_interface_itself(tmp_path, lab):
    with Rsp(tmp_path, lab.site()) as rsp:
        path = tmp_path / "admin.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert rsp.admin("/nope")["http_status"] == 404
        assert rsp.admin("/drain")["http_status"] == 405
        assert rsp.admin("/status", {})["http_status"] == 405
        assert rsp.admin("/drain", {})["http_status"] == 400
        assert rsp.admin("/drain", {"peer": 5})["http_status"] == 400
        assert rsp.admin("/weight", {"peer": lab.backends[0].address, "weight": 1001})["http_status"] == 400
        assert rsp.admin("/weight", {"peer": lab.backends[0].address, "wieght": 1})["http_status"] == 400
        for garbage in (
            b"\x00\xff\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"POST /drain HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n",
        ):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(garbage)
                client.settimeout(30)
                assert client.recv(1000)[9:12] in (b"400", b"413")
        with socket.socket(socket.AF_UNIX) as client:  # half a request harms nobody
            client.connect(str(path))
            client.sendall(b"GET /sta")
            assert rsp.admin("/status")["http_status"] == 200
        assert rsp.admin("/status")["http_status"] == 200
    assert "Traceback" not in rsp.log


def test_the_control_process_may_die_and_hang(tmp_path, lab):
    with Rsp(tmp_path, lab.site(extra='worker_timeout = "2s"'), workers=2) as rsp:
        with under_load(rsp.port, 8) as count:
            for number in (signal.SIGKILL, signal.SIGSTOP):
                pid = rsp.admin("/status")["control"]["pid"]
                os.kill(pid, number)
                wait_until(lambda: not psutil.pid_exists(pid), "it to go")  # noqa: B023
                wait_until(lambda: rsp.admin("/status")["control"]["pid"] not in (0, pid), "the next one")  # noqa: B023
        assert count.failed == 0
        assert rsp.log.count("The control process (pid") >= 3
        assert rsp.stop() == 0
        assert "Stopped." in rsp.log


def test_its_files_go_with_it(tmp_path, lab):
    with Rsp(tmp_path, lab.site()) as rsp:
        control = rsp.admin("/status")["control"]["pid"]
        assert rsp.stop() == 0
        assert not psutil.pid_exists(control)
        assert not (tmp_path / "admin.sock").exists()
    with Rsp(tmp_path, lab.site()) as rsp:
        control = rsp.admin("/status")["control"]["pid"]
        rsp.process.kill()  # the master alone
        wait_until(lambda: not psutil.pid_exists(control), "the control process to notice")
        rsp.process.wait()
    with Rsp(tmp_path, lab.site()) as rsp:  # the socket that was left is no obstacle
        assert rsp.admin("/status")["http_status"] == 200


def test_where_the_socket_is_by_default(tmp_path, lab):
    with Rsp(tmp_path, "", started=False) as rsp:
        rsp.process.wait()
    rsp.file.write_text(lab.site().replace("{port}", str(rsp.port)))
    master = subprocess.Popen(
        [sys.executable, "-m", "rsp", "site.lua"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    path = directory() / f"rsp-{master.pid}.sock"
    try:
        wait_until(path.exists, "the socket")
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o022 == 0
        done = subprocess.run(
            [sys.executable, "-m", "rsp.rspctl", "-s", str(path), "status"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    finally:
        master.terminate()
        master.wait()
    assert not path.exists()


# -- sticky clients


def cookie_of(answer):
    for line in answer.split(b"\r\n"):
        if line.lower().startswith(b"set-cookie: "):
            return line[12:].split(b";")[0].decode()
    return None


@pytest.mark.parametrize(
    "options", ['policy = "sticky"', 'policy = "least_conn", sticky = "rsp_peer"', "sticky = true"]
)
def test_a_client_stays_with_its_peer(tmp_path, lab, options):
    with Rsp(tmp_path, lab.site(options), workers=2) as rsp:
        seen = set()
        for _ in range(9):
            first = get(rsp.port)
            cookie = cookie_of(first)
            seen.add(first[-2:])
            for _ in range(3):
                again = get(rsp.port, extra=f"Cookie: other=1; {cookie}; last=2\r\n")
                assert again[-2:] == first[-2:]
                assert cookie_of(again) is None
        assert len(seen) >= 2
        # A cookie names a peer without telling which, and cannot be made up.
        assert not any(str(backend.port) in cookie for backend in lab.backends)
        forged = get(rsp.port, extra=f"Cookie: rsp_peer={'0' * 32}\r\n")
        assert cookie_of(forged) is not None


def test_when_its_peer_is_gone_it_gets_another(tmp_path, lab):
    with Rsp(
        tmp_path, lab.site('sticky = { cookie = "srv", secret = "s3cret", max_age = "1h", secure = true }'), workers=2
    ) as rsp:
        first = get(rsp.port)
        assert b"; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure\r\n" in first
        cookie = cookie_of(first)
        mine = next(backend for backend in lab.backends if first.endswith(backend.name.encode()))
        lab.kill(mine)
        answer = get(rsp.port, extra=f"Cookie: {cookie}\r\n")
        assert answer.startswith(b"HTTP/1.1 200") and not answer.endswith(mine.name.encode())
        wait_until(
            lambda: cookie_of(get(rsp.port, extra=f"Cookie: {cookie}\r\n")) not in (None, cookie), "a new cookie"
        )
        lab.start(mine)
        wait_until(lambda: rsp.state(mine.address) == "up" or not get(rsp.port), "the peer to be back")
        assert get(rsp.port, extra=f"Cookie: {cookie}\r\n").endswith(mine.name.encode())
        rsp.reload()
        assert get(rsp.port, extra=f"Cookie: {cookie}\r\n").endswith(mine.name.encode())
        rsp.stop()
    with Rsp(tmp_path, lab.site('sticky = { cookie = "srv", secret = "s3cret" }')) as rsp:  # the secret outlives all
        assert get(rsp.port, extra=f"Cookie: {cookie}\r\n").endswith(mine.name.encode())
    assert "s3cret" not in rsp.log and cookie.partition("=")[2] not in rsp.access_log


def test_sticky_clients_stay_while_their_peer_drains(tmp_path, lab):
    with Rsp(tmp_path, lab.site("sticky = true"), workers=1) as rsp:
        first = get(rsp.port)
        cookie = cookie_of(first)
        mine = next(backend for backend in lab.backends if first.endswith(backend.name.encode()))
        assert rsp.rspctl("drain", mine.address, "--within", "4s").returncode == 0
        assert get(rsp.port, extra=f"Cookie: {cookie}\r\n").endswith(mine.name.encode())
        assert not any(get(rsp.port).endswith(mine.name.encode()) for _ in range(6)), "no new ones"
        wait_until(
            lambda: not get(rsp.port, extra=f"Cookie: {cookie}\r\n").endswith(mine.name.encode()), "the deadline"
        )


def test_tunnels_stay_while_their_peer_drains(tmp_path):
    def upgrade(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := connection.recv(1000):
            connection.sendall(data)
        return False

    with Backend(upgrade) as one, Backend(upgrade) as two:
        text = f'listen "127.0.0.1:{{port}}" upstream "app" {{ "{one.address}", "{two.address}" }}'
        with Rsp(tmp_path, text, workers=1) as rsp:
            clients = [socket.create_connection(("127.0.0.1", rsp.port), timeout=30) for _ in range(2)]
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 101")
            assert [peer["in_flight"] for peer in rsp.peers().values()] == [1, 1]
            rsp.admin("/drain", {"peer": one.address, "seconds": 2})
            time.sleep(0.5)
            for client in clients:
                client.sendall(b"still here")
                assert client.recv(1000) == b"still here"
            wait_until(lambda: rsp.peers()[one.address]["in_flight"] == 0, "the deadline")
            ended = [client for client in clients if _is_over(client)]
            assert len(ended) == 1
            assert rsp.peers()[two.address]["in_flight"] == 1
            for client in clients:
                client.close()


def _is_over(client):
    client.settimeout(0.2)
    try:
        return client.recv(10) == b""
    except TimeoutError:
        return False


# -- policies, as configured


@pytest.mark.parametrize(
    ("key", "same", "different"),
    [
        ("uri", ("GET /a?1 HTTP/1.1\r\nHost: x\r\n",) * 2, "GET /a?{n} HTTP/1.1\r\nHost: x\r\n"),
        ("path", ("GET /a?1 HTTP/1.1\r\nHost: x\r\n", "GET /a?2 HTTP/1.1\r\nHost: x\r\n"), "GET /a{n} HTTP/1.1\r\nHost: x\r\n"),
        ("host", ("GET /a HTTP/1.1\r\nHost: x\r\n", "GET /b HTTP/1.1\r\nHost: x\r\n"), "GET / HTTP/1.1\r\nHost: x{n}\r\n"),
        ("header:X-Tenant", ("GET /a HTTP/1.1\r\nHost: x\r\nx-tenant: 7\r\n", "GET /b HTTP/1.1\r\nHost: x\r\nX-TENANT:7\r\n"), "GET / HTTP/1.1\r\nHost: x\r\nX-Tenant: {n}\r\n"),
        ("cookie:sid", ("GET /a HTTP/1.1\r\nHost: x\r\nCookie: a=1; sid=7\r\n", "GET /b HTTP/1.1\r\nHost: x\r\nCookie: sid=7\r\n"), "GET / HTTP/1.1\r\nHost: x\r\nCookie: sid={n}\r\n"),
        ("client", ("GET /a HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n", "GET /b HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n"), "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.{n}\r\n"),
    ],
)  # fmt: skip
def test_hashing(tmp_path, lab, key, same, different):
    text = lab.site(f'policy = "hash", key = "{key}"', extra='trusted = { "127.0.0.0/8" }')

    def ask(rsp, head):
        return exchange(rsp.port, (head + "Connection: close\r\n\r\n").encode())[-2:]

    with Rsp(tmp_path, text, workers=2) as rsp:
        assert len({ask(rsp, one) for one in same * 4}) == 1
        assert len({ask(rsp, different.replace("{n}", str(n))) for n in range(1, 40)}) == 3


@pytest.mark.parametrize("policy", ["least_conn", "random2", "ewma"])
def test_a_slow_peer_gets_less(tmp_path, lab, policy):
    lab.backends[0].delay = 0.1
    lab.backends[1].delay = lab.backends[2].delay = 0.005
    with Rsp(tmp_path, lab.site(f'policy = "{policy}"'), workers=2) as rsp:
        count = load(rsp.port, 12, requests=900)
        assert count.failed == 0
        assert count.bodies[b"b0"] < 900 * 0.28, (
            count.bodies
        )  # a third would be its share; on a slow machine all are slow
        assert all(one["in_flight"] == 0 for one in rsp.peers().values())


def test_backups_are_for_when_nobody_else_is_there(tmp_path, lab):
    one, two, spare = lab.backends
    peers = f'"{one.address}", "{two.address}", {{ "{spare.address}", backup = true }}'
    with Rsp(tmp_path, lab.site(peers=peers), workers=2) as rsp:
        assert load(rsp.port, 4, requests=100).bodies[b"b2"] == 0
        lab.kill(one)
        assert load(rsp.port, 4, requests=100).bodies[b"b2"] == 0
        lab.kill(two)
        count = load(rsp.port, 4, requests=100)
        assert count.failed == 0
        assert count.bodies[b"b2"] >= 95
        lab.start(one)
        wait_until(lambda: load(rsp.port, 1, requests=3).bodies[b"b2"] == 0, "the others to be back")


def test_a_dead_worker_leaves_no_ghosts(tmp_path, lab):
    """What it had running does not count any more, so a limit cannot be eaten up."""
    for backend in lab.backends:
        backend.delay = 0.5
    with Rsp(tmp_path, lab.site("max_conns = 4"), workers=2) as rsp:
        with under_load(rsp.port, 12):
            wait_until(lambda: sum(one["in_flight"] for one in rsp.peers().values()) >= 8, "requests to run")
            os.kill(rsp.workers()[0], signal.SIGKILL)
            wait_until(lambda: "was killed by signal 9" in rsp.log, "its end")
        wait_until(lambda: all(one["in_flight"] == 0 for one in rsp.peers().values()), "nothing to be left")
        assert load(rsp.port, 8, requests=40).failed == 0
