"""A request whose peers fail it, or are slow: what is sent again, how often, and to which peer."""

import asyncio

import pytest

from rsp.config.failure import Hedge, Retry
from rsp.config.units import Duration
from rsp.http.h1.codec import parse_response
from rsp.http.peer_stream import Failure
from rsp.ipc import peer_cells
from rsp.ipc.worker_cells import HEDGES, RETRIES
from tests.unit.forward_lab import Lab, in_loop

# -- failures


@in_loop
async def test_each_peer_has_its_turn():
    lab = Lab(2)
    forward, user = lab.forward(b"POST", b"once")
    first = lab.asked
    first.fail()
    assert lab.asked is not first
    stream = lab.asked.make()
    assert stream.sent == b"once"
    stream.answer(201)
    assert user.statuses == [201]
    assert first.peer.stats.own(peer_cells.FAILURES) == 1
    assert first.peer.stats.own(peer_cells.RETRIES) == 1
    assert lab.context.stats.get(RETRIES) == 1
    assert forward.tried == {first.peer}
    lab.check()


@pytest.mark.parametrize(("timed_out", "status"), [(False, 502), (True, 504)])
@in_loop
async def test_no_peer_can_be_reached(timed_out, status):
    lab = Lab(2)
    _, user = lab.forward()
    lab.asked.fail()
    lab.asked.fail(timed_out=timed_out)
    assert user.ends == [(status, "")]
    lab.check()


@in_loop
async def test_many_peers_that_refuse_at_once_are_no_recursion():
    lab = Lab(40)
    forward, user = lab.forward()
    pauses = 0
    for _ in range(40):
        if not lab.asked.wanted:
            pauses += 1
            await asyncio.sleep(0)
        lab.asked.fail()
    assert pauses == 2
    assert user.ends == [(502, "")]
    assert len(forward.tried) == 40
    assert b",+31," in forward.peers_tried
    lab.check()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"DELETE", b"PUT", b"POST", b"PATCH"])
@in_loop
async def test_only_what_is_idempotent_is_sent_twice(method):
    lab = Lab(2)
    _, user = lab.forward(method, b"x" if method in (b"PUT", b"POST", b"PATCH") else None)
    lab.asked.make().fail()
    if method in (b"POST", b"PATCH"):
        assert user.ends == [(502, "")]
    else:
        lab.asked.make().answer()
        assert user.ends == ["whole"]
    lab.check()


@in_loop
async def test_a_request_that_no_peer_has_touched_goes_on_whatever_its_method():
    lab = Lab(2)
    _, user = lab.forward(b"POST", b"")
    lab.asked.make().fail(Failure("refused the stream", untouched=True))
    lab.asked.make().answer(201)
    assert user.statuses == [201]
    lab.check()


@in_loop
async def test_but_not_without_its_body():
    lab = Lab(2)
    _, user = lab.forward(b"POST", b"not kept")
    lab.asked.make().fail(Failure("refused the stream", untouched=True))
    assert user.ends == [(502, "")]
    lab.check()


@in_loop
async def test_what_is_bound_to_a_connection_is_sent_once():
    lab = Lab(2)
    _, user = lab.forward()
    lab.asked.make(bound=True).fail()
    assert user.ends == [(502, "")]
    lab.check()


@pytest.mark.parametrize("retry", [Retry(budget=0), Retry(tries=1)])
@in_loop
async def test_retries_have_bounds(retry):
    lab = Lab(2, retry=retry)
    _, user = lab.forward()
    lab.asked.make().fail()
    assert user.ends == [(502, "")]
    lab.check()


@in_loop
async def test_half_a_response_is_cut_off():
    lab = Lab(2)
    forward, user = lab.forward()
    stream = lab.asked.make()
    stream.answer(200, b"half", whole=False)
    stream.fail()
    assert (user.body, user.ends) == (b"half", ["cut"])
    assert forward.peer.stats.own(peer_cells.FAILURES) == 1
    lab.check()


@in_loop
async def test_a_status_sends_it_elsewhere():
    lab = Lab(2, retry=Retry(on=(503,)))
    _, user = lab.forward(b"PUT", b"again")
    stream = lab.asked.make()
    stream.answer(503, b"busy", whole=False)
    assert stream.end == "aborted"
    assert lab.asked.make().sent == b"again"
    lab.asked.last.answer(503)  # the last one's stands
    assert (user.statuses, user.ends) == ([503], ["whole"])
    assert lab.count(peer_cells.ERRORS) == 2
    lab.check()


