"""Counters add up to what clients have seen and to the lines of the log: over errors, retries, clients that leave,
reloads, deaths and upgrades."""

import itertools
import os
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress

import psutil
import pytest

from tests.harness import Backend, Rsp, get, hanging_backend, wait_until
from tests.ports import free_port
from tests.process.test_metrics import Site

LINE = re.compile(r'^\S+ - - \[[^]]+\] "[^"]*" (\d{3}) (\d+) ')
SITE = """
listen "127.0.0.1:{{port}}"
metrics = "127.0.0.1:{metrics}"
access_log = "{log}"
limits = {{ body = "1k" }}
upstream "app" {{ "127.0.0.1:{app}", "127.0.0.1:{flaky}", retry = {{ on = {{ 503 }}, tries = 2 }} }}
upstream "dead" {{ "127.0.0.1:{dead}" }}
upstream "slow" {{ "127.0.0.1:{slow}" }}
route {{ path = "/fixed", respond = {{ status = 404, body = "no" }} }}
route {{ path = "/moved", redirect = "/" }}
route {{ path = "/dead", to = "dead" }}
route {{ path = "/slow", to = "slow" }}
{more}
route {{ path = "/", to = "app", metrics = true }}
"""


def flaky(connection: socket.socket, _head: bytes, _rest: bytes) -> bool:
    connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    return True


class Lab:
    """An instance with peers of all kinds; ``seen``: what clients were told, by class of status."""

    def __init__(self, directory, app: Backend, bad: Backend, slow: Backend) -> None:
        self.log = directory / "access.log"
        self.metrics = free_port()
        self.ports = {"app": app.port, "flaky": bad.port, "slow": slow.port, "dead": free_port()}
        self.seen: Counter[str] = Counter()
        self.slow = slow
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.site = Site.__new__(Site)
        self.site.port = self.metrics

    def text(self, more: str = "") -> str:
        return SITE.format(metrics=self.metrics, log=self.log, more=more, **self.ports)

    def see(self, response: bytes) -> None:
        """Nothing: a worker that leaves has closed the connection before the client could ask."""
        with self.lock:
            self.seen[f"{response[9:10].decode()}xx"] += bool(response)

    def counted(self) -> Counter[str]:
        """By class of status, over all series."""
        found: Counter[str] = Counter()
        for (name, labels), value in self.site.samples().items():
            if name == "rsp_requests_total" and value:
                found[dict(labels)["status_class"]] += int(value)
        return found

    def lines(self) -> Counter[str]:
        lines = self.log.read_text().splitlines()
        return Counter(f"{LINE.match(line)[1][0]}xx" for line in lines)

    def sent(self) -> int:
        """Bytes of bodies by the log."""
        return sum(int(LINE.match(line)[2]) for line in self.log.read_text().splitlines())

    def check(self) -> None:
        """All three say the same once the last request has ended and the log is written."""
        with suppress(AssertionError):
            wait_until(lambda: self.counted() == self.seen and self.lines() == self.seen, patience=10)
        assert self.counted() == self.seen == self.lines()
        assert self.site.value("rsp_response_bytes_total") == self.sent()


@pytest.fixture
def lab(tmp_path) -> Iterator[Lab]:
    with Backend() as app, Backend(flaky) as bad, hanging_backend() as slow:
        yield Lab(tmp_path, app, bad, slow)


def ask_all(lab: Lab, port: int) -> None:
    """Of every kind one."""
    for path in ("/", "/x", "/fixed", "/moved", "/dead"):
        lab.see(get(port, path))
    lab.see(get(port, "/", host="bad host"))
    with closing(socket.create_connection(("127.0.0.1", port))) as client:  # unreadable
        client.sendall(b"nonsense\r\n\r\n")
        lab.see(client.recv(65536))
    with closing(socket.create_connection(("127.0.0.1", port))) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
        lab.see(client.recv(65536))  # 413
    with closing(socket.create_connection(("127.0.0.1", port))) as client:
        number = next(lab.numbers)
        client.sendall(b"GET /slow?%d HTTP/1.1\r\nHost: t\r\n\r\n" % number)
        wait_until(lambda: any(b"/slow?%d " % number in head for head in lab.slow.heads), "the request at its peer")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # it resets the connection
    with lab.lock:
        lab.seen["4xx"] += 1  # 499
    with closing(socket.create_connection(("127.0.0.1", port))) as client:  # three at once
        client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n" * 2 + b"GET /fixed HTTP/1.0\r\n\r\n")
        received = b""
        while more := client.recv(65536):
            received += more
    for status in re.findall(rb"HTTP/1.1 \d{3}", received):
        lab.see(status)


