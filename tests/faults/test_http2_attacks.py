"""Hostile clients of HTTP/2: each flood is ended with its code and one line, while quiet clients go on."""

import re
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from tests.faults.h2_floods import FLOODS, Flood
from tests.h2_client import Client
from tests.harness import Backend, Rsp, get, resident, wait_until

LISTEN = 'listen "127.0.0.1:{port}" { http2 = "prior-knowledge" }\n'
CLOSED = re.compile(r"HTTP/2 connection of 127\.0\.0\.1 closed: .*")


class Peer(Backend):
    """Answers at once, but what asks for /hang not at all."""

    def __init__(self) -> None:
        super().__init__(self._hang_or_answer)

    def _hang_or_answer(self, connection, head, rest):
        if b" /hang " in head:
            with suppress(OSError):
                while connection.recv(65536):
                    pass
            return False
        return self._answer(connection, head, rest) and b" /settled " not in head


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Peer() as peer:
        text = f'''{LISTEN} upstream "app" {{ "{peer.address}", max_conns = 16 }} route {{ to = "app" }}
        route {{ path = "/quiet", respond = {{ body = "quiet" }} }}'''
        with Rsp(tmp_path_factory.mktemp("floods"), text) as rsp:
            with Client(rsp.port) as client:
                assert client.get("/").status == 200
            yield rsp, peer
            assert rsp.stop() == 0


class Quiet(threading.Thread):
    """A client that asks for something small, again and again."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self.failure: BaseException | None = None
        self._port = port
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            with Client(self._port) as client:
                while not self._over.is_set():
                    began = time.monotonic()
                    assert client.get("/quiet").status == 200
                    self.seconds.append(time.monotonic() - began)
                    self._over.wait(0.002)
        except BaseException as error:
            self.failure = error

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        if self.failure is not None:
            raise self.failure


def flood(client: Client, which: Flood) -> None:
    """Until the connection ends, or rsp has let too much pass."""
    client.send(which.first)
    sent, at, batch = 0, 0, max(1, 16384 // len(which.again(1)))
    while not (client.was_reset or client.closed or client.goaways) and sent < which.most:
        pieces = b"".join([which.again(at + step) for step in range(batch)])
        client.send(pieces)
        sent, at = sent + len(pieces), at + batch
        while client.read(0):
            pass


# In CI one of each kind; each costs half a second.
ALWAYS = {
    "rapid reset", "rapid reset, paid for with bytes", "made you reset: WINDOW_UPDATE by 0", "made you reset: DATA behind the end",
    "made you reset: less than Content-Length", "malformed requests", "more streams than allowed", "CONTINUATION", "SETTINGS, large",
    "PING", "PRIORITY", "WINDOW_UPDATE of a stream", "empty DATA", "HPACK bomb",
}  # fmt: skip
SEVERAL = [pytest.param(each, id=each.name, marks=[] if each.name in ALWAYS else pytest.mark.soak) for each in FLOODS]


@pytest.mark.parametrize("which", SEVERAL)
def test_floods(site, which: Flood):
    rsp, peer = site
    get(peer.port, "/settled")  # behind all that the floods before have left in its queue
    peer.heads.clear()
    (worker,) = rsp.workers().values()
    before, lines = resident(worker), len(rsp.log)
    with Quiet(rsp.port) as quiet, Client(rsp.port, acks=False, credits=False) as client:
        wait_until(lambda: quiet.seconds or quiet.failure, "a quiet client")
        flood(client, which)
        assert client.error() in which.codes, client.story()
        quiet.seconds.clear()
        wait_until(lambda: len(quiet.seconds) > 3 or quiet.failure, "quiet clients go on")
    assert len(peer.heads) <= which.requests
    assert resident(worker) - before < 30 << 20
    assert list(rsp.workers().values()) == [worker]
    assert "Traceback" not in rsp.log
    wait_until(lambda: CLOSED.search(rsp.log), "a line")
    assert len(CLOSED.findall(rsp.log[lines:])) <= 2


ATTACKER = """
import sys
from tests.faults.h2_floods import FLOODS
from tests.faults.test_http2_attacks import flood
from tests.h2_client import Client
(which,) = [each for each in FLOODS if each.name == sys.argv[2]]
print("begins", flush=True)
while True:
    with Client(int(sys.argv[1]), acks=False, credits=False) as client:
        flood(client, which)
"""


@pytest.mark.soak
@pytest.mark.alone
@pytest.mark.parametrize("name", ["malformed requests", "CONTINUATION", "SETTINGS", "PING", "HPACK bomb"])
def test_quiet_clients_hardly_notice(site, name):
    """A process that floods without end, on one connection after the other: the p99 of quiet clients stays within
    twice what it was, or 10 ms where the machine's own noise is more than that."""
    rsp, _ = site

    def p99() -> float:
        with Quiet(rsp.port) as quiet:
            wait_until(lambda: len(quiet.seconds) >= 2000 or quiet.failure, "quiet clients")
        return sorted(quiet.seconds[100:])[int((len(quiet.seconds) - 100) * 0.99)]

    before = p99()
    attacker = subprocess.Popen([sys.executable, "-c", ATTACKER, str(rsp.port), name], stdout=subprocess.PIPE)
    try:
        assert attacker.stdout.readline()
        during = p99()
        assert attacker.poll() is None
    finally:
        attacker.kill()
        attacker.wait()
        attacker.stdout.close()
    print(f"{name}: p99 {before * 1000:.2f} ms, {during * 1000:.2f} ms under attack")
    assert during < max(2 * before, 0.010)
