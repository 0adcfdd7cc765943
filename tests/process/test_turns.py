"""One connection's share of a turn: what it sends at once does not keep the others waiting."""

import os
import re
import signal
import socket

import pytest

from rsp.http.h1.body import ChunkedDecoder
from tests.harness import Backend, Rsp, exchange, get, proxy_to, receive, wait_until

OWN = 'route { path = "/own", respond = { body = "x" } }'
HOOK = 'route { path = "/hook", respond = { body = "" }, on_request = function() return respond(200, "x") end }'


@pytest.fixture(scope="module")
def rsp(tmp_path_factory):
    with (
        Backend(echo_path) as backend,
        Rsp(tmp_path_factory.mktemp("rsp"), proxy_to(backend.address, extra=OWN)) as rsp,
    ):
        yield rsp


def echo_path(connection, head, rest):
    path = head.split(b" ")[1]
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
    return True


def chunk_sizes(data: bytes) -> list[int]:
    sizes = []
    while data:
        size, _, rest = data.partition(b"\r\n")
        sizes.append(int(size, 16))
        data = rest[sizes[-1] + 2 :]
    return sizes


@pytest.mark.parametrize("path", ["/own", "/hook"])
def test_a_thousand_requests_in_one_read_let_another_client_through(tmp_path, path):
    text = f'listen "127.0.0.1:{{port}}" {OWN} {HOOK}'
    with Rsp(tmp_path, text) as rsp:
        worker = rsp.workers()[0]
        clients = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(2)]
        for number, client in enumerate(clients):  # both are known to the worker
            client.sendall(b"GET /own?%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            assert client.recv(1000)
        os.kill(worker, signal.SIGSTOP)
        clients[0].sendall(b"GET %b?flood HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode() * 1000)
        clients[1].sendall(b"GET /own?other HTTP/1.1\r\nHost: a\r\n\r\n")
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: rsp.access_log.count("flood") == 1000, "all answers")
        targets = re.findall(r"GET (\S+) ", rsp.access_log)
        assert targets.index("/own?other") <= 2 + 2 * 16
        for client in clients:
            client.close()


def test_long_requests_are_a_larger_share(rsp):
    (worker,) = rsp.workers().values()
    clients = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(2)]
    for number, client in enumerate(clients):
        client.sendall(b"GET /own?%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
        assert client.recv(1000)
    os.kill(worker, signal.SIGSTOP)
    clients[0].sendall(b"GET /own?long HTTP/1.1\r\nHost: a\r\nA: %b\r\n\r\n" % (b"a" * 8000) * 12)
    clients[1].sendall(b"GET /own?other HTTP/1.1\r\nHost: a\r\n\r\n")
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: rsp.access_log.count("long") == 12 and "other" in rsp.access_log, "all answers")
    before, _, _ = rsp.access_log.partition("other")
    assert before.count("long") <= 4
    for client in clients:
        client.close()


def test_small_chunks_are_passed_on_in_shares(tmp_path):
    received = []

    def sink(connection, head, rest):
        while not rest.endswith(b"0\r\n\r\n"):
            rest += receive(connection, 1 << 20)
        received.append(rest)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nB\r\n" * 20_000 + b"0\r\n\r\n"
        )
        return True

    with Backend(sink) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = exchange(rsp.port, head + b"1\r\nA\r\n" * 20_000 + b"0\r\n\r\n")
    for body in (received[0], answer.partition(b"\r\n\r\n")[2]):
        sizes = chunk_sizes(body)
        assert sum(sizes) == 20_000
        assert max(sizes[1:]) <= 512  # the first holds what came while the peer's connection was made
        assert len(sizes) < 2000


@pytest.mark.parametrize("share", [1, 2, 7])
def test_a_decoder_with_a_share_gives_the_same_body(share):
    data = (
        b"".join(b"%x\r\n%b\r\n" % (size, b"y" * size) for size in (1, 1, 1, 300, 2, 1, 1)) + b"0\r\nX-A: b\r\n\r\nnext"
    )
    for step in (1, 3, 50, len(data)):
        decoder = ChunkedDecoder(share)
        pieces = []
        for start in range(0, len(data), step):
            pieces += decoder.feed(data[start : start + step])
            while decoder.more:
                more = decoder.feed(b"")
                assert len(more) <= share
                pieces += more
            if decoder.done:
                assert decoder.rest + data[start + step :] == b"next"
                break
        assert decoder.done
        assert b"".join(pieces) == b"y" * 307
        assert decoder.trailers == [b"X-A: b"]


@pytest.mark.parametrize("half_close", [True, False])
def test_pipelined_requests_are_all_answered_in_order(rsp, half_close):
    """To a peer and to rsp itself, with bodies of both kinds; more than a share of them, and the client's end behind."""
    kinds = (
        b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /own?%d HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /own?%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /own?%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    )
    requests = b"".join(kinds[number % 7 % 4] % number for number in range(700))
    last = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = exchange(rsp.port, requests + (b"" if half_close else last), half_close=half_close)
    bodies = re.findall(rb"\r\n\r\n(x|/[0-9a-z]+)", answer)
    expected = [b"x" if number % 7 % 4 else b"/%d" % number for number in range(700)]
    assert bodies == expected + ([] if half_close else [b"/last"])


def test_a_client_that_reads_late_gets_all_answers(rsp):
    request = b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.connect(("127.0.0.1", rsp.port))
        client.settimeout(1)
        client.sendall(request)
        size = len(client.recv(1000))  # of each answer
        data = request * 100_000
        sent = 0
        try:
            while sent < len(data):
                sent += client.send(data[sent : sent + 4096])
        except TimeoutError:
            pass  # neither side reads any more
        client.settimeout(30)
        received = 0
        while received < sent // len(request) * size:
            more = client.recv(1 << 20)
            assert more
            received += len(more)


def interim(number, size=0):
    lines = b"Link: <%b>\r\n" % (b"x" * size) if size else b""

    def answer(connection, head, rest):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % lines * number)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    return answer


def test_interim_responses_pass_within_bounds(tmp_path):
    with Backend(interim(100)) as few, Backend(interim(101)) as many, Backend(interim(5, 8000)) as large:
        text = (
            proxy_to(few.address)
            + f'upstream "many" {{ "{many.address}" }} upstream "large" {{ "{large.address}" }}'
            + 'route { path = "/many", to = "many" } route { path = "/large", to = "large" }'
        )
        with Rsp(tmp_path, text) as rsp:
            for _ in range(2):  # the bounds are those of a response, not of a connection
                answer = get(rsp.port)
                assert answer.count(b"HTTP/1.1 103 ") == 100
                assert answer.endswith(b"ok")
            for path in ("/many", "/large"):
                request = b"POST %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                answer = exchange(rsp.port, request % path.encode())  # which is not sent twice
                assert answer.count(b"HTTP/1.1 502 ") == 1
                assert answer.count(b"HTTP/1.1 103 ") <= 100
            assert "too many interim responses" in rsp.log
