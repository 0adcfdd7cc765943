"""The connections over HTTP/2 of one peer: how many are made, which requests wait for them, and when they end."""

import contextlib
import socket

import pytest

from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.config.upstreams import UpstreamPeer
from rsp.exchange.forward.pool import Pool
from rsp.ipc.peer_cells import CONNECTING, CONNECTS
from rsp.ipc.peer_stats import PeerStats
from tests.unit.h2_far_end import LIMITS, Peer, Request
from tests.unit.lone_worker import LoneWorker, tcp_pair

WEBSOCKET = ("GET /", "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc")
NTLM = ("GET /", "Authorization: NTLM abc")


class Dial:
    """A connection that is being made; ``single``: for HTTP/1.1 alone."""

    def __init__(self, lab, attempt, single) -> None:
        self.lab = lab
        self.attempt = attempt
        self.single = single

    def cancel(self, reason):
        self.fail(reason)

    def fail(self, reason="refused"):
        self.lab.dials.remove(self)
        self.attempt.end(None, reason)

    def accept(self, **settings) -> Peer:
        """The peer speaks HTTP/2."""
        peer = Peer(self._connect(), **settings)
        self.lab.peers.append(peer)
        self.lab.play()
        return peer

    def accept_http1(self) -> socket.socket:
        self.lab.alpn = b"http/1.1"
        return self._connect()

    def _connect(self) -> socket.socket:
        self.lab.dials.remove(self)
        pair = tcp_pair()
        for end in pair:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport, far = self.lab.pair(pair)
        self.attempt.end(transport, "")
        return far


class LabPool(Pool):
    lab: "Lab"

    def dial(self, attempt, single):
        dial = Dial(self.lab, attempt, single)
        self.lab.dials.append(dial)
        return dial

    def alpn(self, transport):
        return self.lab.alpn


class Owner:
    address = Address("127.0.0.1:1")


class Lab(LoneWorker):
    """``dials``: connections that are being made; ``peers``: their far ends, once they are; ``alpn``: what peers choose."""

    def __init__(self, http=2, **config) -> None:
        super().__init__()
        self.context.limits = LIMITS
        owner = Owner()
        owner.stats = PeerStats(self.context.scoreboard, 0, 0)
        self.stats = owner.stats
        self.pool = LabPool(self.context, owner, http)
        self.pool.lab = self
        self.configure(**config)
        self.alpn = b"h2"
        self.dials: list[Dial] = []
        self.peers: list[Peer] = []

    def configure(self, **config):
        self.pool.configure(UpstreamConfig(name="app", peers=(UpstreamPeer(address=Owner.address),), **config))

    def play(self) -> None:
        for _ in range(6):
            self.turn()
            for peer in self.peers:
                peer.play()
        self.turn()

    def ask(self, *text, **more) -> Request:
        """As a forwarded request does."""
        request = Request(*text, **more)
        stream = self.pool.take(request)
        if stream is not None:
            request.send(stream)
        else:
            self.pool.connect(request)
        return request

    @property
    def open(self):
        return self.pool.shared.open


@contextlib.contextmanager
def lab(*given, **config):
    made = Lab(*given, **config)
    yield made
    for peer in made.peers:
        peer.hang_up()
    made.turn()
    assert made.stats.own(CONNECTING) == 0
    assert not made.context.attempts
    made.close()


def answer_all(peer: Peer) -> None:
    """Every request that is open."""
    for number in [n for n, stream in peer.h2.streams.items() if stream.open]:
        peer.answer(number, 200, b"x")


# -- making connections


def test_requests_that_wait_share_one_connection():
    with lab() as one:
        requests = [one.ask() for _ in range(100)]
        (dial,) = one.dials
        assert one.stats.own(CONNECTING) == 1
        dial.accept()
        assert all(request.stream is not None for request in requests)
        answer_all(one.peers[0])
        one.play()
        assert all(request.body == b"x" for request in requests)
        assert one.stats.own(CONNECTS) == 1 and not one.dials
        later = one.ask()
        assert later.stream is not None


def test_as_many_connections_as_those_that_wait_need():
    with lab() as one:
        requests = [one.ask() for _ in range(250)]
        assert len(one.dials) == 3
        one.dials[0].accept(MAX_CONCURRENT_STREAMS=10)
        assert sum(request.stream is not None for request in requests) == 10
        assert len(one.dials) == 8
        while one.dials:
            one.dials[0].accept(MAX_CONCURRENT_STREAMS=10)
        assert len(one.open) == 25 and all(request.stream is not None for request in requests)


def test_no_more_connections_at_a_time_than_allowed():
    with lab(max_connecting=2) as one:
        for _ in range(1000):
            one.ask()
        assert len(one.dials) == 2
        for dial in one.dials[:]:
            dial.fail()


def test_a_place_that_becomes_free_is_taken_by_one_that_waits():
    with lab() as one:
        one.ask()
        peer = one.dials[0].accept(MAX_CONCURRENT_STREAMS=1)
        waiting = one.ask()
        assert waiting.stream is None and len(one.dials) == 1
        answer_all(peer)
        one.play()
        assert waiting.stream is not None
        answer_all(peer)
        one.play()
        assert waiting.body == b"x"
        one.dials[0].accept()
        assert len(one.open) == 2


