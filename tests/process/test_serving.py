"""The real rsp, real backends: what clients and backends see."""

import gzip
import hashlib
import re
import socket
import threading
import time
from collections import Counter

import pytest

from tests.harness import (
    Backend,
    Rsp,
    answering,
    as_root,
    exchange,
    get,
    proxy_to,
    receive,
    resident,
    run_load,
    wait_until,
)
from tests.over_tls import SCHEME, may_be_cut


def body_of(response: bytes) -> bytes:
    return response.partition(b"\r\n\r\n")[2]


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, backend):
    with Rsp(tmp_path_factory.mktemp("rsp"), proxy_to(backend.address)) as running:
        yield running


def last_head(backend: Backend) -> bytes:
    return backend.heads[-1]


def test_a_get_is_proxied(rsp, backend):
    response = get(
        rsp.port, "/a?b=c", extra="X-Own: 1\r\nX-Forwarded-For: 6.6.6.6\r\nKeep-Alive: 3\r\nX-Request-Id: mine\r\n"
    )
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body_of(response) == b"one"
    assert last_head(backend) == (
        b"GET /a?b=c HTTP/1.1\r\nHost: test\r\nX-Own: 1\r\nX-Forwarded-For: 127.0.0.1\r\n"
        b"X-Forwarded-Proto: %b\r\nX-Forwarded-Host: test\r\nX-Request-Id: mine\r\n\r\n" % SCHEME.encode()
    )


def test_http_1_0(rsp, backend):
    response = exchange(rsp.port, b"GET / HTTP/1.0\r\n\r\n")
    assert body_of(response) == b"one"
    assert b"Connection: close" in response
    assert b"Host: 127.0.0.1:%d\r\n" % rsp.port in last_head(backend)
    twice = exchange(rsp.port, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    assert twice.count(b"HTTP/1.1 200") == 2
    assert b"Connection: keep-alive" in twice


def test_pipelined_requests_are_answered_in_order(rsp):
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50))
    response = exchange(rsp.port, requests, half_close=True)
    assert response.count(b"HTTP/1.1 200 OK") == 50


