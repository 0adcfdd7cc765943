"""What becomes of requests when peers that speak FastCGI fail, are slow, or are checked: as with HTTP."""

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.fastcgi_peer import STDERR, STDOUT, Asked, FastCgiPeer, end, page, record, saying
from tests.harness import PATIENCE, Rsp, as_root, exchange, resident, wait_until

HEAD = b"Content-Type: text/plain\r\n\r\n"
LARGE = 48 << 20


def close(connection: socket.socket, asked: Asked) -> bool:
    return False


def pour(connection: socket.socket, asked: Asked) -> bool:
    """A long response."""
    connection.sendall(record(STDOUT, HEAD))
    for _ in range(LARGE // 32768):
        connection.sendall(record(STDOUT, b"x" * 32768))
    connection.sendall(record(STDOUT) + end())
    return False


def measured(connection: socket.socket, asked: Asked) -> bool:
    connection.sendall(page(b"%d" % len(asked.body)))
    return False


class Early(FastCgiPeer):
    """Answers before it has read the body, and reads no more of it."""

    def _serve(self, connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(page(b"early"))
        connection.close()


class Sites:
    def __init__(self, directory, stack: ExitStack) -> None:
        (directory / "index.php").write_text("<?php")
        directory.chmod(0o755)
        self.sick = False
        self.hang = threading.Event()
        peer = stack.enter_context
        self.good, self.bad = peer(FastCgiPeer(saying(page(b"good")))), peer(FastCgiPeer(close))
        self.busy, self.weak = peer(FastCgiPeer(saying(end(2)))), peer(FastCgiPeer(close))
        self.checked = peer(FastCgiPeer(self._ping))
        self.hung, self.pouring = peer(FastCgiPeer(self._hang)), peer(FastCgiPeer(pour))
        self.slow, self.early = peer(FastCgiPeer(measured, pace=0.0005)), peer(Early())
        self.chatty = peer(FastCgiPeer(self._chat))
        self.unix = peer(FastCgiPeer(unix=f"{directory}/peer.sock"))
        fastcgi = f'protocol = "fastcgi", root = "{directory}"'
        never = "failures = { count = 0 }"
        text = f"""listen "127.0.0.1:{{port}}" {as_root()}
            upstream "busy" {{ "{self.busy.address}", {{ "{self.good.address}", backup = true }}, {fastcgi}, {never} }}
            upstream "bad" {{ "{self.bad.address}", {{ "{self.good.address}", backup = true }}, {fastcgi}, {never} }}
            upstream "alone" {{ "{self.bad.address}", {fastcgi}, {never} }}
            upstream "weak" {{ "{self.weak.address}", "{self.good.address}", {fastcgi},
                failures = {{ count = 3, out = "60s" }} }}
            upstream "checked" {{ "{self.checked.address}", {fastcgi},
                health = {{ path = "/ping", body = "pong", interval = "0.1s", timeout = "0.1s", fall = 1, rise = 1 }} }}
            upstream "hung" {{ "{self.hung.address}", {fastcgi}, {never} }}
            upstream "pouring" {{ "{self.pouring.address}", {fastcgi} }}
            upstream "slow" {{ "{self.slow.address}", {fastcgi} }}
            upstream "early" {{ "{self.early.address}", {fastcgi}, {never} }}
            upstream "chatty" {{ "{self.chatty.address}", {fastcgi}, {never} }}
            upstream "unix" {{ "{self.unix.address}", {fastcgi} }}
        """
        names = ("busy", "bad", "alone", "weak", "checked", "hung", "pouring", "slow", "early", "chatty", "unix")
        for name in names:
            timeout = 'timeouts = { response = "1s" }, ' if name in ("hung", "chatty") else ""
            text += f'route {{ path = "/{name}", strip = true, {timeout}to = "{name}" }}\n'
        self.rsp = stack.enter_context(Rsp(directory, text))

    def _ping(self, connection: socket.socket, asked: Asked) -> bool:
        name = asked.params[b"SCRIPT_NAME"]
        sick = page(b"no", b"Status: 503 No\r\n")
        connection.sendall(sick if self.sick else page(b"pong" if name == b"/ping" else b"ok"))
        return False

    def _hang(self, connection: socket.socket, asked: Asked) -> bool:
        self.hang.wait(PATIENCE)
        return False

    def _chat(self, connection: socket.socket, asked: Asked) -> bool:
        """Says something all the time, but no response."""
        while not self.hang.wait(0.05):
            connection.sendall(record(STDERR, b"still there"))
        return False

    def ask(self, path: str, method: str = "GET", body: bytes = b"") -> bytes:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{length}\r\n".encode()
        return exchange(self.rsp.port, head + body)


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    with ExitStack() as stack:
        sites = Sites(tmp_path_factory.mktemp("peers"), stack)
        yield sites
        sites.hang.set()


def test_a_peer_that_is_overloaded_has_not_touched_the_request_whatever_its_method(sites):
    assert sites.ask("/busy").endswith(b"good")
    assert sites.ask("/busy", "POST").endswith(b"good")
    assert "FCGI_OVERLOADED" in sites.rsp.log


def test_what_may_be_repeated_goes_to_another_peer(sites):
    assert sites.ask("/bad").endswith(b"good")
    before = len(sites.good.asked)
    assert sites.ask("/bad", "POST", b"once").startswith(b"HTTP/1.1 502")
    assert len(sites.good.asked) == before
    assert sites.ask("/alone").startswith(b"HTTP/1.1 502")


def test_a_peer_that_fails_again_and_again_is_ejected(sites):
    def out() -> bool:
        assert sites.ask("/weak").endswith(b"good")
        return sites.rsp.state(sites.weak.address, "weak") == "ejected"

    wait_until(out, "ejection")


def test_peers_are_checked_by_fastcgi(sites):
    address = sites.checked.address
    wait_until(lambda: sites.rsp.state(address, "checked") == "up", "the first check")
    assert any(one.params[b"SCRIPT_NAME"] == b"/ping" and not one.keep for one in sites.checked.asked)
    sites.sick = True
    wait_until(lambda: sites.rsp.state(address, "checked") not in ("up", "open"), "the check that fails")
    assert "answered 503" in sites.rsp.log
    sites.sick = False
    wait_until(lambda: sites.rsp.state(address, "checked") == "up", "the check that is good again")


def test_a_response_has_to_come_in_time_whatever_is_said_meanwhile(sites):
    assert sites.ask("/hung").startswith(b"HTTP/1.1 504")
    assert sites.ask("/chatty").startswith(b"HTTP/1.1 504")


def test_a_response_may_come_before_the_request_is_there(sites):
    with socket.create_connection(("127.0.0.1", sites.rsp.port), PATIENCE) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin")
        assert client.recv(65536).endswith(b"early")


def test_a_unix_socket(sites):
    assert sites.ask("/unix").endswith(b"ok")


def test_a_long_response_waits_for_its_client(sites):
    (pid,) = sites.rsp.workers().values()
    before = peak = resident(pid)
    received = 0
    with socket.create_connection(("127.0.0.1", sites.rsp.port), PATIENCE) as client:
        client.sendall(b"GET /pouring HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while more := client.recv(1 << 16):
            received += len(more)
            time.sleep(0.001 if received < 8 << 20 else 0)  # the peer is much faster
            if received >> 20 != (received - len(more)) >> 20:
                peak = max(peak, resident(pid))
    assert received > LARGE
    assert peak - before < 16 << 20


def test_a_long_request_waits_for_its_peer(sites):
    (pid,) = sites.rsp.workers().values()
    before = peak = resident(pid)
    with socket.create_connection(("127.0.0.1", sites.rsp.port), PATIENCE) as client:
        head = b"POST /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % LARGE
        client.sendall(head)
        for _ in range(LARGE >> 20):
            client.sendall(bytes(1 << 20))
            peak = max(peak, resident(pid))
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.endswith(b"%d" % LARGE)
    assert peak - before < 16 << 20
