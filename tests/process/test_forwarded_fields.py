"""What a client may not say of itself: forwarded fields in every spelling, and fields that rules or hooks own."""

import socket

import pytest

from tests.harness import Backend, Rsp
from tests.over_tls import SCHEME

SITE = """
listen "127.0.0.1:{port}"
trusted = { "127.0.0.2" }
keep_forwarded = { "True-Client-IP" }
upstream "app" { "%s" }
route { to = "app" }
route { path = "/rules", to = "app", request_headers = { set = { ["X-User"] = "ann" }, remove = { "X-Role" } } }
route { path = "/hook", to = "app", on_request = function(req)
  req.headers["X-User"] = "ann"
  req.headers["X-Role"] = nil
end }
route { path = "/scheme", to = "app", on_request = function(req)
  req.headers["X-Scheme-Seen"] = req.scheme
  req.headers["X-Real-Seen"] = req.headers["X-Real-IP"] or "none"
end }
"""
TOLD = [
    "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-Server", "X-Real-IP", "X-Client-IP",
    "CF-Connecting-IP", "X-Forwarded-Client-Cert", "X-Original-URL", "X-Rewrite-URL", "X-Envoy-External-Address",
    "X-Forwarded", "X-Url-Scheme", "Front-End-Https", "X-Cluster-Client-IP", "X-Original-Host", "X-Host",
]  # fmt: skip
CERTIFICATES = ["Client-Cert", "Client-Cert-Chain"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Backend() as backend, Rsp(tmp_path_factory.mktemp("site"), SITE % backend.address) as rsp:
        yield backend, rsp


def seen(site, fields: str, path: str = "/", client: str = "127.0.0.1") -> bytes:
    """The head that the backend gets, in lower case."""
    backend, rsp = site
    with socket.create_connection(("127.0.0.1", rsp.port), 30, source_address=(client, 0)) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n".encode())
        answer = b""
        while more := sock.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return backend.heads[-1].lower()


def lines(names: list[str], value: str = "evil") -> str:
    return "".join(f"{name}: {value}\r\n" for name in names)


def test_a_strangers_forwarded_fields_are_dropped_in_every_spelling(site):
    for names in (TOLD, [name.replace("-", "_") for name in TOLD], [name.replace("-", ".") for name in TOLD]):
        assert b"evil" not in seen(site, lines(names + CERTIFICATES))
    assert b"evil" not in seen(site, lines(["Client_Cert", "Client.Cert.Chain", "Proxy"]))


def test_fields_that_the_file_asks_for_pass(site):
    assert b"true-client-ip: 6.6.6.6\r\n" in seen(site, "True-Client-IP: 6.6.6.6\r\n")


def test_a_trusted_proxys_fields_pass_but_for_certificates_and_other_spellings(site):
    head = seen(site, lines(TOLD), client="127.0.0.2")
    for name in TOLD:
        assert f"{name}: evil\r\n".lower().encode() in head
    assert b"evil" not in seen(site, lines([*CERTIFICATES, "X_Real_IP", "X.Client.IP"]), client="127.0.0.2")


def test_a_hook_sees_of_forwarded_fields_what_the_peer_gets(site):
    assert b"x-real-seen: none\r\n" in seen(site, "X-Real-IP: 6.6.6.6\r\n", "/scheme")
    assert b"x-real-seen: 6.6.6.6\r\n" in seen(site, "X-Real-IP: 6.6.6.6\r\n", "/scheme", "127.0.0.2")


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ("X-Forwarded-Proto: https\r\n", "https"), ("X-Forwarded-Proto: http, https\r\n", "https"),
        ("X-Forwarded-Proto: https, http\r\n", "http"), ("X-Forwarded-Proto: http\r\nX-Forwarded-Proto: HTTPS\r\n", "https"),
        ("X-Forwarded-Proto: https,\r\n", "https"), ("X-Forwarded-Proto: \r\n", SCHEME), ("", SCHEME),
        ("X-Forwarded-Proto: <script>\r\n", SCHEME), ("Forwarded: for=6.6.6.6;proto=https\r\n", "https"),
        ("Forwarded: for=6.6.6.6;proto=http, for=7.7.7.7;proto=https\r\n", "https"),
    ],
)  # fmt: skip
def test_the_scheme_of_hooks_and_of_peers_is_the_same_member(site, fields, scheme):
    head = seen(site, fields, "/scheme", "127.0.0.2")
    assert f"x-scheme-seen: {scheme}\r\nx-".encode() in head.replace(b"\r\n\r\n", b"\r\nx-")
    assert head.count(b"x-forwarded-proto:") == 1
    assert f"x-forwarded-proto: {scheme}\r\n".encode() in head


def test_a_stranger_does_not_choose_the_scheme(site):
    claimed = "http" if SCHEME == "https" else "https"
    head = seen(site, f"X-Forwarded-Proto: {claimed}\r\nForwarded: proto={claimed}\r\n", "/scheme")
    assert f"x-forwarded-proto: {SCHEME}\r\n".encode() in head
    assert f": {claimed}\r\n".encode() not in head


def test_empty_members_of_a_chain_are_skipped(site):
    head = seen(site, "X-Forwarded-For: , 6.6.6.6,, \r\nX-Forwarded-For:\r\n", client="127.0.0.2")
    assert b"x-forwarded-for: 6.6.6.6, 127.0.0.2\r\n" in head


def test_a_host_that_is_none_is_not_told(site):
    head = seen(site, "X-Forwarded-Host: a b\r\n", client="127.0.0.2")
    assert b"x-forwarded-host: h\r\n" in head
    head = seen(site, "X-Forwarded-Host: first.example, second.example\r\n", client="127.0.0.2")
    assert b"x-forwarded-host: second.example\r\n" in head


@pytest.mark.parametrize("path", ["/rules", "/hook"])
@pytest.mark.parametrize("spelling", ["X-User", "x-user", "X_User", "X.User", "X_USER"])
def test_what_the_file_sets_comes_from_the_file_only(site, path, spelling):
    head = seen(site, f"{spelling}: evil\r\n{spelling.replace('User', 'Role').replace('USER', 'ROLE')}: evil\r\n", path)
    assert b"evil" not in head
    assert head.count(b"user: ann\r\n") == 1
