"""Trailers say nothing that the head of their message may not say."""

import pytest

from tests.harness import Backend, Rsp, exchange, receive

SITE = """
listen "127.0.0.1:{port}"
via = "edge"
upstream "app" { "%s" }
route { to = "app" }
route {
  path = "/rules", to = "app", request_headers = { set = { ["X-User"] = "ann" }, remove = { "X-Role" } },
  response_headers = { set = { ["X-User"] = "ann" }, remove = { "X-Role" } },
}
route { path = "/hook", to = "app", on_request = function(req)
  req.headers["X-User"] = "ann"
  req.headers["X-Role"] = nil
end, on_response = function(req, res)
  res.headers["X-User"] = "ann"
  res.headers["X-Role"] = nil
end }
"""
NEVER = [
    "Content-Length: 5", "Transfer-Encoding: chunked", "Host: evil", "Connection: close", "Content_Length: 5", "Trailer: x",
    "Set-Cookie: evil=1", "Authorization: evil", "Content-Type: evil", "Keep-Alive: evil", "Upgrade: evil", "TE: evil",
]  # fmt: skip
FOR_PEERS = [
    "X-Forwarded-For: evil", "x-forwarded-proto: evil", "X-Forwarded-Port: evil", "Forwarded: for=evil", "X-Real-IP: evil",
    "X-Request-Id: evil", "X_Request_Id: evil", "X_Forwarded_For: evil", "X.Real.IP: evil", "Client-Cert: evil", "Via: evil",
    "Client_Cert: evil", "Proxy: evil", "True-Client-IP: evil", "X-Original-URL: evil", "Expect: evil",
]  # fmt: skip
GOOD = ["X-Checksum: abc", "Server-Timing: db;dur=5"]


class Peer:
    """Answers with ``answer``; ``body`` is the request's, as it came."""

    def __init__(self):
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.body = b""

    def __call__(self, connection, head, rest):
        if b"transfer-encoding" in head.lower():
            while not (rest.startswith(b"0\r\n") or b"\r\n0\r\n" in rest) or not rest.endswith(b"\r\n\r\n"):
                rest += receive(connection, 65536)
        self.body = rest
        connection.sendall(self.answer)
        return True


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    peer = Peer()
    with Backend(peer) as backend, Rsp(tmp_path_factory.mktemp("site"), SITE % backend.address) as rsp:
        yield peer, rsp


def trailers(lines: list[str]) -> bytes:
    return b"1\r\nx\r\n0\r\n" + "".join(line + "\r\n" for line in lines).encode() + b"\r\n"


def upload(site, lines: list[str], path: str = "/", fields: str = "") -> bytes:
    """The trailers that the peer gets."""
    peer, rsp = site
    peer.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{fields or 'Connection: close'}\r\n\r\n"
    assert exchange(rsp.port, head.encode() + trailers(lines)).startswith(b"HTTP/1.1 200 ")
    return peer.body.partition(b"0\r\n")[2]


def download(site, lines: list[str], path: str = "/", fields: str = "TE: trailers\r\n", more: bytes = b"") -> bytes:
    """The trailers that the client gets."""
    peer, rsp = site
    peer.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + more + b"\r\n" + trailers(lines)
    request = f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n"
    answer = exchange(rsp.port, request.encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    return answer.partition(b"\r\n\r\n")[2].partition(b"0\r\n")[2]


def test_good_trailers_pass(site):
    assert upload(site, GOOD) == trailers(GOOD).partition(b"0\r\n")[2]
    assert download(site, GOOD) == trailers(GOOD).partition(b"0\r\n")[2]


def test_request_trailers_carry_nothing_that_heads_may_not(site):
    assert upload(site, [*NEVER, *FOR_PEERS, *GOOD]) == trailers(GOOD).partition(b"0\r\n")[2]


def test_response_trailers_frame_nothing(site):
    assert download(site, [*NEVER, *GOOD]) == trailers(GOOD).partition(b"0\r\n")[2]


def test_response_trailers_go_to_clients_that_take_them(site):
    for fields in ("", "TE: gzip\r\n", "TE: trailersx\r\n"):
        assert download(site, GOOD, fields=fields) == b"\r\n"
    for fields in ("TE: gzip, trailers\r\n", "TE: Trailers\r\nTE: gzip\r\n"):
        assert download(site, GOOD, fields=fields).startswith(b"X-Checksum: abc\r\n")


@pytest.mark.parametrize("path", ["/rules", "/hook"])
def test_trailers_do_not_contradict_rules_and_hooks(site, path):
    lines = ["X-User: evil", "X_User: evil", "x.user: evil", "X-Role: evil", "X_ROLE: evil"]
    assert upload(site, [*lines, *GOOD], path) == trailers(GOOD).partition(b"0\r\n")[2]
    assert download(site, [*lines, *GOOD], path) == trailers(GOOD).partition(b"0\r\n")[2]


def test_trailers_that_connection_names_are_hop_by_hop(site):
    assert (
        upload(site, ["X-Own: 1", "X_Own: 1", *GOOD], fields="Connection: close, X-Own")
        == (trailers(GOOD).partition(b"0\r\n")[2])
    )
    assert download(site, ["X-Own: 1", *GOOD], more=b"Connection: x-own\r\n") == trailers(GOOD).partition(b"0\r\n")[2]
