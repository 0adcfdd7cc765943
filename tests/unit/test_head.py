"""Heads: what is understood, what is forwarded, what is refused."""

import pytest

from rsp.http.errors import ProtocolError
from rsp.http.h1.codec import parse_request, parse_response, request_head, response_head
from rsp.http.message import CHUNKED, UNTIL_CLOSE
from rsp.http.names import split


def request(*lines: str, start: str = "GET / HTTP/1.1", host: str | None = "Host: a"):
    block = "\r\n".join((start, *((host,) if host else ()), *lines)) + "\r\n\r\n"
    return parse_request(block.encode("latin-1"))


def status_of(*lines: str, **kwargs) -> int:
    with pytest.raises(ProtocolError) as caught:
        request(*lines, **kwargs)
    return caught.value.status


def test_plain_request_is_understood():
    head = request("Accept: */*", "User-Agent:  x ", start="GET /p?q=1 HTTP/1.1")
    assert (head.method, head.target, head.minor, head.host) == (b"GET", b"/p?q=1", 1, b"a")
    assert split(head.fields) == [b"Accept: */*", b"User-Agent:  x "]
    assert head.user_agent == b"x"
    assert head.keep_alive
    assert head.framing == 0


@pytest.mark.parametrize(
    ("line", "framing"),
    [("Content-Length: 5", 5), ("content-length:0", 0), ("Transfer-Encoding: chunked", CHUNKED),
     ("Transfer-Encoding: Chunked", CHUNKED)],
)  # fmt: skip
def test_framing(line, framing):
    assert request(line).framing == framing


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: +5",), ("Content-Length: 5, 5",), ("Content-Length: 0x5",), ("Content-Length: 5_0",),
        ("Content-Length: -1",), ("Content-Length:",), ("Content-Length: 5 5",), ("Content-Length: 9999999999999999999",),
        ("Content-Length: 5", "Content-Length: 5"), ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding: xchunked",), ("Transfer-Encoding: chunked;q=1",), ("Transfer-Encoding:",),
        ("Transfer-Encoding: identity",), ("Transfer-Encoding : chunked",), ("X : y",), (" folded",), ("X: a", " b"),
        ("X\x00: y",), ("X: y\x00",), ("X: y\x01",), ("X: a\rb",), ("X: a\nb",), ("X",), (": y",), ("X y: z",),
        ("Content_Length: 5",), ("X-A: 1", "X_A: 2"), ("X_A: 2", "X-A: 1"), ("X_Forwarded_For: 1",), ("Host: b",),
    ],
)  # fmt: skip
def test_doubtful_fields_are_refused(lines):
    assert status_of(*lines) == 400


def test_unknown_coding_is_not_implemented():
    assert status_of("Transfer-Encoding: gzip, chunked") == 501


def test_transfer_encoding_in_http_1_0():
    assert status_of("Transfer-Encoding: chunked", start="GET / HTTP/1.0") == 400


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("GET / HTTP/2.0", 505), ("GET / HTTP/1.2", 505), ("GET / HTTP/0.9", 400), ("GET /", 400), ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400), (" GET / HTTP/1.1", 400), ("G@T / HTTP/1.1", 400), ("GET x HTTP/1.1", 400),
        ("GET /\x7f HTTP/1.1", 400), ("GET /é HTTP/1.1", 400), ("GET /#f HTTP/1.1", 400), ("GET * HTTP/1.1", 400),
        ("CONNECT a:1 HTTP/1.1", 405), ("GET ftp://a/ HTTP/1.1", 400), ("GET http://u@h/ HTTP/1.1", 400),
        ("GET / http/1.1", 400), ("GET / HTTP/1.1x", 400), ("GET / HTTP/01.1", 400),
    ],
)  # fmt: skip
def test_bad_request_lines(start, status):
    assert status_of(start=start) == status


@pytest.mark.parametrize("host", [None, "Host:", "Host: a b", "Host: a/b", "Host: a@b", "Host: a:b", "Host: a, b"])
def test_bad_hosts(host):
    assert status_of(host=host) == 400


def test_http_1_0_needs_no_host():
    assert request(start="GET / HTTP/1.0", host=None).host == b""


