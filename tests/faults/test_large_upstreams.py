"""Many peers, all of them dead: what one request may cost."""

import http.client
import threading
import time

import psutil
import pytest

from rsp.exchange.forward.rest import Rest
from rsp.ipc import standing as standings
from tests.harness import Backend, Rsp, exchange, free_port, wait_until

GET = b"GET /dead HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Peer:
    """``standing``: one for each look, the last one again and again."""

    def __init__(self, *standings, backup=False, room=True):
        self.standings = list(standings)
        self.room = room
        self.backup = backup
        self.looks = 0

    def standing(self, now):
        self.looks += 1
        return self.standings.pop(0) if len(self.standings) > 1 else self.standings[0]

    def claim(self, exchange):
        return False

    def has_room(self):
        return self.room


class Request:
    def __init__(self):
        self.tried = set()


def order(peers, tried=(), panic=False):
    """Those that it asks, one after the other."""
    request = Request()
    request.tried.update(tried)
    rest = Rest(peers, request.tried)
    found = []
    while (peer := rest.choose(request, 0, panic, True)) is not None:
        assert rest.choose(request, 0, panic, True) is peer
        found.append(peer)
        request.tried.add(peer)
    return found, rest


@pytest.mark.parametrize("standing", [standings.OPEN, standings.HALF_OPEN, standings.OUT, standings.DOUBTFUL])
def test_all_that_are_left_are_asked_once_with_a_few_looks_at_each(standing):
    peers = [Peer(standing) for _ in range(500)]
    found, rest = order(peers, peers[:8])
    assert len(found) == 492
    assert set(found) == set(peers[8:])
    assert not rest.full
    assert sum(peer.looks for peer in peers) <= 4 * 500


def test_open_ones_come_first_then_backups_then_the_others():
    kinds = {
        "open": [Peer(standings.OPEN) for _ in range(20)],
        "backup": [Peer(standings.OPEN, backup=True) for _ in range(20)],
        "doubtful": [Peer(standings.DOUBTFUL) for _ in range(20)],
        "half": [Peer(standings.HALF_OPEN) for _ in range(20)],
        "out": [Peer(standings.OUT) for _ in range(20)],
    }
    kind = {peer: name for name, peers in kinds.items() for peer in peers}
    drained = [Peer(standings.DRAINED) for _ in range(20)]
    found, _ = order([*kind, *drained])
    assert [kind[peer] for peer in found] == [name for name in kinds for _ in range(20)]


def test_one_that_is_full_is_worth_waiting_for_and_asked_when_it_has_room():
    late = Peer(standings.FULL, standings.FULL, standings.FULL, standings.FULL, standings.OPEN)
    out = Peer(standings.OUT)
    found, rest = order([late, out])
    assert found == []
    assert rest.full
    assert rest.choose(Request(), 0, False, True) is late


def test_one_that_is_out_and_full_is_left_out_until_it_has_room():
    full, other = Peer(standings.OUT, room=False), Peer(standings.OUT)
    found, rest = order([full, other])
    assert found == [other]
    assert rest.full
    full.room = True
    assert rest.choose(Request(), 0, False, True) is full


def dead(count):
    """Addresses at which nothing listens."""
    port = free_port()
    return [f"127.1.{number // 250}.{number % 250 + 1}:{port}" for number in range(count)]


def site(addresses, alive, options=""):
    peers = ", ".join(f'"{one}"' for one in addresses)
    return (
        f'listen "127.0.0.1:{{port}}" upstream "dead" {{ {peers}, failures = {{ longest = "1h", out = "1h" }}, {options} }}'
        f'upstream "app" {{ "{alive}" }} route {{ path = "/dead", to = "dead" }} route {{ to = "app" }}'
    )


def cost(rsp, requests):
    """CPU seconds of the worker for each request; all of them fail."""
    worker = psutil.Process(rsp.workers()[0])
    before = sum(worker.cpu_times()[:2])
    for _ in range(requests):
        assert exchange(rsp.port, GET).startswith(b"HTTP/1.1 502")
    return (sum(worker.cpu_times()[:2]) - before) / requests


@pytest.mark.alone
def test_a_request_to_four_times_the_dead_peers_costs_some_four_times_as_much(tmp_path):
    costs = {}
    with Backend() as alive:
        for count in (125, 500):
            place = tmp_path / str(count)
            place.mkdir()
            with Rsp(place, site(dead(count), alive.address)) as rsp:
                cost(rsp, 4)  # until half of them are out
                costs[count] = cost(rsp, 10)
                wait_until(lambda: rsp.access_log.count("\n") >= 14)
                line = rsp.access_log.splitlines()[0]
                assert f",+{count - 9}," in line
                assert len(line) < 600
                assert rsp.admin("/status")["totals"]["retries"] >= 10 * count  # all are asked
    assert costs[500] < 8 * costs[125] + 0.02, costs


@pytest.mark.alone
def test_others_are_served_while_many_dead_peers_are_asked(tmp_path):
    with Backend() as alive, Rsp(tmp_path, site(dead(500), alive.address)) as rsp:
        stop = threading.Event()

        def ask():
            while not stop.is_set():
                exchange(rsp.port, GET)

        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        client = http.client.HTTPConnection("127.0.0.1", rsp.port, timeout=30)
        answers = 0
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            client.request("GET", "/")
            assert client.getresponse().read() == b"one"
            answers += 1
        stop.set()
        for asker in askers:
            asker.join()
        client.close()
        assert answers >= 20
