"""Bytes behind a complete response are no answer to the next request, and requests that have come are answered."""

import os
import signal
import socket
import threading

import psutil

from tests.harness import Backend, Rsp, get, proxy_to, receive, wait_until

OWN = 'route { path = "/own", respond = { body = "%s" } }' % ("x" * 20_000)


def test_bytes_that_come_together_with_the_next_request_are_no_answer_to_it(tmp_path):
    go_on, sent = threading.Event(), threading.Event()

    def handler(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
        if b"/first" in head:
            go_on.wait(30)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            sent.set()
        return True

    with Backend(handler) as backend, Rsp(tmp_path, proxy_to(backend.address, extra=OWN)) as rsp:
        (worker,) = rsp.workers().values()
        with socket.create_connection(("127.0.0.1", rsp.port), timeout=30) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(b"good"):
                answer += receive(client, 65536)
            client.sendall(b"GET /second HTTP/1.1\r\nHost: a\r\n")
            assert b" 200 " in get(rsp.port, "/own")  # so the worker has looked at the peer and at the half of a head
            os.kill(worker, signal.SIGSTOP)
            try:
                wait_until(lambda: psutil.Process(worker).status() == psutil.STATUS_STOPPED, "the worker stops")
                client.sendall(b"Connection: close\r\n\r\n")  # which it meets first
                go_on.set()
                assert sent.wait(30)
            finally:
                os.kill(worker, signal.SIGCONT)
            answer = b""
            while more := client.recv(65536):
                answer += more
        assert answer.endswith(b"good")
        assert "bytes behind a complete response" not in rsp.log  # no failure: it was asked elsewhere


def test_requests_before_a_half_close_are_answered_to_a_client_that_reads_late(tmp_path):
    count = 1000
    with Rsp(tmp_path, proxy_to("127.0.0.1:1", extra=OWN)) as rsp:
        with socket.socket() as client:
            client.settimeout(30)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", rsp.port))
            client.sendall(b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n" * count)
            client.shutdown(socket.SHUT_WR)
            wait_until(lambda: rsp.access_log, "the first answers")
            answered = 0
            before = b""
            while more := client.recv(1 << 20):
                answered += (before + more).count(b"HTTP/1.1 200 ")
                before = more[-12:]
        assert answered == count
