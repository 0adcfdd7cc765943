"""An exchange alone, and peers that fail, are full, or are late; see ``test_exchange.py``."""

import pytest

from rsp.ipc import peer_cells
from rsp.ipc.worker_cells import HEDGES, QUEUED, RETRIES
from tests.unit.fakes import serving

ONE = 'upstream "app" { "127.0.0.1:2" }\nroute { to = "app" }\n'
TWO = 'upstream "app" { "127.0.0.1:2", "127.0.0.1:3", %s }\nroute { to = "app" }\n'
BODY = "%s /x\nTransfer-Encoding: chunked"


def idle(pool):
    """A connection of ``pool`` that waits for a request."""
    worker_stream = pool.accept()
    worker_stream.answer()
    return pool.idle[0]


# -- no connection


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_request_goes_on_after_a_connection_that_failed(method):
    with serving(TWO % "") as worker:
        client = worker.ask(BODY % method, b"a")
        worker.refuse()
        peer = worker.accept()
        assert (peer.body, peer.trailers) == (b"a", [])
        peer.answer()
        assert client.status == 200 and worker.count(RETRIES) == 1
        assert "upstream=127.0.0.1:2,127.0.0.1:3 " in worker.log.lines[0] or "3,127.0.0.1:2 " in worker.log.lines[0]


@pytest.mark.parametrize(("timed_out", "status"), [(False, 502), (True, 504)])
def test_no_peer_can_be_reached(timed_out, status):
    with serving(TWO % "") as worker:
        client = worker.ask()
        worker.refuse()
        worker.refuse(timed_out=timed_out)
        assert (client.status, client.own, client.ended) == (status, True, "kept")


def test_a_great_many_that_refuse_at_once():
    peers = ", ".join(f'"127.0.0.1:{port}"' for port in range(2, 50))
    with serving(f'upstream "app" {{ {peers} }}\nroute {{ to = "app" }}') as worker:
        client = worker.ask()
        for _ in range(48):
            worker.refuse()
            worker.turn()
        assert client.status == 502 and ",+39,127.0.0.1:" in worker.log.lines[0]


def test_a_client_that_is_gone_between_two_tries():
    with serving(TWO % "") as worker:
        client = worker.ask()
        worker.refuse()
        client.go()
        assert worker.accept() is None
        assert worker.statuses == [499]


# -- a request that was sent


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_an_idempotent_request_goes_on_after_a_reset(method):
    with serving(TWO % "") as worker:
        client = worker.ask(BODY % method, b"abc", last=False)
        first = worker.accept()
        client.send(b"d")
        first.fail()
        client.send(b"e", last=True, trailers=(b"T: u",))
        second = worker.accept()
        assert second is not first and (second.body, second.trailers) == (b"abcde", [b"T: u"])
        second.answer()
        assert client.status == 200 and worker.count(RETRIES) == 1
        assert (
            worker.pool(0).peer.stats.own(peer_cells.FAILURES) + worker.pool(1).peer.stats.own(peer_cells.FAILURES) == 1
        )


@pytest.mark.parametrize(("more", "status"), [({}, 502), ({"timed_out": True}, 504)])
def test_another_request_does_not(more, status):
    with serving(TWO % "") as worker:
        client = worker.ask("POST /x")
        worker.accept().fail(**more)
        assert (client.status, client.ended) == (status, "kept")


def test_a_post_that_no_peer_can_have_processed_goes_on():
    with serving(TWO % "") as worker:
        client = worker.ask("POST /x")
        worker.accept().fail("refused the stream", untouched=True)
        worker.accept().answer()
        assert client.status == 200


def test_a_body_that_is_too_large_to_keep():
    with serving(TWO % "retry = { body = 4 }") as worker:
        client = worker.ask(BODY % "PUT", b"abc", last=False)
        peer = worker.accept()
        client.send(b"de")
        peer.fail()
        assert client.status == 502


def test_the_budget_for_retries():
    with serving(TWO % "retry = { budget = 0 }") as worker:
        client = worker.ask()
        worker.accept().fail()
        assert client.status == 502


