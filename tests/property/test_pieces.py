"""A whole exchange in this process: however its bytes are cut into pieces, both sides understand the same; and what is
delivered is what h11 reads in what the peer sent."""

import asyncio
import contextlib
import re
import socket
from pathlib import Path

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.exchange.assemble import assemble
from rsp.exchange.service import HttpService
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.scoreboard import Scoreboard
from rsp.ipc.worker_cells import IN_FLIGHT
from rsp.logs.access_logs import Unwritten
from rsp.lua.evaluate import evaluate
from rsp.net.context import WorkerContext
from rsp.net.poller import Poller
from rsp.net.transport import Transport
from tests.property.test_codec import pieces_of
from tests.soak import examples

TEXT = """
listen "127.0.0.1:1"
limits = { head = 600, fields = 12, line = 200 }
upstream "lenient" { "unix:DIRECTORY/peer", warm = 0, retry = { tries = 1 } }
upstream "strict" { "unix:DIRECTORY/peer", warm = 0, retry = { tries = 1 }, strict = true }
route { to = "lenient" }
route { path = "/strict", to = "strict" }
"""
ONLY_ONCE = re.compile(rb"(?i)(date|x-request-id): [^\r]*\r\n")


class Worker:
    """What an exchange needs of one, and of the world around it."""

    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.new_event_loop()
        (directory / "site.lua").write_text(TEXT.replace("DIRECTORY", str(directory)))
        config, _ = evaluate(str(directory / "site.lua"))
        board = Scoreboard()
        self.context = WorkerContext(board, 0, b"secret", Poller(self.loop))
        self.service = HttpService(self.context)
        running = assemble(config, self.context, self.service.directory, Unwritten())
        self.service.use(running, PeerRegistry(board).arrange(config)[0].table())
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(directory / "peer"))
        self.listener.listen(16)
        self.listener.setblocking(False)

    def turn(self) -> None:
        for _ in range(4):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def run(self, request: list[bytes], response: list[bytes], close: bool) -> tuple[bytes, bool, list[bytes]]:
        """What the client gets, whether its connection was closed, and what the peer gets, by connection."""
        near, client = socket.socketpair()
        near.setblocking(False)
        client.setblocking(False)
        self.service.accept(Transport(self.context.poller, near.detach()), b"192.0.2.1", "127.0.0.1:1")
        received, closed, peers, told = b"", False, [], []
        try:
            for piece in request:
                with contextlib.suppress(OSError):
                    client.send(piece)
                self.turn()
            for piece in [b"", *response]:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        peers.append(self.listener.accept()[0])
                        peers[-1].setblocking(False)
                        told.append(b"")
                for number, peer in enumerate(peers):
                    with contextlib.suppress(OSError):
                        told[number] += peer.recv(1 << 20)
                if peers and piece:
                    with contextlib.suppress(OSError):
                        peers[0].send(piece)
                self.turn()
            if close and peers:
                peers[0].close()
            self.turn()
            with contextlib.suppress(BlockingIOError):
                while more := client.recv(1 << 20):
                    received += more
                closed = True
        finally:
            for one in [client, *peers]:
                one.close()
            for peer in self.service.directory.peers.values():
                peer.pool.forget_idle()
            self.turn()
            assert not self.context.connections
            assert not self.context.peer_connections
            assert not self.context.stats.get(IN_FLIGHT)
        return received, closed, told


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    worker = Worker(tmp_path_factory.mktemp("worker"))
    yield worker
    worker.context.poller.close()
    worker.listener.close()
    worker.loop.close()


Message = tuple[object, ...]