def test_half_closed_client_gets_its_answer(rsp):
    assert body_of(exchange(rsp.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", half_close=True)) == b"one"


@pytest.mark.parametrize("step", [1, 7])
def test_a_request_in_small_pieces(rsp, backend, step):
    data = (
        b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", rsp.port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), step):
            client.sendall(data[start : start + step])
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert any(b"POST /p " in head and b"Transfer-Encoding: chunked" in head for head in backend.heads[-2:])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\nHost: a\n\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505), (b"GET /a/../b HTTP/1.1\r\nHost: strict\r\n\r\n", 200),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_bad_requests_get_a_clear_answer(rsp, backend, request_, status):
    before = len(backend.heads)
    response = exchange(rsp.port, request_, half_close=True)
    assert response.startswith(b"HTTP/1.1 %d " % status), response
    if status != 200:
        assert b"Connection: close" in response
        assert len(backend.heads) == before
        assert re.search(rb"\r\n\r\n%d [A-Z].*\nrequest id: [0-9a-f]+-[0-9a-f]+\n$" % status, response)


def test_an_unknown_host_is_404(tmp_path, backend):
    text = f'listen "127.0.0.1:{{port}}" upstream "a" {{ "{backend.address}" }} route {{ host = "a.test", to = "a" }}'
    with Rsp(tmp_path, text) as rsp:
        assert get(rsp.port, host="A.Test:80").startswith(b"HTTP/1.1 200")
        assert get(rsp.port, host="b.test").startswith(b"HTTP/1.1 404")
        both = exchange(
            rsp.port, b"GET / HTTP/1.1\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", half_close=True
        )
        assert re.findall(rb"HTTP/1.1 (\d+)", both) == [b"404", b"200"]


@pytest.mark.parametrize(
    ("answer", "method", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n", b"GET", b"abcde"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil close", b"GET", b"until close"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfour", b"GET", b"four"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"HEAD", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"GET", b""), (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", b"GET", b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"GET", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"GET", b""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("minor", [0, 1])
def test_every_kind_of_response(tmp_path, answer, method, expected, minor):
    with Backend(answering(answer, keep=False)) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        response = exchange(rsp.port, b"%b / HTTP/1.%d\r\nHost: a\r\nConnection: close\r\n\r\n" % (method, minor))
        if response.startswith(b"HTTP/1.1 103"):
            assert minor == 1
            response = body_of(response)
        head, _, body = response.partition(b"\r\n\r\n")
        if b"Transfer-Encoding: chunked" in head:
            assert minor == 1
            body = b"".join(re.findall(rb"[0-9a-f]+\r\n(.+?)\r\n(?=[0-9a-f])", body, re.DOTALL))
        assert body == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 50000 + b"\r\n\r\n", b"",
        b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)  # fmt: skip
def test_lying_backends_get_502(tmp_path, answer):
    with Backend(answering(answer, keep=False)) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        assert get(rsp.port).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert backend.address in rsp.log


@may_be_cut()
@pytest.mark.parametrize(("minor", "length", "seen"), [(1, True, b""), (1, False, b""), (0, False, b"RESET")])
def test_a_truncated_response_is_seen_as_such(tmp_path, minor, length, seen):
    crash = threading.Event()

    def handler(connection, head, rest):
        field = b"Content-Length: 100\r\n" if length else b""
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + field + b"\r\nonly this")
        crash.wait(30)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"GET / HTTP/1.%d\r\nHost: a\r\n\r\n" % minor)
            received = b""
            while b"only this" not in received:
                received += receive(client, 1000)
            crash.set()
            try:
                end = client.recv(1000)  # after the chunk's own CRLF, nothing: no last chunk
            except ConnectionResetError:
                end = b"RESET"
            assert end == seen


def test_unsolicited_bytes_never_answer_the_next_client(tmp_path):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    with Backend(answering(answer)) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        assert {body_of(get(rsp.port)) for _ in range(5)} == {b"ok"}


def test_websocket_like_upgrade(tmp_path):
    def handler(connection, head, rest):
        assert b"Connection: upgrade\r\nUpgrade: echo\r\n" in head
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n" + rest)
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.sendall(b"bye")
        return False

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly"
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(request)
            received = b""
            while not received.endswith(b"early"):
                received += receive(client, 100)
            assert received.startswith(b"HTTP/1.1 101 ")
            client.sendall(b"x" * 1_000_000)
            client.shutdown(socket.SHUT_WR)
            received = b""
            while more := client.recv(65536):
                received += more
            assert received == b"x" * 1_000_000 + b"bye"


def test_expect_100_continue_end_to_end(tmp_path):
    def handler(connection, head, rest):
        assert b"Expect: 100-continue" in head
        assert rest == b""
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.recv(10) == b"body"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"body")
            assert client.recv(1000).endswith(b"ok")


def test_peers_on_unix_sockets_names_and_several_listeners(tmp_path):
    with Backend(unix=str(tmp_path / "b.sock"), name="unix") as one, Backend(name="name") as two:
        text = proxy_to(one.address, f"localhost:{two.port}") + f'listen "unix:{tmp_path}/front.sock"' + as_root()
        with Rsp(tmp_path, text) as rsp:
            assert {body_of(get(rsp.port)) for _ in range(6)} == {b"unix", b"name"}
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{tmp_path}/front.sock")
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
            assert f"Listening on port {rsp.port}, unix:{tmp_path}/front.sock." in rsp.log
            rsp.stop()
        assert not (tmp_path / "front.sock").exists()


def test_shares_follow_the_weights(tmp_path):
    with Backend(name="a") as a, Backend(name="b") as b, Backend(name="c") as c:
        text = f'listen "127.0.0.1:{{port}}" upstream "app" {{ "{a.address}", "{b.address}", {{ "{c.address}", weight = 2 }} }}'
        with Rsp(tmp_path, text, workers=2) as rsp:
            load = run_load(rsp.port, 64, 10_000)
            assert load.failures == []
            assert load.good == 10_000
            for name, share in ((b"a", 2500), (b"b", 2500), (b"c", 5000)):
                assert abs(load.bodies[name] - share) <= 100, load.bodies