# -- connections that had been closed


@in_loop
async def test_a_stale_connection_is_no_failure():
    lab = Lab(2)
    for peer in lab.peers:
        peer.pool.ready = [{}, {"went_stale": True}]
    forward, user = lab.forward()
    pool = lab.asked
    pool.last.fail()
    assert lab.asked is pool
    assert pool.ready == []  # the others have been closed as well
    pool.make().answer()
    assert user.ends == ["whole"]
    assert lab.count(peer_cells.FAILURES) == 0
    assert not forward.tried
    lab.check()


@in_loop
async def test_that_happens_once_to_a_request():
    lab = Lab(1)
    lab.peers[0].pool.ready = [{"went_stale": True}]
    _, user = lab.forward()
    lab.asked.last.fail()
    lab.asked.make(went_stale=True).fail()
    assert user.ends == [(502, "")]
    assert lab.count(peer_cells.FAILURES) == 1
    lab.check()


@pytest.mark.parametrize("count", [1, 2])
@in_loop
async def test_what_may_have_been_stale_is_asked_again_where_there_is_no_other_peer(count):
    lab = Lab(count)
    for peer in lab.peers:
        peer.pool.ready = [{"may_have_gone_stale": True}]
    _, user = lab.forward()
    pool = lab.asked
    pool.last.fail()
    assert (lab.asked is pool) == (count == 1)
    if not lab.asked.wanted:
        lab.asked.last.answer()
    else:
        lab.asked.make().answer()
    assert user.ends == ["whole"]
    assert lab.context.stats.get(RETRIES) == 1
    lab.check()


@in_loop
async def test_that_is_a_try():
    lab = Lab(1, retry=Retry(tries=1))
    lab.peers[0].pool.ready = [{"may_have_gone_stale": True}]
    _, user = lab.forward()
    lab.asked.last.fail()
    assert user.ends == [(502, "")]
    lab.check()


@pytest.mark.parametrize(("method", "looks"), [(b"GET", False), (b"POST", True)])
@in_loop
async def test_what_cannot_be_repeated_is_worth_a_look(method, looks):
    lab = Lab(1)
    lab.peers[0].pool.ready = [{}, {"stale": True}]
    lab.forward(method, b"x" if looks else None)
    assert [stream.end for stream in lab.asked.streams] == (["closed", ""] if looks else [""])
    lab.asked.last.answer()
    lab.check()


@in_loop
async def test_a_connection_that_may_hold_the_rest_of_a_response_is_worth_a_look():
    lab = Lab(1)
    lab.peers[0].pool.ready = [{"doubtful": True, "stale": True}]
    lab.forward()
    assert lab.asked.last.end == "closed"
    lab.asked.make().answer()
    lab.check()


# -- a second request for the same response


HEDGED = {"hedge": Hedge(after=Duration(30))}


@in_loop
async def test_the_second_peer_is_faster():
    lab = Lab(2, **HEDGED)
    forward, user = lab.forward()
    first = lab.asked.make()
    assert 29 < forward.late_in(30) <= 30
    assert forward.late_in(0) <= 0
    forward.hedge()
    forward.hedge()
    second = lab.other.make()
    second.answer(200, b"two ", whole=False)
    assert first.end == "aborted"
    assert forward.stream is second
    assert forward.late_in(30) < 0
    second.more(b"ends")
    assert (user.body, user.ends) == (b"two ends", ["whole"])
    assert forward.peers_tried == b",".join([first.pool.peer.name, second.pool.peer.name])
    assert lab.context.stats.get(HEDGES) == 1
    lab.check()


@in_loop
async def test_the_first_peer_is_faster():
    lab = Lab(2, **HEDGED)
    forward, user = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    second = lab.other.make()
    first.answer(200, b"one")
    assert second.end == "aborted"
    assert (user.body, user.ends) == (b"one", ["whole"])
    lab.check()


@pytest.mark.parametrize("first_fails", [True, False])
@in_loop
async def test_one_of_two_fails(first_fails):
    lab = Lab(2, **HEDGED)
    forward, user = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    second = lab.other.make()
    (first if first_fails else second).fail()
    (second if first_fails else first).answer(200, b"there")
    assert (user.body, user.ends) == (b"there", ["whole"])
    lab.check()


