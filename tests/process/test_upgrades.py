"""Upgrades of requests that have a body, as of ``docker exec``: the body goes first, then the tunnel's bytes."""

import socket
import threading

import pytest

from tests.harness import Backend, Rsp, proxy_to

SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
HEAD = b"POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n%b\r\n"
LENGTH = b"Content-Length: 10\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def read(sock, end, received=b""):
    while not received.endswith(end):
        more = sock.recv(65536)
        assert more, received
        received += more
    return received


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (LENGTH, b"0123456789"),
        (b"Content-Length: 0\r\n", b""),
        (CHUNKED, b"3\r\nabc\r\n0\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_body_goes_before_the_tunnel(tmp_path, framing, body, at_once):
    def peer(connection, head, rest):
        assert b"Connection: upgrade\r\nUpgrade: tcp\r\n" in head
        assert framing in head
        if body:
            read(connection, body, rest)
        connection.sendall(SWITCH + b"hello")
        while data := connection.recv(65536):
            connection.sendall(data.upper())
        return False

    with Backend(peer) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            if at_once:  # the tunnel's first bytes come with the request
                client.sendall(HEAD % framing + body + b"early")
                answer = read(client, b"helloEARLY")
            else:
                client.sendall(HEAD % framing)
                client.sendall(body)
                answer = read(client, b"hello")
            assert answer.startswith(b"HTTP/1.1 101 ")
            client.sendall(b"ls")
            read(client, b"LS")
            client.shutdown(socket.SHUT_WR)
            assert client.recv(10) == b""


@pytest.mark.parametrize(("framing", "body"), [(LENGTH, b"0123456789"), (CHUNKED, b"a\r\n0123456789\r\n0\r\n\r\n")])
def test_a_switch_before_the_body_has_come(tmp_path, framing, body):
    received = []
    done = threading.Event()

    def peer(connection, head, rest):
        connection.sendall(SWITCH + b"hello")
        received.append(read(connection, b"tunnel", rest))
        done.set()
        connection.sendall(b"bye")
        return False

    with Backend(peer) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            client.sendall(HEAD % framing + body[:5])
            assert read(client, b"hello").startswith(b"HTTP/1.1 101 ")
            client.sendall(body[5:9])
            client.sendall(body[9:] + b"the ")
            client.sendall(b"tunnel")
            read(client, b"bye")
            assert done.wait(10)
        assert received[0].endswith(b"the tunnel")
        payload = received[0].removesuffix(b"the tunnel")
        if framing == CHUNKED:
            assert payload.endswith(b"\r\n0\r\n\r\n")
            payload = b"".join(payload.split(b"\r\n")[1::2])
        assert payload == b"0123456789"


def test_an_upgrade_with_a_body_that_is_refused_is_a_request_like_others(tmp_path):
    def peer(connection, head, rest):
        if head.startswith(b"POST"):
            read(connection, b"0123456789", rest)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%b" % head[:4])
        return True

    with Backend(peer) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            client.sendall(HEAD % LENGTH + b"0123456789GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            read(client, b"GET ")
    assert [head.split(b" ")[0] for head in backend.heads] == [b"POST", b"GET"]
