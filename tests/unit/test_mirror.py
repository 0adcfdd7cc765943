"""``mirror``, an exchange alone: what is copied, that nothing waits for it, and its bounds."""

import tracemalloc

import pytest

from rsp.exchange.filter import PASS, Filter
from rsp.exchange.filters import mirror
from tests.unit.fakes import put_first, serving

SITE = """
upstream "app" { "127.0.0.1:2" }
upstream "shadow" { "127.0.0.1:3" }
route { path = "/x", to = "app", mirror = { to = "shadow", share = SHARE, body = "1KB" } KEYS }
"""
ALL = SITE.replace("SHARE", "1").replace("KEYS", "")
KEYS = (
    ', strip = true, send_host = "s.test", request_headers = { set = { ["X-To"] = "{upstream}" }, remove = { "X-No" } }'
)


def peer_of(pool):
    return pool.accept() if pool.attempts else pool.stream


@pytest.fixture
def worker():
    with serving(ALL) as made:
        yield made


def shadow(worker):
    worker.turn()
    return worker.pool(0, "shadow")


def test_a_copy_is_what_the_peer_is_sent():
    with serving(SITE.replace("SHARE", "1").replace("KEYS", KEYS)) as worker:
        client = worker.ask("POST /x/y?q\nX-No: 1\nX-Yes: 2\nCookie: a\nContent-Length: 3", b"abc")
        peer = worker.pool().accept()
        copy = shadow(worker).accept()
        for part in ("method", "target", "host", "lines", "body", "request_id", "trailers"):
            assert getattr(copy, part) == getattr(peer, part), part
        assert copy.target == b"/y?q" and b"X-To: app" in copy.lines and copy.body == b"abc"
        copy.answer(500, b"thrown away")
        peer.answer(200, b"yes")
        assert (client.status, client.body) == (200, b"yes")
        assert len(worker.pool(0, "shadow").idle) == 1


def test_the_request_goes_first(worker):
    client = worker.ask("GET /x")
    assert worker.pool().attempts and not worker.pool(0, "shadow").attempts
    worker.pool().accept().answer(200)
    assert client.ended == "kept"
    shadow(worker).accept().answer(200)


def test_a_body_that_is_still_coming(worker):
    client = worker.ask("POST /x\nTransfer-Encoding: chunked", b"a", last=False)
    peer = worker.pool().accept()
    client.send(b"b")
    assert not shadow(worker).attempts and peer.body == b"ab"
    client.send(b"c", last=True)
    copy = shadow(worker).accept()
    assert copy.body == peer.body == b"abc"
    copy.answer()
    peer.answer()


def test_a_body_in_very_small_pieces():
    """Its copy takes the memory of its bytes, not that of its pieces."""
    with serving(ALL.replace("1KB", "1MB")) as worker:
        client = worker.ask("POST /x\nTransfer-Encoding: chunked", b"ab", last=False)
        peer = worker.pool().accept()
        tracemalloc.start()
        try:
            for number in range(10_000):
                client.send(b"%02d" % (number % 100))
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert taken < 200_000
        client.send(b"c", last=True)
        copy = shadow(worker).accept()
        assert copy.body == peer.body and len(copy.body) == 20_003
        copy.answer()
        peer.answer()


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 2000"])
def test_a_body_that_is_too_large(worker, framing):
    client = worker.ask(f"POST /x\n{framing}", b"a" * 1000, last=False)
    client.send(b"a" * 1000, last=True)
    peer = worker.pool().accept()
    assert not shadow(worker).attempts and len(peer.body) == 2000
    peer.answer()
    assert client.ended == "kept"


def test_upgrades_are_not_copied(worker):
    client = worker.ask("GET /x\nConnection: upgrade\nUpgrade: websocket")
    assert not shadow(worker).attempts
    worker.pool().accept().answer()
    assert client.status == 200


@pytest.mark.parametrize("how", ["gone", "failed", "refused"])
def test_a_request_that_does_not_come_to_its_end(worker, how):
    client = worker.ask("POST /x\nContent-Length: 3", b"a", last=False)
    if how == "gone":
        client.go()
    elif how == "failed":
        client.fail()
    else:
        worker.pool().refuse()
    assert not shadow(worker).attempts
    assert not account(worker)


