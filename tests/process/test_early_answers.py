"""A peer that answers before it has read the request, and closes: the client gets the answer, not a 502."""

import socket
import time

import pytest

from tests.harness import Backend, Rsp, as_root, proxy_to

SIZE = 8_000_000
ANSWER = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 7\r\n\r\ntoo big"


def abrupt(connection, head, rest):
    """Unread data makes the kernel reset the connection."""
    time.sleep(0.05)  # so that some is there
    connection.sendall(ANSWER)
    return False


def lingering(connection, head, rest):
    connection.sendall(ANSWER)
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(2)
    try:
        while connection.recv(65536):
            pass
    except OSError:
        pass
    return False


def deaf(connection, head, rest):
    """It keeps the connection, and reads no more."""
    connection.sendall(ANSWER.replace(b"Connection: close\r\n", b""))
    time.sleep(2)
    return False


def unfinished(connection, head, rest):
    time.sleep(0.05)
    connection.sendall(ANSWER[:-1])
    return False


def upload(port, chunked):
    """Writes first and reads after that, or when writing fails, as most clients do."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
    piece = b"x" * 65536
    data = b"10000\r\n%b\r\n" % piece if chunked else piece
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        received = b""
        try:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing)
            for _ in range(SIZE // len(piece) + 1):
                client.sendall(data)
        except OSError:
            pass
        try:
            while not received.endswith(b"too big") and (more := client.recv(65536)):
                received += more
        except OSError:
            pass
        return received


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("peer", [abrupt, lingering, deaf])
def test_an_early_answer_reaches_the_client(tmp_path, peer, chunked):
    with Backend(peer) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        for _ in range(3):
            answer = upload(rsp.port, chunked)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.endswith(b"too big")


def test_an_early_answer_from_a_local_socket(tmp_path):
    with Backend(abrupt, unix=str(tmp_path / "b.sock")) as backend:
        with Rsp(tmp_path, proxy_to(backend.address) + as_root()) as rsp:
            assert upload(rsp.port, False).endswith(b"too big")


def test_half_an_early_answer_is_no_answer(tmp_path):
    """What there is of it reaches the client, without the end that would make it whole."""
    with Backend(unfinished) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        for _ in range(3):
            answer = upload(rsp.port, False)
            assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 502 "))
            assert not answer.endswith(b"too big")