def test_refused_and_reset_peers_are_replaced_for_safe_methods(tmp_path):
    def reset(connection, head, rest):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False

    with Backend(name="good") as good, Backend(reset) as bad:
        with Backend() as gone:
            refused = gone.address
        with Rsp(tmp_path, proxy_to(refused, bad.address, good.address)) as rsp:
            load = run_load(rsp.port, 4, 200)
            assert load.failures == []
            assert load.bodies == Counter({b"good": 200})
            assert f"Peer {refused} cannot be reached: Connection refused" in rsp.log.replace(
                "connection", "Connection"
            )
            posts = Counter(
                exchange(rsp.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab")[
                    9:12
                ]
                for _ in range(30)
            )
            # A refused connection has seen nothing of a POST; a reset one may have acted on it.
            assert posts[b"200"] + posts[b"502"] == 30
            assert posts[b"200"] >= 10
            assert posts[b"502"] == sum(head.startswith(b"POST") for head in bad.heads)


def test_no_peer_at_all_is_502_and_silence_is_504(tmp_path):
    def silent(connection, head, rest):
        connection.recv(1)
        return False

    with Backend() as gone:
        refused = gone.address
    with Backend(silent) as slow:
        text = proxy_to(refused) + f'upstream "slow" {{ "{slow.address}" }} route {{ path = "/slow", to = "slow" }}'
        with Rsp(tmp_path, text + "timeouts = { response = 1 }") as rsp:
            assert get(rsp.port).startswith(b"HTTP/1.1 502")
            assert get(rsp.port, "/slow").startswith(b"HTTP/1.1 504")