def test_the_most_peers_for_a_request():
    with serving(TWO % "retry = { tries = 1 }") as worker:
        client = worker.ask()
        worker.refuse()
        assert client.status == 502


def test_a_response_that_breaks_off_cuts_the_client_off():
    with serving(TWO % "") as worker:
        client = worker.ask()
        peer = worker.accept()
        peer.begin(200, [b"a"])
        peer.fail()
        assert (client.status, client.body, client.ended) == (200, b"a", "reset")
        assert worker.statuses == [200]


def test_an_answer_that_another_peer_may_do_better():
    with serving(TWO % "retry = { on = { 503 } }") as worker:
        client = worker.ask("PUT /x\nContent-Length: 1", b"a")
        first = worker.accept()
        first.begin(503, [b"no"])
        assert first.aborted
        second = worker.accept()
        assert second.body == b"a"
        second.answer(503, b"no either")  # there is no third one
        assert (client.status, client.body, client.own) == (503, b"no either", False)


# -- a connection that the peer had closed


def test_a_stale_connection_costs_nothing():
    with serving(TWO % "") as worker:
        worker.ask()
        idle(worker.asked())
        for _ in range(2):
            client = worker.ask()
            (pool,) = [pool for pool in worker.pools if pool.streams] or [None]
            if pool is None:  # the other peer's turn
                worker.accept().answer()
                continue
            pool.stream.went = True
            pool.stream.fail()
            assert pool.attempts, "the same peer is asked again"
            pool.accept().answer()
            assert client.status == 200
        assert worker.count(RETRIES) == 0
        assert not any(pool.peer.stats.own(peer_cells.FAILURES) for pool in worker.pools)


def test_a_connection_that_may_have_been_stale_is_tried_once_more_where_there_is_no_other():
    with serving(ONE) as worker:
        worker.ask()
        idle(worker.pool())
        client = worker.ask()
        stream = worker.pool().stream
        stream.may_have_gone = True
        stream.fail()
        worker.accept().fail()
        assert client.status == 502 and worker.count(RETRIES) == 1


def test_what_cannot_be_sent_twice_looks_before_it_is_sent():
    with serving(ONE) as worker:
        worker.ask()
        connection = idle(worker.pool())
        connection.stale = True
        client = worker.ask("POST /x")
        assert connection.closed
        worker.accept().answer()
        assert client.status == 200


# -- peers that are out


def test_a_peer_that_fails_is_out_and_one_request_tries_it_again():
    with serving(TWO % 'keepalive = 0, failures = { count = 1, out = "1s" }') as worker:
        worker.ask()
        out = worker.asked()
        worker.wait(1)
        out.accept().answer()  # it has to prove itself first
        for _ in range(2):
            worker.wait(0.25)
            client = worker.ask()
            if worker.asked() is out:
                worker.refuse()
            worker.accept().answer()
            assert client.status == 200
        assert out.peer.stats.own(peer_cells.FAILURES) == 1
        worker.wait(3)
        client, other = worker.ask(), worker.ask()
        assert out.peer.probe is not None
        assert len(out.attempts) + len(out.streams) == 1
        out.accept().answer()
        assert out.peer.probe is None and client.status == 200
        (pool,) = [pool for pool in worker.pools if pool is not out]
        (pool.streams[0] if pool.streams else pool.accept()).answer()
        assert other.status == 200


# -- the queue

FULL = 'upstream "app" { "127.0.0.1:2", max_conns = 1, queue = { size = 2, timeout = "2s" } }\nroute { to = "app" }\n'


def test_requests_wait_until_the_peer_has_room():
    with serving(FULL) as worker:
        clients = [worker.ask() for _ in range(3)]
        assert worker.count(QUEUED) == 2
        over = worker.ask()
        assert over.status == 503 and b"too many requests in the queue" in over.body and b"Retry-After: 1" in over.lines
        worker.accept().answer(200, b"1")
        for number in (b"2", b"3"):
            worker.turn()
            worker.pool().stream.answer(200, number)
        assert [client.body for client in clients] == [b"1", b"2", b"3"]