@in_loop
async def test_both_fail():
    lab = Lab(2, **HEDGED)
    forward, user = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    first.fail()
    assert user.ends == []
    lab.other.fail()
    assert user.ends == [(502, "")]
    lab.check()


def retries_of(lab):
    """How many the budget has been charged with; nothing of it is left afterwards."""

    def left(upstream):
        count = 0
        while upstream.may_retry():
            count += 1
        return count

    fresh = Lab(3, **HEDGED).upstream
    fresh.requests = lab.upstream.requests
    return left(fresh) - left(lab.upstream)


@pytest.mark.parametrize("allowed", [True, False])
@in_loop
async def test_a_third_try_after_both_have_failed_is_a_retry(allowed):
    lab = Lab(3, **HEDGED)
    forward, user = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    second = next(peer.pool for peer in lab.peers if peer.pool.wanted).make()
    first.fail()
    if not allowed:
        assert retries_of(lab) == 1
    second.fail()
    if allowed:
        next(peer.pool for peer in lab.peers if peer.pool.wanted).make().answer(200, b"third")
        assert retries_of(lab) == 2
    assert (user.body, user.ends) == ((b"third", ["whole"]) if allowed else (b"", [(502, "")]))
    lab.check()


@in_loop
async def test_a_second_request_that_was_not_sent_makes_the_next_one_no_retry():
    lab = Lab(3, **HEDGED)
    forward, user = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    first.fail()
    next(peer.pool for peer in lab.peers if peer.pool.wanted).fail()
    next(peer.pool for peer in lab.peers if peer.pool.wanted).make().answer(200, b"third")
    assert retries_of(lab) == 1
    assert user.ends == ["whole"]
    lab.check()


@in_loop
async def test_the_second_peer_switches_protocols_or_had_closed_its_connection():
    lab = Lab(3, **HEDGED)
    forward, _ = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    pool = next(peer.pool for peer in lab.peers if peer.pool.wanted)
    second = pool.make()
    second.request.switch_protocols(parse_response(b"HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\n", b"GET"), b"")
    assert second.end == "aborted"
    for peer in lab.peers:
        peer.pool.ready = [{"went_stale": True}]
    forward.hedge()
    third = next(stream for peer in lab.peers for stream in peer.pool.streams if not stream.end and stream is not first)
    third.fail()
    assert lab.count(peer_cells.FAILURES) == 0
    first.answer()
    lab.check()


@in_loop
async def test_the_second_request_may_try_a_peer_that_was_out():
    lab = Lab(2, **HEDGED)
    forward, _ = lab.forward()
    lab.asked.make()
    other = lab.other.peer
    assert lab.context.scoreboard.claim(other.stats.number)
    other.probe = forward
    forward.hedge()
    assert other.probe is not forward
    stream = other.pool.make()
    stream.answer(200, whole=False)
    assert other.probe is forward
    stream.more(b"end")
    assert other.probe is None
    lab.check()


@in_loop
async def test_a_second_connection_that_comes_too_late():
    lab = Lab(2, **HEDGED)
    forward, _ = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    (hedge,) = lab.other.wanted
    first.answer()
    assert not hedge.waits
    hedge.connected(lab.other._stream(hedge))
    assert lab.other.last.end == "put back"
    lab.check()


@in_loop
async def test_both_are_called_off():
    lab = Lab(2, **HEDGED)
    forward, user = lab.forward()
    first = lab.asked.make()
    forward.hedge()
    second = lab.other.make()
    user.ends.append("client gone")
    forward.abort("the client has left")
    assert (first.end, second.end) == ("aborted", "aborted")
    lab.check()


@pytest.mark.parametrize(
    ("method", "body", "fields", "hedged"),
    [
        (b"GET", None, b"", True),
        (b"HEAD", None, b"", True),
        (b"POST", b"", b"", False),
        (b"DELETE", None, b"", False),
        (b"GET", b"x", b"", False),
        (b"GET", None, b"Connection: upgrade\r\nUpgrade: x\r\n", False),
    ],
)
@in_loop
async def test_only_what_two_peers_may_process_is_hedged(method, body, fields, hedged):
    lab = Lab(2, **HEDGED)
    forward, _ = lab.forward(method, body, fields)
    assert forward.hedges == hedged
    lab.asked.make().answer()
    lab.check()