def test_one_failure_for_all_that_wait():
    with lab() as one:
        requests = [one.ask() for _ in range(5)]
        one.dials[0].fail("connection refused")
        assert [request.told for request in requests] == [["connection refused"]] * 5
        assert [request.failures[0].counts for request in requests] == [True, False, False, False, False]


def test_a_failure_that_leads_back_here_makes_a_new_connection():
    with lab() as one:
        again = []
        for _ in range(3):
            request = one.ask()
            request.connect_failed = lambda failure: again.append(one.ask())
        one.dials[0].fail()
        assert len(again) == 3 and len(one.dials) == 1
        one.dials[0].accept()
        assert all(request.stream is not None for request in again)


def test_one_of_several_connections_that_fails():
    with lab() as one:
        requests = [one.ask() for _ in range(150)]
        one.dials[0].fail()
        assert not any(request.told for request in requests)
        one.dials[0].accept()
        assert sum(request.stream is not None for request in requests) == 100 and len(one.dials) == 1
        one.dials[0].fail()
        assert sum(request.told == ["refused"] for request in requests) == 50


def test_a_request_that_needs_none_any_more_gets_none():
    with lab() as one:
        gone, kept = one.ask(), one.ask()
        gone.wanted = False
        one.dials[0].accept()
        assert gone.stream is None and kept.stream is not None


def test_a_connection_that_takes_too_long():
    with lab() as one:
        request = one.ask()
        (dial,) = one.dials
        assert not dial.attempt.is_due(one.context.now + LIMITS.connect_time)
        dial.attempt.expire()
        assert request.failures[0].timed_out and request.told == ["timed out while connecting"]


def test_a_peer_that_never_says_its_settings():
    with lab() as one:
        request = one.ask()
        (dial,) = one.dials
        far = dial._connect()
        one.turn()
        assert dial.attempt.is_due(one.context.now + LIMITS.handshake_time + 1.1)
        dial.attempt.expire()
        assert request.failures[0].timed_out and "before it sent the HTTP/2 preface" in request.told[0]
        one.turn()
        far.close()


def test_a_request_that_waits_has_its_own_time():
    with lab() as one:
        one.ask()
        one.dials[0].accept(MAX_CONCURRENT_STREAMS=1)
        late = one.ask()
        due = [each for each in one.context.attempts if each.is_due(one.context.now + 100)]
        assert len(due) == 2
        next(each for each in due if each is not one.dials[0].attempt).expire()
        assert late.failures[0].timed_out
        one.dials[0].fail()
        assert len(late.failures) == 1


def test_those_that_have_waited_in_vain_ask_for_no_connections():
    with lab() as one:
        requests = [one.ask() for _ in range(100)]
        attempt = one.dials[0].attempt
        for waiter in list(one.context.attempts):
            if waiter is not attempt:
                waiter.expire()
        assert all(request.failures[0].timed_out for request in requests)
        for _ in range(100):
            one.ask()
        assert len(one.dials) == 1
        one.dials[0].fail()


def test_a_peer_that_takes_no_requests():
    with lab() as one:
        request = one.ask()
        one.dials[0].accept(MAX_CONCURRENT_STREAMS=0)
        assert "takes no requests" in request.told[0] and not one.dials


def test_a_peer_that_speaks_another_protocol():
    with lab() as one:
        request = one.ask()
        far = one.dials[0]._connect()
        far.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        one.turn()
        assert request.told == ["speaks HTTP/1.1, not HTTP/2"]


def test_a_check_makes_a_connection_that_the_first_request_finds():
    with lab() as one:
        one.pool.check()
        one.dials[0].accept()
        assert one.ask().stream is not None


def test_warming_up_makes_one():
    with lab(warm=5) as one:
        one.pool.warm_up(5)
        one.pool.warm_up(5)
        assert len(one.dials) == 1
        one.dials[0].accept()
        one.pool.warm_up(5)
        assert not one.dials and one.pool.count_idle() == 1


def test_whether_a_request_would_need_a_connection():
    with lab() as one:
        assert not one.pool.has_idle()
        one.ask()
        assert one.pool.has_idle(), "it waits with the first"
        one.dials[0].accept(MAX_CONCURRENT_STREAMS=1)
        assert not one.pool.has_idle()
        answer_all(one.peers[0])
        one.play()
        assert one.pool.has_idle()


# -- leaving them


def test_after_goaway_requests_take_a_new_connection():
    with lab() as one:
        first = one.ask()
        peer = one.dials[0].accept()
        peer.goaway(1)
        one.play()
        second = one.ask()
        assert second.stream is None and len(one.dials) == 1
        one.dials[0].accept()
        assert second.stream is not None
        answer_all(peer)
        one.play()
        assert first.body == b"x" and peer.closed


