"""A request on its way to a peer: what it passes on, how it waits, what chooses, how it ends."""

import asyncio
import gc
from time import monotonic

import pytest

from rsp.config.failure import Retry
from rsp.config.upstreams import Queue, Sticky
from rsp.exchange.forward.retry import MOST_NAMES, with_name
from rsp.http.h1.codec import parse_response
from rsp.ipc import peer_cells
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.scoreboard import RETIRED_ROW
from rsp.ipc.worker_cells import QUEUED, ROWS
from tests.unit.forward_lab import Lab, in_loop

# -- what goes well


@in_loop
async def test_a_response_passes():
    lab = Lab()
    forward, user = lab.forward()
    stream = lab.asked.make()
    assert lab.count(peer_cells.IN_FLIGHT) == 1
    stream.answer(200, b"some ", whole=False)
    forward.pause()
    assert stream.paused
    forward.resume()
    assert not stream.paused
    stream.more(b"body")
    assert (user.statuses, user.body, user.ends) == ([200], b"some body", ["whole"])
    assert forward.peers_tried == forward.peer.name
    assert 0 < forward.ended <= monotonic()
    assert 0 < forward.seconds < 60
    assert forward.last_lines == b""
    lab.check()
    assert forward.peers_tried == forward.peer.name


@in_loop
async def test_an_idle_connection_is_taken():
    lab = Lab(1)
    lab.peers[0].pool.ready = [{}]
    _, user = lab.forward()
    lab.asked.last.answer(201)
    assert user.statuses == [201]
    lab.check()


@in_loop
async def test_nothing_keeps_the_two_alive():
    lab = Lab(1)
    lab.forward()
    lab.asked.make().answer()
    lab.check()
    gc.collect()
    lab.forwards[0].abort("")
    assert not any(each is lab.users[0] for each in gc.get_referents(lab.forwards[0]))


@in_loop
async def test_the_cookie_of_an_upstream_goes_behind_the_response():
    lab = Lab(1, sticky=Sticky(cookie="peer"))
    forward, _ = lab.forward()
    lab.asked.make().answer()
    line = forward.last_lines
    assert line.startswith(b"Set-Cookie: peer=")
    bound, _ = lab.forward(fields=b"Cookie: " + line.split(b" ")[1].split(b";")[0] + b"\r\n")
    lab.asked.make().answer()
    assert bound.last_lines == b""
    lab.check()


# -- the request's body


@in_loop
async def test_a_body_follows_its_head():
    lab = Lab(1)
    forward, user = lab.forward(b"PUT", fields=b"Transfer-Encoding: chunked\r\n")
    forward.request_body([b"a"], None)
    stream = lab.asked.make()
    assert (stream.sent, stream.whole, user.calls) == (b"a", False, ["ready"])
    forward.request_body([b"b"], None)
    forward.request_body([b"c"], [b"X: 1", b"Secret: 1"])
    assert (stream.sent, stream.whole, stream.trailers) == (b"abc", True, [b"X: 1"])
    assert forward.request_done
    stream.answer()
    lab.check()


@in_loop
async def test_what_cannot_be_sent_yet_is_bounded():
    lab = Lab(1)
    forward, user = lab.forward(b"PUT", fields=b"Transfer-Encoding: chunked\r\n")
    forward.request_body([b"x" * lab.limits.buffer], None)
    assert user.calls == []
    forward.request_body([b"x"], None)
    assert user.calls == ["full"]
    stream = lab.asked.make(full=True)
    assert user.calls == ["full"]
    forward.peer_ready()
    forward.peer_full()
    assert user.calls == ["full", "ready", "full"]
    forward.request_body([], [])
    stream.answer()
    lab.check()


