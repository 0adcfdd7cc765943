"""A connection that is there before a request needs it keeps a peer busy that serves one at a time."""

import socket
import threading

from tests.faults.lab import RESET
from tests.harness import Backend, Rsp, exchange, wait_until

SITE = 'listen "127.0.0.1:{port}" upstream "app" { "%s"%s } route { to = "app" }'
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class OneAtATime:
    """As gunicorn's sync worker: takes a connection, waits for a request on it, answers, closes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.silent = 0  # connections that ended without a request
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                if connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                else:
                    self.silent += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_a_peer_that_serves_one_connection_at_a_time_is_free_for_the_first_request(tmp_path):
    with OneAtATime() as backend, Rsp(tmp_path, SITE % (backend.address, ""), workers=4) as rsp:
        for _ in range(8):
            assert exchange(rsp.port, GET).startswith(b"HTTP/1.1 200")


def test_the_check_at_the_start_closes_what_it_opened(tmp_path):
    with Backend() as backend, Backend() as gone:
        gone.close()
        with Rsp(tmp_path, SITE % (backend.address, f', "{gone.address}"'), workers=2) as rsp:
            wait_until(lambda: f"Peer {gone.address} cannot be reached" in rsp.log, "the other peer to be checked")
            wait_until(lambda: backend.connections and not backend.open, "the check to be over")
            assert backend.connections == 1
            assert exchange(rsp.port, GET).startswith(b"HTTP/1.1 200")
            assert backend.connections == 2
            rsp.reload()
            assert rsp.peers()[backend.address]["idle"] <= 1
            assert backend.connections == 2


def test_a_connection_whose_client_has_left_meanwhile_is_closed(tmp_path):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = []
        with Rsp(tmp_path, SITE % (f"127.0.0.1:{address[1]}", "")) as rsp:
            check, _ = full.accept()  # rsp's own
            assert check.recv(1) == b""
            while True:  # until the queue is full
                one = socket.socket()
                fillers.append(one)
                one.settimeout(0.2)
                try:
                    one.connect(address)
                except TimeoutError:
                    break
            with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.sendall(GET)
                connecting = lambda: rsp.peers()[f"127.0.0.1:{address[1]}"]["connecting"]  # noqa: E731
                wait_until(lambda: connecting() == 1, "the connection to be made")
            wait_until(lambda: " 499 " in rsp.access_log, "the client to be gone")
            for one in fillers:
                one.close()
            full.settimeout(30)
            ended = []
            while connecting() or not ended:  # the fillers', and the one that nobody wants any more
                connection, _ = full.accept()
                connection.settimeout(30)
                ended.append(connection.recv(1))
            assert set(ended) == {b""}
            assert rsp.peers()[f"127.0.0.1:{address[1]}"]["idle"] == 0