def test_a_request_waits_only_so_long():
    with serving(FULL) as worker:
        first, second = worker.ask(), worker.ask()
        worker.wait(4)
        assert (second.status, second.ended) == (503, "kept") and b"no peer was available in time" in second.body
        worker.accept().answer()
        assert first.status == 200


@pytest.mark.parametrize("how", ["go", "leave", "fail"])
def test_a_client_that_is_gone_waits_no_more(how):
    with serving(FULL) as worker:
        worker.ask()
        waiting = worker.ask(BODY % "POST", last=False)
        assert worker.count(QUEUED) == 1
        getattr(waiting, how)()
        assert worker.count(QUEUED) == 0
        worker.accept().answer()
        worker.turn()


def test_the_body_of_a_request_that_waits_is_held_up():
    with serving("limits = { buffer = 2 }\n" + FULL) as worker:
        worker.ask()
        client = worker.ask(BODY % "POST", b"abc", last=False)
        assert client.paused
        worker.accept().answer()
        worker.turn()
        assert not client.paused
        client.send(last=True)
        assert worker.pool().stream.body == b"abc"
        worker.pool().stream.answer()


# -- a second request for a late response

HEDGE = TWO % 'hedge = { after = "100ms" }'


def late(worker):
    """A request whose response is late, the first peer and the second."""
    client = worker.ask()
    first = worker.accept()
    worker.wait(0.25)
    return client, first, worker.accept()


def test_a_hedge_that_is_first():
    with serving(HEDGE) as worker:
        client, first, second = late(worker)
        second.begin(200, [b"2"])
        assert first.aborted
        second.send(last=True)
        assert (client.body, client.ended) == (b"2", "kept")
        assert worker.count(HEDGES) == 1 and "," in worker.log.lines[0].split("upstream=")[1]


def test_a_hedge_that_is_second():
    with serving(HEDGE) as worker:
        client, first, second = late(worker)
        first.begin(200, [b"1"])
        assert second.aborted
        first.send(last=True)
        assert client.body == b"1"


@pytest.mark.parametrize("survivor", [0, 1])
def test_one_of_the_two_fails(survivor):
    with serving(HEDGE) as worker:
        client, *both = late(worker)
        both[1 - survivor].fail()
        assert not client.status
        both[survivor].answer(200, b"it")
        assert client.body == b"it"


def test_both_fail():
    with serving(HEDGE) as worker:
        client, *both = late(worker)
        for each in both:
            each.fail()
        assert client.status == 502


def test_a_client_that_is_gone_ends_both():
    with serving(HEDGE) as worker:
        client, *both = late(worker)
        client.go()
        assert all(each.aborted for each in both)


@pytest.mark.parametrize("text", ["POST /x", "GET /x\nContent-Length: 1", "GET /x\nConnection: upgrade\nUpgrade: echo"])
def test_what_is_not_hedged(text):
    with serving(HEDGE) as worker:
        client = worker.ask(text, *([b"a"] if "Length" in text else []))
        peer = worker.accept()
        worker.wait(1)
        assert not [pool for pool in worker.pools if pool.attempts]
        peer.answer()
        assert client.status == 200


# -- connections that a client has authenticated

NTLM = "GET /x\nAuthorization: NTLM abc"


def test_an_authenticated_connection_is_for_its_client_alone():
    with serving(ONE) as worker:
        session = worker.session()
        worker.ask(NTLM, session=session)
        peer = worker.accept()
        connection = peer.connection
        peer.answer()
        assert connection.held and not worker.pool().idle
        other = worker.ask()
        worker.accept().answer()
        mine = worker.ask(session=session)
        assert worker.pool().stream.connection is connection
        worker.pool().stream.answer()
        assert (other.status, mine.status) == (200, 200)
        session.end()
        assert connection.closed


def test_a_proxy_keeps_none():
    with serving('trusted = { "192.0.2.1" }\n' + ONE) as worker:
        session = worker.session()
        worker.ask(NTLM, session=session)
        peer = worker.accept()
        peer.answer()
        assert peer.connection.closed and session.own is None


def test_an_authenticated_request_is_not_sent_again():
    with serving(TWO % "") as worker:
        client = worker.ask(NTLM)
        worker.accept().fail()
        assert client.status == 502