@in_loop
async def test_a_body_that_was_sent_is_sent_again():
    lab = Lab(2)
    forward, user = lab.forward(b"PUT", fields=b"Transfer-Encoding: chunked\r\n")
    forward.request_body([b"a"], None)
    lab.asked.make()
    forward.request_body([b"b"], None)
    lab.asked.last.fail()
    forward.request_body([b"c"], [])
    stream = lab.asked.make()
    assert (stream.sent, stream.whole) == (b"abc", True)
    assert forward.ended == 0
    stream.answer()
    assert user.ends == ["whole"]
    assert forward.peers_tried == b",".join([lab.other.peer.name, lab.asked.peer.name])
    lab.check()


@in_loop
async def test_more_than_is_kept_cannot_be_sent_again():
    lab = Lab(2, retry=Retry(body=3))
    _, user = lab.forward(b"PUT", b"abcd")
    lab.asked.make().fail()
    assert user.ends == [(502, "")]
    lab.check()


# -- waiting for a peer


@in_loop
async def test_a_request_waits_for_room():
    lab = Lab(1, max_conns=1)
    lab.forward()
    running = lab.asked.make()
    waiting, user = lab.forward()
    assert waiting.queue_deadline > lab.context.now
    assert lab.context.stats.get(QUEUED) == 1
    running.answer()
    await asyncio.sleep(0.02)
    assert waiting.queue_deadline == 0
    lab.peers[0].pool.make().answer()
    assert user.ends == ["whole"]
    lab.check()


@in_loop
async def test_too_many_wait():
    lab = Lab(1, max_conns=1, queue=Queue(size=0))
    lab.forward()
    _, user = lab.forward()
    assert user.ends == [(503, "too many requests in the queue")]
    lab.peers[0].pool.make().answer()
    lab.check()


@in_loop
async def test_it_waits_for_so_long():
    lab = Lab(1, max_conns=1)
    lab.forward()
    running = lab.asked.make()
    waiting, user = lab.forward()
    lab.upstream.tick_requests(waiting.queue_deadline + 1)
    assert user.ends == [(503, "no peer was available in time")]
    running.answer()
    lab.check()


@in_loop
async def test_it_leaves_the_queue():
    lab = Lab(1, max_conns=1)
    lab.forward()
    running = lab.asked.make()
    waiting, user = lab.forward()
    user.ends.append("client gone")
    waiting.abort("the client has left")
    assert not lab.upstream.queue
    running.answer()
    lab.check()


@in_loop
async def test_another_worker_was_faster():
    lab = Lab(1, max_conns=1)
    (peer,) = lab.peers
    lab.context.scoreboard.row(RETIRED_ROW)[ROWS] = 2
    theirs = PeerStats(lab.context.scoreboard, peer.stats.number, 1)
    theirs.add(peer_cells.IN_FLIGHT, 1)
    assert lab.context.scoreboard.claim(peer.stats.number)

    def choose(forward):
        peer.probe = forward
        forward.chooser = Chooser(peer)

    forward, user = lab.forward(before=choose)
    assert forward.queue_deadline > 0
    assert peer.probe is None
    theirs.add(peer_cells.IN_FLIGHT, -1)
    await asyncio.sleep(0.02)
    peer.pool.make().answer()
    assert user.ends == ["whole"]
    lab.check()


# -- its end


@in_loop
async def test_nothing_more_is_told_after_an_abort():
    lab = Lab(1)
    forward, user = lab.forward()
    pool = lab.asked
    user.ends.append("client gone")
    forward.abort("the client has left")
    assert not forward.waits
    forward.connected(pool._stream(forward))
    assert pool.last.end == "put back"
    for call in (forward.pause, forward.resume, forward.peer_full, forward.peer_ready):
        call()
    forward.request_body([b"x"], [])
    forward.go_on(503)
    forward.next_peer(503)
    forward.try_peer(lab.peers[0])
    assert user.calls == []
    lab.check()


@in_loop
async def test_what_has_come_will_do():
    lab = Lab(1)
    forward, user = lab.forward()
    stream = lab.asked.make()
    stream.answer(200, b"start", whole=False)
    forward.enough()
    assert stream.end == "aborted"
    assert forward.ended > 0
    assert forward.peer.stats.last_success() > 0
    user.ends.append("the start will do")
    lab.check()


