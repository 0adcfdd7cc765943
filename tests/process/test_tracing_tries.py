"""Traces of requests that more than one peer is asked for, that become tunnels, or that live through an upgrade."""

import os
import re
import signal
import socket
import threading

import pytest

from tests.collector import Collector, attributes
from tests.harness import Backend, Rsp, answering, get, wait_until
from tests.process.test_tracing import head_for, of_path, one, trace_of, traceparent

SITE = """
listen "127.0.0.1:{port}"
tracing = { endpoint = "%s", sample = 1 }
access_log = { path = "access.json", format = "json" }
upstream "app" { %s }
route { to = "app" }
"""


def peers(backends: list[Backend], more: str) -> str:
    return ", ".join([f'"{backend.address}"' for backend in backends] + [more] * bool(more))


def test_a_status_that_is_tried_again(tmp_path):
    bad = answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    with Collector() as collector, Backend(bad) as first, Backend() as second:
        text = SITE % (collector.url, peers([first, second], "retry = { on = { 503 } }"))
        with Rsp(tmp_path, text) as rsp:
            for number in range(2):  # one of them begins at the first peer
                assert b" 200 " in get(rsp.port, f"/{number}")
            head = first.heads[0]
            path = re.search(rb" (/\d) ", head)[1].decode()
            server, tries = trace_of(collector, path, 3)
            refused = one(tries, **{"server.port": first.port})
            taken = one(tries, **{"server.port": second.port})
            assert attributes(refused)["http.response.status_code"] == 503 and refused.status.code == 2
            assert refused.end_time_unix_nano <= taken.start_time_unix_nano
            assert (server.status.code, attributes(server)["rsp.tries"]) == (0, 2)
            assert traceparent(head)[1] == refused.span_id.hex()
            assert traceparent(head_for(second, path))[1] == taken.span_id.hex()


def test_two_peers_at_once(tmp_path):
    end = threading.Event()

    def late(connection, head, rest):
        end.wait(30)
        return False

    with Collector() as collector, Backend(late) as first, Backend(late) as second:
        more = 'hedge = { after = "50ms" }'
        with Rsp(tmp_path, SITE % (collector.url, peers([first, second], more))) as rsp:
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.sendall(b"GET /late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                wait_until(lambda: first.heads and second.heads, "both are asked")
                hedged = second  # whichever of them that is
                answered = next(iter(hedged.open))
                answered.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                data = b""
                while more := client.recv(65536):
                    data += more
                assert data.endswith(b"ok")
            server, tries = trace_of(collector, "/late", 3)
            winner = one(tries, **{"server.port": hedged.port})
            (loser,) = [span for span in tries if span is not winner]
            assert attributes(winner)["http.response.status_code"] == 200
            assert attributes(loser)["rsp.abandoned"] in ("another peer was faster", "the other peer was faster")
            assert loser.status.code == 0 and "http.response.status_code" not in attributes(loser)
            assert sum(1 for span in tries if attributes(span).get("rsp.hedge")) == 1
            assert server.status.code == 0
            told = {traceparent(head_for(backend, "/late"))[1] for backend in (first, second)}
            assert told == {span.span_id.hex() for span in tries}
            end.set()


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_a_client_that_leaves(tmp_path, close):
    end = threading.Event()

    def never(connection, head, rest):
        end.wait(30)
        return False

    with Collector() as collector, Backend(never) as backend:
        with Rsp(tmp_path, SITE % (collector.url, peers([backend], ""))) as rsp:
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.sendall(b"GET /gone HTTP/1.1\r\nHost: a\r\n" + close + b"\r\n")
                wait_until(lambda: backend.heads, "the peer is asked")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            server, (peer,) = trace_of(collector, "/gone")
            assert attributes(server)["http.response.status_code"] == 499 and server.status.code == 0
            assert attributes(peer)["rsp.abandoned"] and peer.status.code == 0
            end.set()


def test_an_upgraded_connection_is_one_span(tmp_path):
    def echo(connection, head, rest):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := connection.recv(4096):
            connection.sendall(data)
        return False

    with Collector() as collector, Backend(echo) as backend:
        with Rsp(tmp_path, SITE % (collector.url, peers([backend], ""))) as rsp:
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
                assert b" 101 " in client.recv(4096)
                client.sendall(b"hello")
                assert client.recv(4096) == b"hello"
                assert of_path("/ws")(collector.spans()) == []
            server, (peer,) = trace_of(collector, "/ws")
            assert (
                attributes(server)["http.response.status_code"] == attributes(peer)["http.response.status_code"] == 101
            )
            assert attributes(server)["http.response.body.size"] == 5
            assert server.status.code == peer.status.code == 0


def test_traces_live_through_an_upgrade(tmp_path):
    with Collector() as collector, Backend() as backend:
        text = 'pid_file = "rsp.pid"\n' + SITE % (collector.url, peers([backend], ""))
        with Rsp(tmp_path, text) as rsp:
            pid = int((tmp_path / "rsp.pid").read_text())
            for number in range(20):
                assert b" 200 " in get(rsp.port, f"/before/{number}")
            rsp.signal(signal.SIGUSR2)
            wait_until(lambda: int((tmp_path / "rsp.pid").read_text() or pid) != pid, "the new master")
            successor = int((tmp_path / "rsp.pid").read_text())
            try:
                for number in range(20):
                    assert b" 200 " in get(rsp.port, f"/after/{number}")
                for number in range(20):
                    trace_of(collector, f"/before/{number}")
                    trace_of(collector, f"/after/{number}")
            finally:
                os.kill(successor, signal.SIGTERM)
                wait_until(lambda: not os.path.exists(f"/proc/{successor}"), "its end")
