"""A client that closes its sending side: it gets an answer that comes in time; after that it has left, and the peer is told."""

import socket
import threading
import time

import pytest

from tests.harness import Backend, Rsp, exchange, proxy_to, receive, wait_until

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


class Silent(Backend):
    """Answers ``/ready``; says nothing more to other requests, and notes when their connection ends."""

    def __init__(self, first=b""):
        self.gone = threading.Event()

        def handler(connection, head, rest):
            if b"/ready" in head:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                return True
            connection.sendall(first)
            try:
                connection.recv(1)
            except OSError:
                pass
            self.gone.set()
            return False

        super().__init__(handler)


def leave(port, request=GET % b"poll", until=b""):
    """Send a request, read until something has come, and close: a FIN."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(request)
        received = b""
        while until not in received:
            received += receive(client, 1000)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"])
def test_the_peer_is_told_and_nothing_is_sent_again(tmp_path, first):
    with Silent(first) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        leave(rsp.port, until=first[-9:])
        assert backend.gone.wait(10)
        wait_until(lambda: '" 499 ' in rsp.access_log, "the log line")
        assert rsp.access_log.count("GET /poll") == 1
        assert len(backend.heads) == 1


def test_an_answer_in_time_reaches_a_half_closed_client(tmp_path):
    def slow(connection, head, rest):
        time.sleep(0.7)  # more than what is left of the worker's second, more often than not
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    with Backend(slow) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        answer = exchange(rsp.port, GET % b"1" + GET % b"2" + GET % b"3", half_close=True)  # each has its time
        assert answer.count(b"\r\n\r\nok") == 3


def test_a_stream_that_flows_is_not_cut(tmp_path):
    def events(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(0.4)
            connection.sendall(b"x")
        return False

    with Backend(events) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        assert exchange(rsp.port, GET % b"", half_close=True).endswith(b"x" * 8)


def test_without_a_limit_a_half_closed_client_waits(tmp_path):
    def slow(connection, head, rest):
        time.sleep(2.5)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return False

    with (
        Backend(slow) as backend,
        Rsp(tmp_path, proxy_to(backend.address, extra="timeouts = { half_close = 0 }")) as rsp,
    ):
        assert exchange(rsp.port, GET % b"", half_close=True).endswith(b"ok")


def test_a_client_that_waits_for_a_peer_or_a_hook_may_leave(tmp_path):
    hook = 'route { path = "/hook", respond = { body = "" }, on_request = function() sleep(25) end }'
    with Silent() as backend:
        text = f"""
            listen "127.0.0.1:{{port}}"
            upstream "app" {{ "{backend.address}", max_conns = 1 }}
            route {{ to = "app" }} {hook}
        """
        with Rsp(tmp_path, text) as rsp, socket.create_connection(("127.0.0.1", rsp.port)) as holder:
            holder.sendall(GET % b"poll")
            wait_until(lambda: backend.heads, "the peer to be full")
            leave(rsp.port, GET % b"queued")
            leave(rsp.port, GET % b"hook")
            wait_until(lambda: rsp.access_log.count('" 499 ') == 2, "both to be gone")
            assert rsp.admin("/status")["now"]["queued"] == 0
            assert not backend.gone.is_set()


def test_the_end_of_a_client_that_waits_for_a_tunnel_is_passed_on(tmp_path):
    def echo(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.sendall(b"bye")
        return False

    with Backend(echo) as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly"
        assert exchange(rsp.port, request, half_close=True).endswith(b"earlybye")