def test_those_that_wait_for_a_connection_that_leaves_get_another():
    with lab() as one:
        one.ask()
        peer = one.dials[0].accept(MAX_CONCURRENT_STREAMS=1)
        waiting = one.ask()
        (dial,) = one.dials
        peer.goaway(1)
        one.play()
        assert one.dials == [dial], "one is being made already"
        dial.accept()
        assert waiting.stream is not None


def test_idle_connections_are_kept_as_configured():
    with lab(keepalive=0) as one:
        one.ask()
        peer = one.dials[0].accept()
        answer_all(peer)
        one.play()
        assert peer.goaways == [0] and peer.closed and not one.open


def test_what_a_burst_has_made_ends():
    with lab(keepalive=1) as one:
        for _ in range(3):
            one.ask()
        while one.dials:
            one.dials[0].accept(MAX_CONCURRENT_STREAMS=1)
        assert len(one.open) == 3
        for peer in one.peers:
            answer_all(peer)
            one.play()
        assert len(one.open) == 1


def test_a_retired_pool_lets_its_requests_finish():
    with lab() as one:
        busy = one.ask()
        peer = one.dials[0].accept()
        one.pool.retire()
        assert not one.open and one.pool.take(Request()) is None
        answer_all(peer)
        one.play()
        assert busy.body == b"x" and peer.closed


def test_a_connection_that_comes_too_late_for_its_pool_serves_those_that_wait():
    with lab() as one:
        request = one.ask()
        one.pool.retire()
        peer = one.dials[0].accept()
        answer_all(peer)
        one.play()
        assert request.body == b"x" and peer.closed


def test_a_worker_that_drains_closes_what_is_idle():
    with lab() as one:
        one.ask()
        peer = one.dials[0].accept()
        one.context.draining = True
        answer_all(peer)
        one.play()
        assert peer.closed and not one.open


def test_idle_connections_can_be_closed():
    with lab() as one:
        for _ in range(2):
            one.ask()
        while one.dials:
            one.dials[0].accept(MAX_CONCURRENT_STREAMS=1)
        answer_all(one.peers[0])
        one.play()
        assert one.pool.count_idle() == 1
        assert one.pool.close_oldest() and not one.pool.close_oldest()
        answer_all(one.peers[1])
        one.play()
        one.pool.forget_idle()
        assert not one.open


# -- "auto"


def test_a_peer_that_chooses_http1():
    with lab("auto", tls=True) as one:
        requests = [one.ask() for _ in range(3)]
        (dial,) = one.dials
        assert not dial.single
        far = dial.accept_http1()
        one.turn()
        assert requests[0].stream is not None and far.recv(1000).startswith(b"GET /a HTTP/1.1\r\n")
        assert len(one.dials) == 2 and all(dial.single for dial in one.dials)
        for dial in one.dials[:]:
            dial.accept_http1()
        assert all(request.stream is not None for request in requests)
        later = one.ask()
        assert one.dials[0].single and later.stream is None
        one.dials[0].fail()
        one.context.now += 61
        one.ask()
        assert not one.dials[0].single, "it is asked again after a while"
        one.dials[0].fail()


def test_a_peer_of_http2_that_chooses_http1():
    with lab(2, tls=True) as one:
        request = one.ask()
        one.dials[0].accept_http1()
        assert request.told == ['does not speak HTTP/2: it has selected "http/1.1" (ALPN)']


@pytest.mark.parametrize("text", [WEBSOCKET, NTLM, ("GET /", "Connection: upgrade", "Upgrade: other/1")])
def test_what_http2_cannot_carry_goes_over_http1(text):
    with lab("auto", tls=True) as one:
        one.ask()
        one.dials[0].accept()
        request = one.ask(*text)
        (dial,) = one.dials
        assert dial.single
        dial.accept_http1()
        assert request.stream is not None
        first = one.ask()
        assert first.stream is not None and not one.dials


def test_what_waits_for_a_connection_that_cannot_carry_it():
    with lab("auto", tls=True) as one:
        request = one.ask(*WEBSOCKET)
        assert not one.dials[0].single
        one.dials[0].accept()
        assert one.dials[0].single
        one.dials[0].accept_http1()
        assert request.stream is not None


@pytest.mark.parametrize("text", [WEBSOCKET, NTLM])
def test_what_a_peer_of_http2_cannot_be_asked_is_no_failure_of_its_own(text):
    with lab() as one:
        early = one.ask(*text)
        one.dials[0].accept()
        late = one.ask(*text)
        for request in (early, late):
            assert len(request.failures) == 1 and not request.failures[0].counts
        assert one.ask().stream is not None


def test_a_websocket_where_the_peer_takes_them():
    with lab() as one:
        early = one.ask(*WEBSOCKET)
        one.dials[0].accept(ENABLE_CONNECT_PROTOCOL=1)
        assert early.stream is not None and one.ask(*WEBSOCKET).stream is not None


def test_a_peer_that_requires_http1():
    with lab("auto", tls=True) as one:
        request = one.ask()
        peer = one.dials[0].accept()
        peer.h2.reset_stream(1, 13)
        one.play()
        assert request.failures[0].untouched and not one.open
        one.ask()
        assert one.dials[0].single
        one.dials[0].fail()
