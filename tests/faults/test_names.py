"""Names of peers: followed by their TTL, kept when the resolver fails, and never in a worker's way."""

import os
import signal
import socket
import threading
import time

import pytest

from tests.faults.lab import Lab, load, under_load
from tests.faults.name_server import NameServer
from tests.harness import Backend, Rsp, get, wait_until


@pytest.fixture
def names():
    with NameServer() as one:
        yield one


def site(names, peers, more="", timeout="1s"):
    return (
        f'listen "127.0.0.1:{{port}}" dns = {{ servers = {{ "{names.address}" }}, timeout = "{timeout}", '
        f'retry = "200ms", min_ttl = "100ms" }} upstream "app" {{ {peers} }} {more}'
    )


@pytest.fixture
def at():
    """Backends at one port of several loopback addresses, as replicas behind one name are."""
    started = []

    def start(address, port=0):
        started.append(Backend(name=address, host=address, port=port))
        return started[-1]

    yield start
    for backend in started:
        backend.close()


def test_peers_appear_and_vanish_without_a_reload(tmp_path, names, at):
    one = at("127.0.0.2")
    two, three = at("127.0.0.3", one.port), at("127.0.0.4", one.port)
    names.set("app.test", "A", 1, "127.0.0.2", "127.0.0.3")
    with Rsp(tmp_path, site(names, f'"app.test:{one.port}"'), workers=2) as rsp:
        count = load(rsp.port, 4, requests=100)
        assert count.failed == 0
        assert set(count.bodies) == {b"127.0.0.2", b"127.0.0.3"}
        with under_load(rsp.port, 8) as count:
            names.set("app.test", "A", 1, "127.0.0.3", "127.0.0.4")
            wait_until(lambda: len(three.heads) > 50, "the new peer to be asked")
            wait_until(lambda: f"127.0.0.2:{one.port}" not in rsp.peers(), "the old one to go")
            seen = len(one.heads)
            time.sleep(0.3)
            assert len(one.heads) - seen <= 8
        assert count.failed == 0, (count.statuses, count.broken[:3])
        assert len(two.heads) > 50
        assert f"Peer app.test:{one.port}: now 127.0.0.3:{one.port}, 127.0.0.4:{one.port}" in rsp.log


@pytest.mark.parametrize("fault", ["silent", "servfail"])
def test_what_is_known_stays_when_the_resolver_fails(tmp_path, names, at, fault):
    one = at("127.0.0.2")
    names.set("app.test", "A", 1, "127.0.0.2")
    with Rsp(tmp_path, site(names, f'"app.test:{one.port}"'), workers=1) as rsp:
        assert get(rsp.port).endswith(b"127.0.0.2")
        names.fault = fault
        with under_load(rsp.port, 4) as count:
            wait_until(lambda: "the previous result stays in use" in rsp.log, "the failure to be told")
            time.sleep(1.0)
        assert count.failed == 0
        assert rsp.log.count("the previous result stays in use") == 1
        assert count.quantile(0.99) < 0.5, "nobody waits for the resolver"
        rsp.reload()  # the control process forgets nothing that the master knows
        assert get(rsp.port).endswith(b"127.0.0.2")
        names.fault = "ok"
        names.set("app.test", "A", 1, "127.0.0.3")
        wait_until(lambda: f"127.0.0.3:{one.port}" in rsp.peers(), "the new address")


@pytest.mark.soak
def test_a_new_control_process_goes_on_with_what_is_known(tmp_path, names, at):
    one = at("127.0.0.2")
    names.set("app.test", "A", 1, "127.0.0.2")
    with Rsp(tmp_path, site(names, f'"app.test:{one.port}"'), workers=1) as rsp:
        assert get(rsp.port).endswith(b"127.0.0.2")
        names.fault = "silent"
        pid = rsp.admin("/status")["control"]["pid"]
        os.kill(pid, signal.SIGKILL)
        assert get(rsp.port).endswith(b"127.0.0.2")
        wait_until(lambda: "The control process" in rsp.log and "restarted" in rsp.log, "its restart")
        wait_until(lambda: rsp.admin("/status")["control"]["pid"] != pid, "the new one")
        wait_until(lambda: rsp.log.count("does not answer") >= 1, "the failure to be told")
        assert get(rsp.port).endswith(b"127.0.0.2")
        assert list(rsp.peers()) == [f"127.0.0.2:{one.port}"]