def test_absolute_form_overrides_host():
    head = request(start="GET http://b.example:81/x?y HTTP/1.1")
    assert (head.host, head.target) == (b"b.example:81", b"/x?y")
    assert request(start="GET HTTP://b HTTP/1.1").target == b"/"
    assert request(start="GET http://b?q HTTP/1.1").target == b"/?q"
    assert request(start="OPTIONS http://b HTTP/1.1").target == b"*"


def test_hop_by_hop_fields_are_dropped():
    head = request(
        "Connection: close, X-Own", "X-Own: 1", "Keep-Alive: 5", "Proxy-Connection: x", "TE: gzip", "Upgrade: h2c",
        "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Kept: 1",
    )  # fmt: skip
    assert split(head.fields) == [b"X-Kept: 1"]
    assert not head.keep_alive
    assert head.upgrade == b""


def test_connection_cannot_take_framing_away():
    head = request("Connection: content-length, host, transfer-encoding", "Content-Length: 3")
    assert head.framing == 3
    assert b"Content-Length: 3" in request_head(head, head.target, head.host, head.fields, b"", b"")


def test_request_head_is_written_anew():
    head = request("TE: trailers", "Connection: upgrade", "Upgrade: websocket", start="GET /p HTTP/1.1")
    assert request_head(head, head.target, head.host, head.fields, b"X-Forwarded-For: 1\r\n", b"") == (
        b"GET /p HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1\r\nTE: trailers\r\n"
        b"Connection: TE, upgrade\r\nUpgrade: websocket\r\n\r\n"
    )


def test_an_upgrade_that_would_hide_requests_is_not_offered_to_the_peer():
    assert request("Connection: upgrade", "Upgrade: websocket").upgrade == b"websocket"
    assert request("Connection: upgrade", "Upgrade: tcp", "Content-Length: 2").upgrade == b"tcp"
    assert request("Connection: upgrade", "Upgrade: tcp", "Transfer-Encoding: chunked").upgrade == b"tcp"
    assert request("Connection: upgrade", "Upgrade: tcp, h2c", "Content-Length: 2").upgrade == b""
    assert request("Connection: upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x").upgrade == b""
    assert request("Upgrade: websocket").upgrade == b""


def test_request_ids_are_taken_when_they_are_sound():
    assert request("X-Request-Id: a-1_b").request_id == b"a-1_b"
    assert request("X-Request-Id: a b").request_id == b""
    assert request("X-Request-Id: " + "x" * 200).request_id == b""


def test_expectations():
    assert request("Expect: 100-Continue").expect_continue
    assert status_of("Expect: more") == 417


def response(*lines: str, start: str = "HTTP/1.1 200 OK", method: bytes = b"GET"):
    return parse_response(("\r\n".join((start, *lines)) + "\r\n\r\n").encode("latin-1"), method)


def test_response_framing():
    assert response("Content-Length: 3").framing == 3
    assert response("Transfer-Encoding: chunked").framing == CHUNKED
    closing = response()
    assert closing.framing == UNTIL_CLOSE
    assert not closing.keep_alive
    assert response("Content-Length: 3", method=b"HEAD").framing == 0
    assert response("Content-Length: 3", start="HTTP/1.1 304 Not Modified").framing == 0
    assert response(start="HTTP/1.1 204 No Content").framing == 0


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        (("Content-Length: 3", "Transfer-Encoding: chunked"), "HTTP/1.1 200 OK"), (("Content-Length: x",), "HTTP/1.1 200 OK"),
        (("Content-Length: 3", "Content-Length: 3"), "HTTP/1.1 200 OK"), ((), "HTTP/1.1 20 OK"), ((), "HTTP/2 200 OK"),
        ((), "ICY 200 OK"), (("X : y",), "HTTP/1.1 200 OK"), (("Content-Length: 3",), "HTTP/1.1 204 No Content"),
        (("Transfer-Encoding: chunked",), "HTTP/1.0 200 OK"), ((), "HTTP/1.1 099 X"),
    ],
)  # fmt: skip
def test_lying_responses(lines, start):
    with pytest.raises(ProtocolError):
        response(*lines, start=start)


def test_response_head_is_written_anew():
    head = response("Connection: keep-alive", "Keep-Alive: 5", "Content-Length: 3", "ETag: x")
    assert response_head(head, head.fields, 3, b"") == b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 3\r\n\r\n"
    head = response("Content-Length: 7", method=b"HEAD")
    assert b"Content-Length: 7\r\n" in response_head(head, head.fields, 0, b"close")