# -- tunnels


SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"


@pytest.mark.parametrize("lost", [True, False])
@in_loop
async def test_a_tunnel(lost):
    lab = Lab(1)
    forward, user = lab.forward(fields=b"Connection: upgrade\r\nUpgrade: x\r\n")
    stream = lab.asked.make()
    forward.switch_protocols(parse_response(SWITCHED, b"GET"), b"first ")
    assert stream.tunnel
    forward.tunnel_down(b"down")
    forward.tunnel_up(b"up")
    forward.tunnel_down_eof()
    forward.tunnel_up_eof()
    assert (user.raw, stream.raw, stream.eof, user.calls) == (b"first down", b"up", True, ["eof"])
    assert lab.count(peer_cells.IN_FLIGHT) == 1
    if lost:
        stream.end = "lost"
        forward.tunnel_lost()
        assert user.ends == ["tunnel"]
    else:
        forward.close_tunnel()
        assert stream.end == "closed"
        user.ends.append("tunnel")
    lab.check()


@in_loop
async def test_a_tunnel_that_was_not_asked_for():
    lab = Lab(2)
    forward, user = lab.forward()
    stream = lab.asked.make()
    forward.switch_protocols(parse_response(SWITCHED, b"GET"), b"")
    assert stream.end == "aborted"
    lab.asked.make().answer()
    assert user.statuses == [200]
    lab.check()


# -- what chooses


class Chooser:
    def __init__(self, peer=None, takes=True):
        self.peer = peer
        self.takes = takes
        self.statuses: list[int] = []

    def choose(self, forward, status):
        self.statuses.append(status)
        if self.peer is not None:
            forward.try_peer(self.peer)
        return self.takes


@in_loop
async def test_a_chooser_is_asked_for_each_try():
    lab = Lab(3)
    chooser = Chooser(lab.peers[2])
    forward, user = lab.forward(before=lambda forward: setattr(forward, "chooser", chooser))
    assert lab.asked is lab.peers[2].pool
    chooser.peer = None
    lab.asked.fail(timed_out=True)
    assert chooser.statuses == [503, 504]
    forward.go_on(504)
    chooser.takes = False
    lab.asked.fail()
    lab.asked.make().answer()
    assert chooser.statuses == [503, 504, 502]
    assert user.ends == ["whole"]
    lab.check()
    assert forward.chooser is None


@in_loop
async def test_a_pinned_peer_comes_first():
    lab = Lab(3)
    lab.forward(before=lambda forward: setattr(forward, "pinned", lab.peers[2]))
    assert lab.asked is lab.peers[2].pool
    lab.asked.fail()
    assert lab.asked is not lab.peers[2].pool
    lab.asked.make().answer()
    lab.check()


class Own:
    def __init__(self, pool, usable=True):
        self.pool = pool
        self.usable = usable

    def open(self, request):
        return self.pool._stream(request, bound=True) if self.usable else None


@pytest.mark.parametrize("usable", [True, False])
@in_loop
async def test_a_connection_of_the_clients_own(usable):
    lab = Lab(2)
    peer = lab.peers[1]

    def own(forward):
        forward.own, forward.only = Own(peer.pool, usable), peer

    forward, user = lab.forward(before=own)
    assert lab.asked is peer.pool
    assert forward.only is None
    if usable:
        peer.pool.last.answer()
    else:
        peer.pool.make().answer()
    assert user.ends == ["whole"]
    lab.check()


def test_names_of_peers():
    names, texts = b"", []
    for number in range(MOST_NAMES + 3):
        names = with_name(names, number, b"%d" % number)
        texts.append(names)
    assert texts[0] == b"0"
    assert texts[2] == b"0,1,2"
    assert texts[-3:] == [b"0,1,2,3,4,5,6,7,8", b"0,1,2,3,4,5,6,7,+1,9", b"0,1,2,3,4,5,6,7,+2,10"]
