"""A request on its way to a peer, alone: its user, its streams and the pools are made up, the upstream and its peers are real.

What every test ends with (``Lab.check``): the user was told exactly one end, and no peer is held.
"""

import asyncio
import functools
from collections.abc import Callable

from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.config.upstreams import UpstreamPeer
from rsp.exchange.forward.body import RequestBody
from rsp.exchange.forward.forward import Forward
from rsp.exchange.forward.peer import Peer
from rsp.exchange.forward.pool import Pool
from rsp.exchange.forward.upstream import Upstream
from rsp.http.h1.codec import parse_request, parse_response
from rsp.http.limits import Limits
from rsp.http.message import OutgoingHead
from rsp.http.peer_stream import Failure, PeerStream, ResponseReceiver
from rsp.ipc import peer_cells
from rsp.ipc.peer_table import PeerEntry
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import QUEUED, ROWS
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from rsp.system.descriptors import Room

RESET = Failure("reset the connection")


def in_loop(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return run


class Stream(PeerStream):
    """``script``: what a connection would know of itself."""

    def __init__(self, pool: "Connections", **script: bool) -> None:
        self.pool = pool
        self.script = script
        self.request = None
        self.heads: list[OutgoingHead] = []
        self.sent = b""
        self.whole = False  # the request is
        self.trailers: list[bytes] | None = None
        self.raw = b""
        self.eof = self.tunnel = self.paused = False
        self.end = ""

    def is_full(self):
        return self.script.get("full", False)

    def is_bound(self):
        return self.script.get("bound", False)

    def is_doubtful(self):
        return self.script.get("doubtful", False)

    def is_stale(self):
        return self.script.get("stale", False)

    def went_stale(self, seconds):
        assert 0 <= seconds < 60
        return self.script.get("went_stale", False)

    def may_have_gone_stale(self, seconds):
        return self.script.get("may_have_gone_stale", False)

    def send_request(self, head, pieces, trailers):
        assert not self.end
        self.heads.append(head)
        self._send(pieces, trailers)

    def send_body(self, pieces, trailers):
        self._send(pieces, trailers)

    def _send(self, pieces, trailers):
        assert not self.whole
        self.sent += b"".join(pieces)
        self.whole, self.trailers = trailers is not None, trailers

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def put_back(self):
        self._stop("put back")

    def abort(self, reason):
        self._stop("aborted")

    def close(self):
        self._stop("closed")

    def _stop(self, end):
        assert not self.end
        self.end, self.request = end, None

    def open_tunnel(self):
        self.tunnel = True

    def send_raw(self, data):
        self.raw += data

    def send_eof(self):
        self.eof = True

    def hand_over(self, request):
        self.request = request

    # -- what the peer does

    def answer(self, status=200, body=b"", *, whole=True):
        """A head, and some of the body, which is all of it if ``whole``."""
        head = parse_response(b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\n\r\n" % status, b"GET")
        request = self._done() if whole else self.request
        request.response(head, [body] if body else [], [] if whole else None)

    def more(self, body, *, whole=True):
        request = self._done() if whole else self.request
        request.response_body([body], [] if whole else None)

    def _done(self):
        request, self.request, self.end = self.request, None, "done"
        request.peer_done()
        return request

    def fail(self, failure=RESET):
        request, self.request, self.end = self.request, None, "failed"
        request.peer_failed(self, failure)


class Connections(Pool):
    """``ready``: what each idle connection would know of itself; ``wanted``: requests for which one is being made."""

    def __init__(self, context, peer):
        Pool.__init__(self, context, peer)
        self.ready: list[dict[str, bool]] = []
        self.wanted = []
        self.streams: list[Stream] = []

    def take(self, request):
        return self._stream(request, **self.ready.pop()) if self.ready else None

    def connect(self, request):
        self.wanted.append(request)

    def forget_idle(self):
        self.ready.clear()

    def make(self, **script):
        """The connection is there."""
        request = self.wanted.pop(0)
        assert request.waits
        request.connected(self._stream(request, **script))
        return self.last

    def fail(self, reason="refused", **how):
        self.wanted.pop(0).connect_failed(Failure(reason, **how))

    def _stream(self, request, **script):
        stream = Stream(self, **script)
        stream.request = request
        self.streams.append(stream)
        return stream

    @property
    def last(self):
        return self.streams[-1]


class User(ResponseReceiver):
    """``ends``: what it was told at last."""

    def __init__(self, head):
        self.head = head
        self.response_started = False
        self.statuses: list[int] = []
        self.body = b""
        self.raw = b""
        self.calls: list[str] = []
        self.ends: list[object] = []

    def outgoing_head(self):
        head = self.head
        return OutgoingHead(head, head.target, head.host, head.fields, b"", b"")

    def outgoing_trailers(self, trailers):
        return [line for line in trailers if line != b"Secret: 1"]

    def response(self, head, pieces, trailers):
        self.response_started = True
        self.statuses.append(head.status)
        self.response_body(pieces, trailers)

    def response_body(self, pieces, trailers):
        self.body += b"".join(pieces)
        if trailers is not None:
            self.ends.append("whole")

    def refuse(self, status, reason):
        self.ends.append((status, reason))

    def cut_off(self):
        self.ends.append("cut")

    def source_full(self):
        self.calls.append("full")

    def source_ready(self):
        self.calls.append("ready")

    def switched(self, head, data):
        self.response_started = True
        self.raw += data

    def tunnel_down(self, data):
        self.raw += data

    def tunnel_down_eof(self):
        self.calls.append("eof")

    def tunnel_lost(self):
        self.ends.append("tunnel")


class Lab:
    """An upstream of ``count`` peers."""

    def __init__(self, count=2, *, max_conns=0, **options):
        scoreboard = Scoreboard()
        scoreboard.row(RETIRED_ROW)[ROWS] = 1
        self.context = WorkerContext(scoreboard, 0, b"secret", Poller(asyncio.get_running_loop()))
        self.limits = self.context.limits = Limits((), (), Room(100, 10))
        addresses = [Address(f"127.0.0.{number + 1}:80") for number in range(count)]
        given = tuple(UpstreamPeer(address=address) for address in addresses)
        config = UpstreamConfig(name="app", peers=given, **options)
        self.made = {}
        self.upstream = Upstream(self.context, self, config, 0.0)
        entries = [PeerEntry(each, place, place, 1, False, max_conns) for place, each in enumerate(addresses)]
        self.upstream.arrange(entries, ())
        self.peers = self.upstream.peers
        self.forwards: list[Forward] = []
        self.users: list[User] = []

    def peer(self, entry):
        if entry.place not in self.made:
            peer = self.made[entry.place] = Peer(self.context, entry, self.context.scoreboard)
            peer.pool = Connections(self.context, peer)
        return self.made[entry.place]

    def forward(self, method=b"GET", body: bytes | None = None, fields=b"", before: Callable = lambda forward: None):
        """A request that has begun; all of its ``body`` is there, unless it has none and ``fields`` say that it comes."""
        if body is not None:
            fields += b"Content-Length: %d\r\n" % len(body)
        head = parse_request(b"%b / HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, fields))
        user, waiting = User(head), None
        if head.framing != 0:
            waiting = RequestBody()
            if body is not None:
                waiting.add([body])
                waiting.trailers = []
        done = head.framing == 0 or body is not None
        forward = Forward()
        forward.set_up(self.context, user, self.upstream, head, self.limits, b"192.0.2.1", waiting, done)
        self.forwards.append(forward)
        self.users.append(user)
        before(forward)
        self.upstream.requests += 1
        forward.begin()
        return forward, user

    @property
    def asked(self):
        """The pool of the peer that was asked last."""
        return self.forwards[-1].peer.pool

    @property
    def other(self):
        return next(peer.pool for peer in self.peers if peer.pool is not self.asked)

    def count(self, cell):
        return sum(peer.stats.own(cell) for peer in self.peers)

    def check(self):
        """All is over, for every user once."""
        for forward, user in zip(self.forwards, self.users, strict=True):
            ends = list(user.ends)
            assert len(ends) == 1, ends
            assert forward.over
            for _ in range(2):
                forward.abort("the exchange is over")
            assert user.ends == ends
            assert not forward.holds
            assert forward.stream is None
        assert self.count(peer_cells.IN_FLIGHT) == 0
        assert not self.upstream.queue
        assert self.context.stats.get(QUEUED) == 0
        assert all(stream.end for peer in self.peers for stream in peer.pool.streams)