@pytest.mark.soak
def test_requests_wait_for_the_first_answer(tmp_path, names, at):
    """The start has patience with a resolver, but less than the look-up itself; a request has more."""
    one = at("127.0.0.2")
    names.set("app.test", "A", 60, "127.0.0.2")
    names.fault = "silent"
    text = site(names, f'"app.test:{one.port}", queue = {{ timeout = "60s" }}', timeout="10s")
    with Rsp(tmp_path, text, workers=1) as rsp:
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(get(rsp.port)))
        waiting.start()
        wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 1, "a request to wait")
        names.fault = "ok"
        waiting.join()
        assert answers[0].endswith(b"127.0.0.2")


def test_a_name_that_is_not_there(tmp_path, names, at):
    one = at("127.0.0.2")
    names.set("other.test", "A", 60, "127.0.0.2")
    with Rsp(tmp_path, site(names, f'"app.test:{one.port}"'), workers=1) as rsp:
        answer = get(rsp.port)
        assert answer.startswith(b"HTTP/1.1 503")
        assert "Peer app.test" in rsp.log and "host name does not resolve" in rsp.log
        assert rsp.admin("/peers")["unknown"] == [f"app.test:{one.port}"]
        names.set("app.test", "A", 1, "127.0.0.2")
        wait_until(lambda: get(rsp.port).endswith(b"127.0.0.2"), "the name to be known")
        del names.records["app.test", "A"]
        wait_until(lambda: get(rsp.port).startswith(b"HTTP/1.1 503"), "the peer to go with its name")
        assert "the name no longer exists" in rsp.log


def test_srv_records(tmp_path, names, at):
    one, two, spare = at("127.0.0.2"), at("127.0.0.3"), at("127.0.0.4")
    names.set("a.test", "A", 60, "127.0.0.2")
    names.set("b.test", "A", 60, "127.0.0.3")
    names.set("c.test", "A", 60, "127.0.0.4")
    names.set(
        "_http._tcp.test",
        "SRV",
        1,
        f"10 3 {one.port} a.test.",
        f"10 1 {two.port} b.test.",
        f"20 1 {spare.port} c.test.",
    )
    with Rsp(tmp_path, site(names, '"srv:_http._tcp.test"'), workers=1) as rsp:
        count = load(rsp.port, 4, requests=400)
        assert count.failed == 0
        assert count.bodies == {b"127.0.0.2": 300, b"127.0.0.3": 100}
        one.close()
        two.close()
        count = load(rsp.port, 4, requests=100)
        assert count.failed == 0
        assert count.bodies[b"127.0.0.4"] > 50


def test_ipv6_where_there_is_no_ipv4(tmp_path, names, at):
    one = at("127.0.0.2")
    names.set("both.test", "A", 60, "127.0.0.2")
    names.set("both.test", "AAAA", 60, "::1")
    names.set("six.test", "AAAA", 60, "::1")
    text = site(names, f'"both.test:{one.port}"', f'upstream "six" {{ "six.test:{one.port}" }} route {{ to = "app" }}')
    with Rsp(tmp_path, text, workers=1) as rsp:
        wait_until(lambda: rsp.peers("six"), "the name to be known")
        assert list(rsp.peers()) == [f"127.0.0.2:{one.port}"]
        assert list(rsp.peers("six")) == [f"[::1]:{one.port}"]


@pytest.mark.soak
def test_tunnels_stay_with_a_peer_that_leaves_until_the_deadline(tmp_path, names):
    def upgrade(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := connection.recv(1000):
            connection.sendall(data)
        return False

    with Backend(upgrade) as one, Lab(1) as lab:
        names.set("app.test", "A", 1, "127.0.0.1")
        text = site(names, f'"app.test:{one.port}", drain = "2s"')
        with Rsp(tmp_path, text, workers=1) as rsp:
            wait_until(lambda: rsp.peers(), "the name to be known")
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
                client.settimeout(30)
                assert client.recv(1000).startswith(b"HTTP/1.1 101")
                started = time.monotonic()
                rsp.reload(site(names, f'"{lab.backends[0].address}", drain = "2s"'))
                client.sendall(b"hello")
                assert client.recv(1000) == b"hello"
                assert client.recv(1000) == b""
                assert time.monotonic() - started > 1.0


@pytest.mark.soak
def test_a_name_for_too_many(tmp_path, names):
    names.set("app.test", "A", 60, *(f"127.1.{number // 250}.{number % 250 + 1}" for number in range(1100)))
    with Rsp(tmp_path, site(names, '"app.test:80"'), workers=1) as rsp:
        wait_until(lambda: "stands for 1100 addresses, only the first 1000 are used" in rsp.log, "the warning")
        wait_until(lambda: len(rsp.peers()) > 500, "the others")