def test_stale_connections_are_not_the_clients_problem(tmp_path):
    def once(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return False  # closes, without having said so

    with Backend(once) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        load = run_load(rsp.port, 8, 400)
        assert load.failures == []
        for _ in range(50):
            post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
            wait_until(lambda: not backend.open)  # on a connection that is closed later, a POST cannot be sent again
            assert exchange(rsp.port, post).startswith(b"HTTP/1.1 200")


BIG = 11_000_000


def test_a_slow_reader_gets_every_byte_and_costs_no_memory(tmp_path):
    data = bytes(range(256)) * (BIG // 256 + 1)
    digest = hashlib.sha256(data).hexdigest()

    def handler(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        return True

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        get(rsp.port, "/warm")
        worker = rsp.workers()[0]
        before = peak = resident(worker)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.connect(("127.0.0.1", rsp.port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            received = bytearray()
            while len(received) < len(data) or b"\r\n\r\n" not in received:
                received += receive(client, 65536)
                time.sleep(0.02)  # the slowness itself, not a wait for anything
                peak = max(peak, resident(worker))
                if len(received) - received.find(b"\r\n\r\n") - 4 >= len(data):
                    break
        assert hashlib.sha256(received.partition(b"\r\n\r\n")[2]).hexdigest() == digest
        assert peak - before < 5_000_000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_slow_backend_gets_every_byte_and_costs_no_memory(tmp_path, chunked):
    data = bytes(range(256)) * (BIG // 256 + 1)
    digests = []

    def handler(connection, head, rest):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        received = bytearray(rest)
        while (not received.endswith(b"0\r\n\r\n")) if chunked else len(received) < len(data):
            received += receive(connection, 65536)
            time.sleep(0.01)
        if chunked:
            plain, position = bytearray(), 0
            while True:
                end = received.index(b"\r\n", position)
                size = int(received[position:end], 16)
                if size == 0:
                    break
                plain += received[end + 2 : end + 2 + size]
                position = end + 4 + size
            received = plain
        digests.append(hashlib.sha256(received).hexdigest())
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    with Backend() as warm, Backend(handler) as backend:
        text = proxy_to(backend.address) + f'upstream "w" {{ "{warm.address}" }} route {{ path = "/warm", to = "w" }}'
        with Rsp(tmp_path, text) as rsp:
            get(rsp.port, "/warm")
            worker = rsp.workers()[0]
            before = peak = resident(worker)
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.sendall(b"PUT /x HTTP/1.1\r\nHost: a\r\n")
                client.sendall(
                    b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % len(data)
                )
                for start in range(0, len(data), 100_000):
                    piece = data[start : start + 100_000]
                    client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                    peak = max(peak, resident(worker))
                if chunked:
                    client.sendall(b"0\r\n\r\n")
                assert client.recv(1000).endswith(b"ok")
            assert digests == [hashlib.sha256(data).hexdigest()]
            assert peak - before < 5_000_000


def test_a_client_that_vanishes_costs_only_itself(tmp_path):
    gone = []

    def handler(connection, head, rest):
        if b"/big" not in head:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return True
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            for _ in range(1000):
                connection.sendall(b"x" * 100_000)
        except OSError as error:
            gone.append(error)
        return False

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
                client.recv(1000)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wait_until(lambda: len(gone) == 10, "the backend to be told")
        assert run_load(rsp.port, 4, 100).failures == []
        assert "Unexpected" not in rsp.log


def test_a_client_that_asks_and_never_reads_is_bounded(tmp_path):
    data = b"x" * 100_000
    with Backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + data)) as backend:
        with Rsp(tmp_path, proxy_to(backend.address)) as rsp:
            get(rsp.port)
            before = resident(rsp.workers()[0])
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.setblocking(False)
                quiet = 0
                while quiet < 20:  # until nothing more is taken
                    try:
                        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
                        quiet = 0
                    except BlockingIOError:
                        quiet += 1
                        time.sleep(0.02)
                assert resident(rsp.workers()[0]) - before < 5_000_000
                assert body_of(get(rsp.port)) == data


def test_timeouts_of_slow_clients(tmp_path, backend):
    text = proxy_to(backend.address, extra="timeouts = { head = 1, body = 1, idle = 1 }")
    with Rsp(tmp_path, text) as rsp:
        slow = exchange(rsp.port, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slo")
        assert slow.startswith(b"HTTP/1.1 408")
        assert exchange(rsp.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab").startswith(
            b"HTTP/1.1 408"
        )
        assert exchange(rsp.port, b"") == b""
        assert exchange(rsp.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"one")


def test_early_answer_to_an_unfinished_upload(tmp_path):
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n"
    with Backend(answering(answer, keep=False)) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 100_000)
            received = b""
            while b"no\n" not in received:
                received += receive(client, 1000)
            assert received.startswith(b"HTTP/1.1 413")
            assert b"Connection: close" in received
            client.sendall(b"x" * 100_000)  # still being thrown away, not reset


def test_the_access_log(tmp_path):
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address, extra='access_log = "access.log"')) as rsp:
        get(rsp.port, '/x?y="1"', extra='Referer: http://r/"\\\r\nUser-Agent: té\r\n')
        exchange(rsp.port, b"nonsense\r\n\r\n")
        log = tmp_path / "access.log"
        wait_until(lambda: log.exists() and log.read_text().count("\n") == 2, "two lines")
        first, second = log.read_text().splitlines()
        assert re.fullmatch(
            r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /x\?y=\\x221\\x22 HTTP/1\.1" 200 3 '
            r'"http://r/\\x22\\x5C" "t\\xC3\\xA9" upstream='
            + re.escape(backend.address)
            + r" time=0\.\d{3} upstream_time=0\.\d{3} id=[0-9a-f-]+",
            first,
        ), first
        assert '"-" 400' in second
        log.rename(tmp_path / "access.log.1")
        rsp.signal(10)  # USR1
        wait_until(log.exists, "the new file, which the master opens")
        wait_until(lambda: get(rsp.port) and "GET / " in log.read_text(), "a line in it, when the worker has it")


def test_a_reader_of_stdout_that_stops_reading_blocks_nobody(tmp_path):
    import subprocess
    import sys

    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address), started=False) as rsp:
        rsp.kill()
        process = subprocess.Popen(
            [sys.executable, "-m", "rsp", "-w", "1", "site.lua"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=(tmp_path / "stderr").open("wb"),
        )  # fmt: skip
        try:
            wait_until(lambda: "Started" in rsp.log, "Started")
            load = run_load(rsp.port, 16, 5_000)  # far more than a pipe holds
            assert load.failures == []
            assert load.good == 5_000
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=30)
        assert all(line.startswith(b"127.0.0.1 ") for line in output.splitlines())
        assert len(output.splitlines()) > 100


def test_compressed_bodies_pass_untouched(tmp_path):
    data = gzip.compress(b"hello" * 1000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
    with Backend(answering(answer)) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        assert gzip.decompress(body_of(get(rsp.port))) == b"hello" * 1000