class Asking:
    """Clients that ask all the time."""

    def __init__(self, lab: Lab, port: int, clients: int = 3) -> None:
        self._over = threading.Event()
        self.failures: list[str] = []
        self.rounds = 0
        self.clients = [threading.Thread(target=self._run, args=(lab, port)) for _ in range(clients)]

    def _run(self, lab: Lab, port: int) -> None:
        while not self._over.is_set():
            try:
                ask_all(lab, port)
            except (OSError, IndexError, AssertionError) as error:  # a killed worker asks no peer any more
                self.failures.append(repr(error))
            self.rounds += 1

    def wait(self, rounds: int = 5) -> None:
        enough = self.rounds + rounds
        wait_until(lambda: self.rounds >= enough, "requests")

    def __enter__(self) -> "Asking":
        for thread in self.clients:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        for thread in self.clients:
            thread.join()


def test_each_kind_of_request_is_counted_once(tmp_path, lab):
    with Rsp(tmp_path, lab.text(), workers=2) as rsp:
        for _ in range(3):
            ask_all(lab, rsp.port)
        lab.check()
        value = lab.site.value
        assert value("rsp_requests_total", route="", upstream="") == 6, "unreadable ones, and one without a valid host"
        assert value("rsp_requests_total", route="/slow", upstream="slow", status_class="4xx") == 3
        assert value("rsp_requests_total", route="/dead", upstream="dead", status_class="5xx") == 3
        assert value("rsp_upstream_connect_seconds_count", upstream="dead") == 3
        assert value("rsp_route_duration_seconds_count", route="/") == value("rsp_requests_total", route="/") == 15
        assert value("rsp_listener_requests_total") == lab.seen.total()
        assert value("rsp_http_requests_total", version="1.0") == 3
        answers = value("rsp_peer_responses_total", upstream="app")
        assert answers == lab.seen["2xx"] + value("rsp_peer_responses_total", status_class="5xx")


def test_reloads_and_an_upgrade_lose_no_request_and_count_none_twice(tmp_path, lab):
    others = "".join(f'route {{ path = "/{number}", to = "app" }} ' for number in range(50))
    with Rsp(tmp_path, lab.text(), workers=2) as rsp:
        with Asking(lab, rsp.port) as asking:
            asking.wait()
            rsp.reload(lab.text(others))
            asking.wait()
            rsp.reload(lab.text('route { path = "/x", to = "app" }'))
            asking.wait()
            rsp.signal(signal.SIGUSR2)
            wait_until(lambda: "Upgraded" in rsp.log, "the upgrade")
            asking.wait()
        assert not asking.failures
        lab.check()
        assert lab.site.value("rsp_requests_total", route="removed") == 0, "they have never been asked for"
        assert lab.site.value("rsp_requests_total", route="/x") > 0
        rsp.process.wait(30)  # the predecessor is gone, and its memory
        lab.check()
        (pid,) = (int(line.split("pid ")[1].split(")")[0]) for line in rsp.log.splitlines() if "Upgraded" in line)
        psutil.Process(pid).send_signal(signal.SIGTERM)
        wait_until(lambda: not psutil.pid_exists(pid), "its end")


def test_what_was_removed_goes_on_being_counted(tmp_path, lab):
    gone = 'route { path = "/gone", to = "slow" }'
    with Rsp(tmp_path, lab.text(gone), workers=2) as rsp:
        with closing(socket.create_connection(("127.0.0.1", rsp.port))) as client:
            client.sendall(b"GET /gone HTTP/1.1\r\nHost: t\r\n\r\n")
            lab.see(get(rsp.port, "/fixed"))
            rsp.reload(lab.text())
            assert lab.site.value("rsp_requests_total", route="removed") == 0
        lab.seen["4xx"] += 1
        wait_until(lambda: lab.site.value("rsp_requests_total", route="removed", status_class="4xx") == 1, "499")
        rsp.reload(lab.text(gone))
        assert lab.site.value("rsp_requests_total", route="/gone") == 0
        lab.check()


def test_killed_workers_take_only_what_they_had_in_flight(tmp_path, lab):
    kills = 4
    with Rsp(tmp_path, lab.text(), workers=2) as rsp:
        with Asking(lab, rsp.port) as asking:
            for _ in range(kills):
                asking.wait(2)
                before = dict(rsp.workers())
                os.kill(before[0], signal.SIGKILL)
                wait_until(lambda before=before: rsp.workers().get(0, before[0]) != before[0], "another worker")
        in_flight = 3 * kills  # one of each client
        wait_until(lambda: lab.site.value("rsp_worker_requests_in_flight") == 0, "the end")
        counted, seen = lab.counted(), lab.seen
        assert seen.total() - in_flight <= counted.total() <= seen.total() + in_flight + len(asking.failures)
        assert lab.site.value("rsp_worker_restarts_total") == kills
        totals = rsp.admin("/status")["totals"]
        assert totals["requests"] == counted.total(), "both are there when it happens"