def responses_in(data: bytes, closed: bool, method: bytes) -> list[Message] | None:
    """The first responses in ``data`` as h11 reads them, up to the final one; ``None``: it does not."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    if closed:
        connection.receive_data(b"")
    found: list[Message] = []
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.InformationalResponse):
                found.append((event.status_code, dict(event.headers)))
            elif isinstance(event, h11.Response):
                found.append((event.status_code, event.headers))
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return [*found, body, event.headers]
            else:
                return None
    except h11.RemoteProtocolError:
        return None


def plain(found: list[Message] | None) -> tuple | None:
    """Statuses, body."""
    return None if found is None else ([one[0] for one in found[:-2]], found[-2])


GOOD = st.sampled_from(
    [
        b"A: b",
        b"A:",
        b"Connection: close",
        b"Connection: keep-alive, b",
        b"B: c",
        b"content-type: text/plain",
        b"Trailer: A",
    ]
)
FRAMING = st.sampled_from([[b"Content-Length: 5"], [b"Content-Length: 5"], [b"Transfer-Encoding: chunked"], [b"transfer-encoding:Chunked"], [], [b"Content-Length: 0"], [b"content-length:\t5 "],
    [b"Content-Length: 5", b"content-Length: 5"], [b"Content-Length: 5, 5"]])  # fmt: skip
FLAWS = st.sampled_from([
    b"Content-Length: 6", b"Content-Length: +5", b"Content-Length: 5", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer_Encoding: chunked", b"Transfer-Encoding : chunked", b"Content-Length : 5",
    b"Connection: upgrade", b"Upgrade: x", b"A : b", b"A: b\r\n c", b"A: b\r\n\t", b"A: b\n c", b" c", b"\tContent-Length: 5", b"Content-Length:\r\n 5",
    b"Content-Length: 5\n", b"A: b\nC: d", b"A: \x01", b"A: \r", b"A: \0", b"", b"A", b":", b"A: " + b"x" * 300, b"A: b\n\tContent-Length: 7", b"A: \r\n\r",
])  # fmt: skip
LINES = st.builds(lambda good, framing, flaws, at: [*good[:at], *framing, *flaws, *good[at:]],
    st.lists(GOOD, max_size=2), FRAMING, st.just([]) | st.lists(FLAWS, max_size=1) | st.lists(FLAWS, max_size=2), st.integers(0, 2))  # fmt: skip
STATUS = st.sampled_from([
    *[b"HTTP/1.1 200 OK"] * 6, b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 304 Not", b"HTTP/1.1 205 R", b"HTTP/1.1 404  Not found ",
    b"HTTP/1.5 200 OK", b"HTTP/2.0 200 OK", b"HTTP/1.1  200 OK", b"http/1.1 200 OK", b"HTTP/1.1 99 x", b"HTTP/1.1 1000 x", b"ICY 200 OK", b"HTTP/1.1 101 S",
])  # fmt: skip
INTERIM = st.just([]) | st.lists(
    st.tuples(
        st.sampled_from([b"HTTP/1.1 100 C", b"HTTP/1.1 103 E", b"HTTP/1.0 102 P", b"HTTP/1.1 199"]),
        st.lists(GOOD, max_size=2) | LINES,
    ),
    max_size=2,
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
BODIES = st.sampled_from([
    b"", b"hello", b"hello", b"hell", b"hello!", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0;\r\n\r\n", b"5\nhello\n0\n\n", b"5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 3\r\n\r\n",
    b"2\r\nhe\r\n3;x=\"y;\r\"\r\nllo\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"05\r\nhello\r\n00\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"0\r\n\r\n", b"0\r\n\r\nX", b"hello\r\n\r\n", b"\n\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n", b"5\r\nhello\r\n0\r\nA: b\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"-1\r\n", b"5\r\nhello\r\n",
])  # fmt: skip
CUTS = st.lists(st.integers(0, 2000), max_size=6) | st.just(list(range(1200)))


@examples(150)
@given(first=st.just(b"") | st.sampled_from([b"", b"\r\n", b"\n", b"\r", b"\r\n\r\n"]), interim=INTERIM, status=STATUS, lines=LINES, end=ENDS, body=BODIES, cuts=CUTS,
       method=st.sampled_from([b"GET", b"GET", b"HEAD"]), path=st.sampled_from([b"/", b"/strict"]), close=st.booleans())  # fmt: skip
def test_a_response_means_the_same_in_pieces(
    worker, first, interim, status, lines, end, body, cuts, method, path, close
):
    data = first
    for one, fields in [*interim, (status, lines)]:
        data += end.join([one, *fields, b"", b""])
    data += body
    request = b"%b %b HTTP/1.1\r\nHost: a\r\n\r\n" % (method, path)
    whole, closed, told = worker.run([request], [data], close)
    in_pieces, closed_too, told_too = worker.run([request], pieces_of(data, cuts), close)
    assert [ONLY_ONCE.sub(b"", one) for one in told] == [ONLY_ONCE.sub(b"", one) for one in told_too]
    whole, in_pieces = ONLY_ONCE.sub(b"", whole), ONLY_ONCE.sub(b"", in_pieces)
    if b" 101 S" in whole:
        return
    one, other = responses_in(whole, closed, method), responses_in(in_pieces, closed_too, method)
    if one is None or one[-3][0] == 502:  # it had not begun when that was found out
        assert other is None or other[-3][0] == 502, (whole, in_pieces)
        return
    assert other is not None
    assert one == other or [x for x in one if x != one[-3]] == [x for x in other if x != other[-3]]
    direct = responses_in(data, close, method)
    if direct is not None:
        assert plain(direct) == plain(one)


GOOD_FIELDS = st.sampled_from([
    b"A: b", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: Upgrade", b"Upgrade: x", b"TE: trailers",
    b"Expect: 100-continue",
])  # fmt: skip
ODD_FIELDS = st.sampled_from([
    b"content_length: 5", b"Transfer-Encoding: identity", b"Transfer-Encoding:\tchunked", b"Transfer.Encoding: chunked", b"Content-Length: 5, 5",
    b"Content-Length: 05", b"Content-Length:5\x0b", b"A : b", b" A: b", b"A: b\r\n c: d", b"Host: b", b"ho_st: b", b"X-Forwarded_For: 1",
    b"Connection: content-length", b"Connection: host, transfer-encoding", b"A: b\nContent-Length: 7", b"A: \x00", b"Trailer: A",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: xchunked", b"A:" + b"x" * 400,
])  # fmt: skip
REQUEST_BODIES = st.sampled_from([
    b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0;x\r\nA: b\r\nX-Forwarded-For: 1\r\nContent-Length: 5\r\n\r\n",
    b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n', b"0005\r\nhello\r\n0000\r\nA: b\r\n\r\n", b"5\r\nhello\r\n0\r\n A: b\r\n\r\n", b"5\nhello\n0\n\n",
    b"2\r\nhe\r\n3 \r\nllo\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"0\r\n\r\n", b"1\r\nh\r\n" * 30 + b"0\r\n\r\n", b"0\r\n" + b"A:\r\n" * 101 + b"\r\n",
])  # fmt: skip
LINE = st.sampled_from([b"GET / HTTP/1.1", b"POST /a HTTP/1.1", b"PUT /strict HTTP/1.1", b"POST http://b/c HTTP/1.1", b"POST /d HTTP/1.0", b"POST  / HTTP/1.1"])  # fmt: skip
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def requests_in(data: bytes) -> list[Message]:
    """What h11, as the peer, reads: each request, how its body ends, and its trailers, where that has come."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    found: list[list[object]] = []
    body = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            fields = sorted(one for one in event.headers if one[0] != b"x-request-id")
            framing = [name for name, _ in fields if name in (b"content-length", b"transfer-encoding")]
            assert len(framing) <= 1
            found.append([event.method, event.target, fields])
            body = b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert {name for name, _ in event.headers} <= {b"a"}
            found[-1] += [body, list(event.headers)]
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                break
            connection.start_next_cycle()
        else:
            break
    return [tuple(one) for one in found]


@examples(150)
@given(requests=st.lists(st.tuples(LINE, st.lists(GOOD_FIELDS, max_size=3, unique=True), st.lists(ODD_FIELDS, max_size=1), REQUEST_BODIES),
       min_size=1, max_size=2), cuts=CUTS)  # fmt: skip
def test_a_request_means_the_same_in_pieces(worker, requests, cuts):
    data = b"".join(
        b"\r\n".join([line, b"Host: a", *good, *odd, b"", b""]) + body for line, good, odd, body in requests
    )
    outcomes = []
    for pieces in ([data], pieces_of(data, cuts)):
        received, _, told = worker.run(pieces, [ANSWER] * 3, False)
        statuses = re.findall(rb"HTTP/1\.1 ([2-5][0-9][0-9])", received)
        read = [one for connection in told for one in requests_in(connection)]
        assert statuses.count(b"200") <= len(read)
        outcomes.append((statuses, [one for one in read if len(one) > 3]))
    assert outcomes[0] == outcomes[1]
