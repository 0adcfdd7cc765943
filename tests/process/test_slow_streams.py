"""Streams that are slow because they have little to say are not cut by ``limits.min_rate`` or ``timeouts.body``."""

import socket
import threading
import time

from tests.harness import Backend, Rsp, exchange, proxy_to, receive

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_live_stream_may_be_slow(tmp_path):
    def peer(connection, head, rest):
        while not rest.endswith(b"0\r\n\r\n"):
            rest += receive(connection, 1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return False

    with Backend(peer) as backend:
        text = proxy_to(backend.address, extra="timeouts = { body = 2 } limits = { min_rate = 1000 }")
        with Rsp(tmp_path, text) as rsp, socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(HEAD)
            for _ in range(10):
                time.sleep(0.5)
                client.sendall(b"1\r\nx\r\n")
            client.sendall(b"0\r\n\r\n")
            client.settimeout(10)
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_client_may_wait_for_the_other_direction(tmp_path):
    """It sends a line for each event, as a call with streams in both directions does."""
    heard = threading.Event()

    def peer(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for _ in range(8):
            time.sleep(0.5)
            connection.sendall(b"event\n")
        while not rest.endswith(b"0\r\n\r\n"):
            rest += receive(connection, 1000)
        heard.set()
        return False

    with Backend(peer) as backend:
        text = proxy_to(backend.address, extra="timeouts = { body = 2 } limits = { min_rate = 1000 }")
        with Rsp(tmp_path, text) as rsp, socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.settimeout(10)
            client.sendall(HEAD)
            received = b""
            while received.count(b"event\n") < 8:
                more = client.recv(1000)
                assert more, received
                received += more
            client.sendall(b"2\r\nok\r\n0\r\n\r\n")
            assert heard.wait(10)


def test_a_slow_event_stream_is_not_cut(tmp_path):
    def events(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(0.5)
            connection.sendall(b"x")
        return False

    with Backend(events) as backend:
        text = proxy_to(backend.address, extra="timeouts = { send = 2 } limits = { min_rate = 10000 }")
        with Rsp(tmp_path, text) as rsp:
            answer = exchange(rsp.port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer.endswith(b"x" * 8)