class Load:
    """A client that sends requests in batches until it is told to stop.

    ``unknown``: how many it has no answer to, because the connection broke off; ``breaks``: how often it did.
    """

    PATHS = ("/fixed", "/moved", "/fixed", "/again", "/fixed", "/moved", "/fixed", "/dead", "/fixed", "/again") * 4
    BATCH = b"".join(b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n" % path.encode() for path in PATHS)

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: Counter[str] = Counter()
        self.unknown = self.breaks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            with closing(socket.create_connection(("127.0.0.1", self.port))) as client:
                while not self._over.is_set() and self._batch(client):
                    pass

    def _batch(self, client: socket.socket) -> bool:
        """Whether all has been answered."""
        received, found = b"", []
        with suppress(ConnectionError):
            client.sendall(self.BATCH)
            while len(found) < len(self.PATHS) and (more := client.recv(1 << 18)):
                received += more
                found = re.findall(rb"HTTP/1.1 (\d)\d\d [^\r]*\r\n(?:[^\r]+\r\n)+\r\n", received)
        self.seen.update(f"{kind.decode()}xx" for kind in found)
        missing = len(self.PATHS) - len(found)
        # A worker that leaves ends the connection with the response that it is at; what is behind it was never taken.
        if missing and b"connection: close" not in received.lower():
            self.unknown += missing
            self.breaks += 1
        return not missing

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.soak
def test_a_million_requests_with_errors_retries_kills_reloads_and_an_upgrade(tmp_path, lab):
    others = "".join(f'route {{ path = "/{number}", to = "app" }} ' for number in range(50))
    peers = ", ".join(f'"127.0.0.1:{lab.ports[name]}"' for name in ("app", "flaky"))
    retry = "failures = { count = 0 }, retry = { on = { 503 }, tries = 2, budget = 1.0 }"
    again = f'upstream "again" {{ {peers}, {retry} }} route {{ path = "/again", to = "again" }}\n'
    kills, rounds = 0, itertools.cycle(["kill", others, 'route { path = "/x", to = "app" }', ""])
    with Rsp(tmp_path, lab.text(again), workers=2) as rsp:
        loads = [Load(rsp.port) for _ in range(4)]
        with Asking(lab, rsp.port) as asking:
            while lab.seen.total() + sum(load.seen.total() for load in loads) < 1_000_000:
                asking.wait(20)
                if (turn := next(rounds)) == "kill":
                    kills += 1
                    before = rsp.workers()
                    os.kill(before[kills % 2], signal.SIGKILL)
                    wait_until(lambda: rsp.workers().get(kills % 2, before[kills % 2]) != before[kills % 2], "another")  # noqa: B023
                else:
                    rsp.reload(lab.text(again + turn))
            rsp.signal(signal.SIGUSR2)
            wait_until(lambda: "Upgraded" in rsp.log, "the upgrade")
            asking.wait()
        for load in loads:
            load.stop()
        rsp.process.wait(60)  # the predecessor is gone, and its memory
        wait_until(lambda: lab.site.value("rsp_worker_requests_in_flight") == 0, "the end")
        seen = lab.seen + sum((load.seen for load in loads), Counter())
        breaks, unknown = (sum(getattr(load, name) for load in loads) for name in ("breaks", "unknown"))
        counted = lab.counted()
        print(f"counted {counted}, seen {seen}, kills {kills}, breaks {breaks}, without an answer {unknown}")
        assert kills > 10 and seen.total() >= 1_000_000
        assert seen["3xx"] > 100_000 and seen["4xx"] > 100_000 and seen["5xx"] > 10_000 and seen["2xx"] > 10_000
        assert breaks <= kills * len(loads), "only kills break connections off"
        in_flight = kills * len(asking.clients)
        assert seen.total() - breaks - in_flight <= counted.total() <= seen.total() + unknown + in_flight
        assert lab.site.value("rsp_retries_total") > 10_000
        (pid,) = (int(line.split("pid ")[1].split(")")[0]) for line in rsp.log.splitlines() if "Upgraded" in line)
        psutil.Process(pid).send_signal(signal.SIGTERM)
        wait_until(lambda: not psutil.pid_exists(pid), "its end")
