"""Timeouts of a second are never early, though the clock of a worker moves once a second."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness import Backend, Rsp, proxy_to, receive

TIMES = 'timeouts = { response = "1s", read = "1s", body = "1s", request = "3s" }\n'
PAUSE = 0.7  # seconds, shorter than the timeouts


def slow(connection, head, rest):
    """Reads the body of two bytes, and pauses before the head or in the middle of its own."""
    while len(rest) < 2:
        rest += receive(connection, 2)
    if b"/late" in head:
        time.sleep(PAUSE)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl")
    if b"/halting" in head:
        time.sleep(PAUSE)
    connection.sendall(b"ow")
    return True


@pytest.fixture(scope="module")
def rsp(tmp_path_factory):
    with Backend(slow) as backend:
        text = TIMES + proxy_to(backend.address)
        with Rsp(tmp_path_factory.mktemp("rsp"), text) as running:
            yield running


def asked(port, path, at):
    """``at``: when, in parts of the second, because some moments are just before the clock moves."""
    time.sleep(at)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nx" % path)
        if path == b"/upload":
            time.sleep(PAUSE)
        client.sendall(b"y")
        data = b""
        while more := client.recv(65536):
            data += more
    return data


@pytest.mark.parametrize("path", [b"/late", b"/halting", b"/upload"])
def test_whatever_takes_less_than_its_timeout_is_served(rsp, path):
    with ThreadPoolExecutor(10) as threads:
        answers = [*threads.map(lambda number: asked(rsp.port, path, number / 10), range(10))]
    assert [(answer[9:12], answer[-4:]) for answer in answers] == [(b"200", b"slow")] * 10