def account(worker) -> int:
    """Bytes that the filter of the route holds."""
    (filter_,) = [each for each in worker.service.config.ticking if isinstance(each, mirror.MirrorFilter)]
    return filter_.held()


@pytest.mark.parametrize("how", ["refused", "reset", "hangs", "answers for ever", "breaks off", "switches"])
def test_trouble_in_the_shadow(worker, how):
    client = worker.ask("POST /x\nContent-Length: 3", b"abc")
    pool = shadow(worker)
    assert account(worker) == 3
    if how == "refused":
        pool.refuse()
    else:
        copy = pool.accept()
        if how == "reset":
            copy.fail()
        elif how == "hangs":
            peer = worker.pool().accept()
            peer.answer(200, b"yes")
            assert client.body == b"yes"
            worker.wait(70)
            assert copy.aborted
        elif how == "answers for ever":
            copy.begin(200, [b"a" * 40000])
            copy.send(b"a" * 40000)
            assert copy.aborted
        elif how == "switches":
            copy.switch()
        else:
            copy.begin(200, [b"a"])
            copy.fail()
    if not client.ended:
        worker.pool().accept().answer(200, b"yes")
    assert (client.status, client.body) == (200, b"yes")
    assert not account(worker)


def test_so_many_at_a_time(worker, monkeypatch):
    monkeypatch.setattr(mirror, "_MOST", 3)
    clients = [worker.ask("POST /x\nContent-Length: 3", b"abc") for _ in range(5)]
    assert len(shadow(worker).attempts) == 3 and account(worker) == 9
    for _ in clients:
        worker.pool().accept().answer(200)
    for _ in range(3):
        worker.pool(0, "shadow").accept().answer(200)
    assert not account(worker)
    worker.ask("GET /x")
    worker.pool().stream.answer()
    shadow(worker).stream.answer()


def test_so_many_bytes_of_bodies(worker, monkeypatch):
    monkeypatch.setattr(mirror, "_MOST_BYTES", 1000)
    one = worker.ask("POST /x\nContent-Length: 900", b"a" * 800, last=False)
    two = worker.ask("POST /x\nContent-Length: 300", b"a" * 300)
    three = worker.ask("GET /x")
    assert len(shadow(worker).attempts) == 1  # a request without a body needs no room
    one.send(b"a" * 100, last=True)
    assert len(shadow(worker).attempts) == 2
    for _ in (one, two, three):
        worker.pool().accept().answer(200)
    for _ in range(2):
        worker.pool(0, "shadow").accept().answer(200)
    assert not account(worker)


def test_the_log_says_what_is_missing(worker, monkeypatch, capfd):
    monkeypatch.setattr(mirror, "_MOST", 0)
    for _ in range(3):
        worker.ask("GET /x")
        pool = worker.pool()
        peer_of(pool).answer()
    worker.wait(5)
    worker.wait(5)
    said = capfd.readouterr().err
    assert said.count('mirror to "shadow": 3 requests were not copied') == 1


@pytest.mark.parametrize("share", [0, 0.1, 0.5])
def test_shares_by_counting(share):
    with serving(SITE.replace("SHARE", str(share)).replace("KEYS", "")) as worker:
        copies = 0
        for _ in range(200):
            worker.ask("GET /x")
            peer_of(worker.pool()).answer()
            pool = shadow(worker)
            if pool.attempts or pool.streams:
                copies += 1
                peer_of(pool).answer()
        assert abs(copies - 200 * share) <= 4


class Replaces(Filter):
    def request(self, exchange):
        exchange.passage.replace_body(b"other")
        return PASS


def test_a_body_that_a_hook_has_replaced():
    with serving(ALL) as worker:
        put_first(worker, Replaces())
        client = worker.ask("POST /x\nContent-Length: 3", b"a", last=False)
        peer, copy = worker.pool().accept(), shadow(worker).accept()
        assert peer.body == copy.body == b"other"
        client.send(b"bc", last=True)
        copy.answer()
        peer.answer()
