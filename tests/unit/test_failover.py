"""``failover``, an exchange alone: which requests go to the other upstream, and which may not be sent twice."""

import pytest

from rsp.ipc import worker_cells
from tests.unit.fakes import FakeFilter, serving

SITE = """
upstream "app" { "127.0.0.1:2" MORE }
upstream "other" { "127.0.0.1:3" }
route { path = "/x", to = "app", failover = { to = "other", on = { 502, 503, 504, 404 } } }
"""
ONE = SITE.replace("MORE", "")
TWO = SITE.replace("MORE", ', "127.0.0.1:4", retry = { on = { 503 } }')
TRIED_ONCE = SITE.replace("MORE", ", retry = { tries = 1 }")
BODY = "\nContent-Length: 3"


def test_no_peer_can_be_reached():
    """Nothing was sent, so any method will do."""
    with serving(ONE) as worker:
        for method in ("GET", "POST"):
            client = worker.ask(f"{method} /x{BODY}", b"abc")
            worker.pool().refuse()
            other = worker.pool(0, "other")
            peer = other.accept() if other.attempts else other.stream
            assert peer.body == b"abc" and client.events.upstream.name == "other"
            peer.answer(200, b"other")
            assert client.body == b"other"


@pytest.mark.parametrize("status", [404, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_answer_that_the_other_may_do_better_than(method, status):
    with serving(ONE) as worker:
        client = worker.ask(f"{method} /x{BODY}", b"abc")
        first = worker.pool().accept()
        first.begin(status, [b"half of a page"])
        assert first.aborted
        second = worker.pool(0, "other").accept()
        assert (second.method, second.body) == (method.encode(), b"abc")
        second.answer(200, b"" if method == "HEAD" else b"other")
        assert client.status == 200 and worker.count(worker_cells.RETRIES) == 1


@pytest.mark.parametrize("status", [404, 502, 503, 504])
@pytest.mark.parametrize("method", ["POST", "PATCH", "X"])
def test_what_may_not_be_sent_twice_is_not(method, status):
    with serving(ONE) as worker:
        for body in ("", BODY):
            client = worker.ask(f"{method} /x{body}", *([b"abc"] if body else []))
            pool = worker.pool()
            (pool.accept() if pool.attempts else pool.stream).answer(status, b"no")
            assert (client.status, client.body) == (status, b"no")
            client = worker.ask(f"{method} /x{body}", *([b"abc"] if body else []))
            pool.stream.fail()
            assert client.status == 502
        assert not [pool for pool in worker.pools if pool.peer.name == b"127.0.0.1:3" and (pool.attempts or pool.idle)]


def test_other_answers_stay():
    with serving(ONE) as worker:
        client = worker.ask("GET /x")
        worker.pool().accept().answer(500, b"bug")
        assert (client.status, client.body) == (500, b"bug")


def test_peers_of_its_own_come_first():
    with serving(TWO) as worker:
        client = worker.ask("GET /x")
        worker.accept().answer(503)
        worker.accept().answer(503)
        worker.pool(0, "other").accept().answer(200, b"other")
        assert client.body == b"other"
        assert client.events is None and worker.log.lines[-1].count("127.0.0.1:") >= 1


@pytest.mark.parametrize("how", ["refused", "503", "reset"])
def test_the_other_one_fails_as_well(how):
    """That is the end: its answer, or rsp's for it."""
    with serving(TRIED_ONCE) as worker:
        client = worker.ask("GET /x")
        worker.pool().accept().fail()
        other = worker.pool(0, "other")
        if how == "refused":
            other.refuse()
        elif how == "reset":
            other.accept().fail()
        else:
            other.accept().answer(503, b"neither")
        assert client.status == (503 if how == "503" else 502)
        assert client.body == b"neither" if how == "503" else client.own


def test_a_body_that_is_too_large_to_be_kept():
    with serving(ONE) as worker:
        client = worker.ask("PUT /x\nContent-Length: 200000", b"a" * 150000, last=False)
        first = worker.pool().accept()
        client.send(b"a" * 50000, last=True)
        first.answer(503, b"no")
        assert (client.status, client.body) == (503, b"no")


def test_a_body_that_is_still_coming():
    with serving(ONE) as worker:
        client = worker.ask("PUT /x\nTransfer-Encoding: chunked", b"a", last=False)
        first = worker.pool().accept()
        client.send(b"b")
        first.begin(503)
        second = worker.pool(0, "other").accept()
        client.send(b"c", last=True, trailers=(b"X-Sum: 1",))
        assert (second.body, second.trailers) == (b"abc", [b"X-Sum: 1"])
        second.answer(200)
        assert client.status == 200


def test_an_authenticated_connection_stays_where_it_is():
    with serving(ONE) as worker:
        client = worker.ask("GET /x\nAuthorization: NTLM abc")
        worker.pool().accept().answer(503)
        assert client.status == 503


def test_a_response_that_has_begun_is_not_replaced():
    with serving(ONE) as worker:
        client = worker.ask("GET /x")
        first = worker.pool().accept()
        first.begin(200, [b"a"])
        first.fail()
        assert client.ended == "reset"


def test_a_client_that_leaves_while_the_other_is_asked():
    with serving(ONE) as worker:
        client = worker.ask("GET /x")
        worker.pool().accept().answer(503)
        second = worker.pool(0, "other").accept()
        client.go()
        assert second.aborted


def test_a_hook_sees_the_last_answer_only():
    seen = []
    looks = FakeFilter(response=lambda exchange: seen.append(exchange.passage.held.head.status) or 0)
    with serving(ONE, own=(looks,)) as worker:
        client = worker.ask("GET /x")
        worker.pool().accept().answer(503)
        worker.pool(0, "other").accept().answer(200)
        assert client.status == 200 and seen == [200]


def test_an_upgrade():
    with serving(ONE) as worker:
        client = worker.ask("GET /x\nConnection: upgrade\nUpgrade: websocket")
        worker.pool().accept().answer(503)
        second = worker.pool(0, "other").accept()
        second.switch(b"hello")
        assert client.raw == b"hello"
        client.send_up(b"")
        second.send_down(b"")


def test_it_is_the_same_upstream_by_chance():
    """A split may choose the upstream that is there for failures."""
    text = ONE.replace('to = "app", failover', "split = { to = { app = 0, other = 1 } }, failover")
    with serving(text) as worker:
        client = worker.ask("GET /x")
        worker.pool(0, "other").accept().answer(503)
        assert client.status == 503
