"""What a channel between master and children carries has no largest size: names, answers, listeners."""

import os
import re
import resource
import signal
import socket

import pytest

from tests.faults.name_server import NameServer
from tests.harness import Backend, Rsp, get, proxy_to, wait_until


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


def test_a_name_that_gets_a_thousand_addresses_does_not_end_the_master(tmp_path, backend):
    with NameServer() as names:
        names.set("many.test", "AAAA", 0, "2001:db8::1")
        more = (
            f'dns = {{ servers = {{ "{names.address}" }}, min_ttl = "100ms", timeout = "5s" }} '
            'upstream "named" { "many.test:65535" }'
        )
        with Rsp(tmp_path, proxy_to(backend.address, extra=more)) as rsp:
            assert len(rsp.peers("named")) == 1
            addresses = [f"2001:db81:1111:2222:3333:4444:5555:{number:x}" for number in range(0x1000, 0x1000 + 1000)]
            names.set("many.test", "AAAA", 0, *addresses)
            wait_until(lambda: len(rsp.peers("named")) == 1000 or rsp.process.poll() is not None, "all addresses")
            assert get(rsp.port).startswith(b"HTTP/1.1 200")
            names.set("many.test", "AAAA", 0, "2001:db8::1")
            wait_until(lambda: len(rsp.peers("named")) == 1, "one again")


def test_a_record_that_no_peer_can_have_ends_nothing(tmp_path, backend):
    host, _, port = backend.address.partition(":")
    with NameServer() as names:
        names.set("a.test", "A", 60, host)
        names.set("_http._tcp.test", "SRV", 0, "10 5 0 a.test.", f"10 5 {port} a.test.")
        text = (
            f'listen "127.0.0.1:{{port}}" dns = {{ servers = {{ "{names.address}" }}, min_ttl = "100ms" }} '
            'upstream "app" { "srv:_http._tcp.test" }'
        )
        with Rsp(tmp_path, text) as rsp:
            wait_until(lambda: list(rsp.peers()) == [backend.address], "the record with a port")
            assert get(rsp.port).startswith(b"HTTP/1.1 200")
            names.set("_http._tcp.test", "SRV", 0, "10 5 0 a.test.")
            wait_until(lambda: not rsp.peers(), "the peer to go")
            assert "The control process (pid" not in rsp.log, "it has not ended"


def test_a_listener_whose_name_is_malformed_is_refused(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        for name in ("a..b", "x" * 70 + ".test"):
            rsp.write(proxy_to(backend.address, extra=f'listen "{name}:8080"'))
            done = rsp.rspctl("reload")
            assert done.returncode == 1
            assert f"cannot listen on {name}:8080: the host name does not resolve" in done.stderr
        assert get(rsp.port).startswith(b"HTTP/1.1 200")


def test_a_reload_is_answered_however_long_the_answer_is(tmp_path, backend):
    def site(kind, to):
        return proxy_to(
            backend.address, extra=f'for i = 1, 2000 do route {{ path = "/{kind}" .. i .. "/", to = "{to}" }} end'
        )

    with Rsp(tmp_path, site("a", "app")) as rsp:
        rsp.write(site("b", "app"))
        done = rsp.rspctl("reload", "--dry-run")
        assert done.returncode == 0, done.stderr[:1000]
        assert all(f"/b{number}/" in done.stdout for number in range(1, 2001))
        rsp.write(site("b", "nowhere"))
        for arguments in (["reload"], ["reload", "--dry-run"]):
            done = rsp.rspctl(*arguments)
            assert done.returncode == 1
            assert done.stderr.count("nowhere") >= 2000
        rsp.write(site("b", "app"))
        assert rsp.rspctl("reload").returncode == 0
        assert get(rsp.port, "/b7/").startswith(b"HTTP/1.1 200")


@pytest.mark.soak
def test_hundreds_of_listeners_come_in_one_reload_and_go_through_an_upgrade(tmp_path, backend):
    listeners = [f"127.0.{number // 200 + 1}.{number % 200 + 1}" for number in range(700)]
    text = proxy_to(backend.address)
    more = text + "".join(f' listen "{address}:{{port}}"' for address in listeners)
    with Rsp(tmp_path, text, workers=2) as rsp:
        limit = resource.prlimit(rsp.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(rsp.process.pid, resource.RLIMIT_NOFILE, (400, limit[1]))
        rsp.write(more)
        done = rsp.rspctl("reload")
        assert done.returncode == 1
        assert re.search(r"too few open files are allowed: 2 workers at 70\d addresses need 2\d{3};", done.stderr)
        assert "ulimit -n 400" in done.stderr
        resource.prlimit(rsp.process.pid, resource.RLIMIT_NOFILE, limit)
        done = rsp.rspctl("reload")
        assert done.returncode == 0, done.stderr
        first, last = (_get_at(address, rsp.port) for address in (listeners[0], listeners[-1]))
        assert first.startswith(b"HTTP/1.1 200") and last.startswith(b"HTTP/1.1 200")
        old = rsp.process.pid
        done = rsp.rspctl("upgrade")
        assert done.returncode == 0, done.stderr
        try:
            rsp.process.wait(30)
            wait_until(lambda: rsp.admin("/status")["master"] != old, "the new master's control process")
            assert _get_at(listeners[-1], rsp.port).startswith(b"HTTP/1.1 200")
        finally:
            os.kill(rsp.admin("/status")["master"], signal.SIGTERM)


def _get_at(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        received = b""
        while more := client.recv(65536):
            received += more
        return received
