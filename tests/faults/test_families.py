"""A host name with addresses of both families, of which one is served only."""

import socket
import threading

import pytest

from tests.faults.name_server import NameServer
from tests.harness import Rsp, free_port, get, wait_until

pytestmark = pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")


class Server:
    """Answers with the family that it was asked at."""

    def __init__(self, host, port):
        self.listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=100
        )
        self.requests = 0
        self.body = b"six" if ":" in host else b"four"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                if connection.recv(65536):
                    self.requests += 1
                    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
                    connection.sendall(answer % (len(self.body), self.body))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def names():
    with NameServer() as one:
        yield one


def site(names, peer, more=""):
    return (
        f'listen "127.0.0.1:{{port}}" dns = {{ servers = {{ "{names.address}" }}, min_ttl = "100ms" }} '
        f'upstream "app" {{ "{peer}" }} route {{ to = "app" }} {more}'
    )


def served(rsp, body):
    wait_until(lambda: get(rsp.port).endswith(body), f"an answer from {body}")


@pytest.mark.parametrize("host", ["localhost", "both.test", "LOCALHOST."])
@pytest.mark.parametrize("address", ["::1", "127.0.0.1"])
def test_the_first_request_reaches_the_family_that_is_served(tmp_path, names, host, address):
    names.set("both.test", "A", 600, "127.0.0.1")
    names.set("both.test", "AAAA", 600, "::1")
    port = free_port()
    with Server(address, port) as server, Rsp(tmp_path, site(names, f"{host}:{port}")) as rsp:
        assert get(rsp.port).endswith(server.body)
        assert len(rsp.peers()) == 1


def test_where_both_are_served_the_peers_are_those_of_ipv4(tmp_path, names):
    port = free_port()
    with Server("127.0.0.1", port) as four, Server("::1", port) as six:
        with Rsp(tmp_path, site(names, f"localhost:{port}")) as rsp:
            for _ in range(10):
                assert get(rsp.port).endswith(b"four")
        assert (four.requests, six.requests) == (10, 0)


def test_a_server_that_comes_later_is_found_in_either_family(tmp_path, names):
    port = free_port()
    with Rsp(tmp_path, site(names, f"localhost:{port}")) as rsp:
        assert get(rsp.port).startswith(b"HTTP/1.1 502")
        with Server("::1", port):
            served(rsp, b"six")
            assert "accepts connections at its IPv6 addresses only" in rsp.log


def test_the_other_family_takes_over_and_back_again(tmp_path, names):
    names.set("both.test", "A", 600, "127.0.0.1")
    names.set("both.test", "AAAA", 600, "::1")
    port = free_port()
    with Rsp(tmp_path, site(names, f"both.test:{port}")) as rsp:
        with Server("127.0.0.1", port):
            served(rsp, b"four")
        with Server("::1", port) as six:
            served(rsp, b"six")
            with Server("127.0.0.1", port) as four:  # what is in use stays in use
                rsp.reload()
                for _ in range(5):
                    assert get(rsp.port).endswith(b"six")
                assert four.requests == 0
            assert six.requests
        with Server("127.0.0.1", port):
            served(rsp, b"four")


def test_srv_records_lead_to_the_family_that_is_served(tmp_path, names):
    port = free_port()
    names.set("_http._tcp.test", "SRV", 600, f"10 3 {port} both.test.")
    names.set("both.test", "A", 600, "127.0.0.1")
    names.set("both.test", "AAAA", 600, "::1")
    with Server("::1", port), Rsp(tmp_path, site(names, "srv:_http._tcp.test")) as rsp:
        assert get(rsp.port).endswith(b"six")


def test_hosts_without_a_choice_are_left_alone(tmp_path, names):
    """One connection tells that the host is there; nothing more is asked for."""
    names.set("four.test", "A", 600, "127.0.0.1")
    port = free_port()
    with Server("127.0.0.1", port), Rsp(tmp_path, site(names, f"four.test:{port}")) as rsp:
        served(rsp, b"four")
        assert ("four.test", "AAAA") not in names.asked


def test_a_hooks_own_request_finds_the_family_that_is_served(tmp_path, names):
    port = free_port()
    hook = f"""route {{ path = "/hook", to = "app", on_request = function()
      local res, reason = http.get("http://localhost:{port}/")
      return respond {{ status = 200, body = res and res.body or reason }}
    end }}"""
    with Rsp(tmp_path, site(names, "127.0.0.1:9", hook)) as rsp:
        with Server("::1", port):
            assert get(rsp.port, "/hook").endswith(b"six")
