"""What a hook makes of a response decides how it is framed: the next response on the connection is the next one."""

import http.client
import io
import itertools
import socket

import pytest

from tests.harness import PATIENCE, Backend, Rsp, wait_until

SITE = """
listen "127.0.0.1:{port}"
access_log = "stdout"
upstream "app" { "APP" }
local function change(req, res, prefix)
  local args = req.args
  local status, body = args[prefix .. "status"], args[prefix .. "body"]
  if args[prefix .. "read"] then local _ = res.body end
  if body == "filter" then
    res.filter = function(chunk, last) return chunk:upper() .. (last and "!" or "") end
  elseif body then
    res.body = body == "none" and "" or body
  end
  if status then res.status = tonumber(status) end
end
function on_response(req, res) change(req, res, "g") end
function on_request(req)
  if req.args.respond then return respond(tonumber(req.args.respond), "a body") end
end
page { status = 404, body = "page" }
route { path = "/", to = "app", on_response = function(req, res) change(req, res, "") end,
  on_error = function(req, err) return respond(tonumber(req.args.error), "a body") end }
route { path = "/fixed/204", respond = { status = 204, body = "a body" } }
route { path = "/fixed/205", respond = { status = 205, body = "a body" } }
route { path = "/fixed/304", respond = { status = 304, body = "a body" } }
"""
ANSWERS = {
    b"length": b"200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"empty": b"200 OK\r\nContent-Length: 0\r\n\r\n",
    b"chunked": b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    b"204": b"204 No Content\r\n\r\n",
    b"304": b"304 Not Modified\r\nContent-Length: 5\r\nETag: 1\r\n\r\n",
    b"205": b"205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    b"close": b"200 OK\r\n\r\nhello",
    b"head": b"200 OK\r\nContent-Length: 5\r\n\r\n",
    b"part": b"200 OK\r\nContent-Length: 500000\r\n\r\nhello",  # the rest never comes
}
EMPTY = (204, 205, 304)


def answer(connection: socket.socket, head: bytes, rest: bytes) -> bool:
    name = head.split()[1].strip(b"/").partition(b"?")[0]
    connection.sendall(b"HTTP/1.1 " + ANSWERS[name])
    return name != b"close"


class Received(io.BytesIO):
    def makefile(self, _mode):
        return self

    def close(self) -> None:
        pass


def responses(port: int, *requests: tuple[str, str], version: str = "1.1") -> list[tuple[int, bytes, dict[str, str]]]:
    """What answers them on one connection: each status, body and fields; nothing may be left over."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        for index, (method, target) in enumerate(requests, 1):
            option = "close" if index == len(requests) else "keep-alive"
            client.sendall(f"{method} {target} HTTP/{version}\r\nHost: t\r\nConnection: {option}\r\n\r\n".encode())
        data = b""
        while more := client.recv(65536):
            data += more
    stream, found = Received(data), []
    for method, _ in requests:
        response = http.client.HTTPResponse(stream, method=method)
        response.begin()
        fields = {name.lower(): value for name, value in response.getheaders()}
        assert fields.get("content-length") is None or fields.get("transfer-encoding") is None
        found.append((response.status, response.read(), fields))
    assert stream.read() == b"", data
    return found


@pytest.fixture(scope="module")
def rsp(tmp_path_factory):
    with Backend(answer) as app:
        text = SITE.replace("APP", app.address)
        with Rsp(tmp_path_factory.mktemp("framing"), text) as one:
            yield one
            one.stop()


AFTER = ("GET", "/length?status=299")
CHANGES = [
    "",
    "status=204",
    "status=304",
    "status=205",
    "status=200",
    "status=404",
    "body=new",
    "body=none",
    "body=filter",
]


def expected(name: str, route: str, everywhere: str, method: str) -> tuple[int, bytes]:
    status = int(name) if name.isdigit() else 200
    body = b"hello" if name in ("length", "chunked", "close") else b""
    had_body = name in ("length", "chunked", "close")
    filtered = False
    for change in (route, everywhere):
        key, _, value = change.partition("=")
        if key == "status":
            status = int(value)
        elif value == "filter":
            filtered = True
        elif key == "body":
            body = b"" if value == "none" else value.encode()
            had_body = bool(body)
    if filtered and had_body:
        body = body.upper() + b"!"
    return status, b"" if method == "HEAD" or status in EMPTY else body


@pytest.mark.parametrize("name", ["length", "empty", "chunked", "204", "304", "205", "close"])
def test_every_change_of_every_answer(rsp, name):
    for route, everywhere in itertools.product(CHANGES, ("", "status=204", "status=200", "body=new")):
        target = f"/{name}?{route}&{'g' + everywhere if everywhere else ''}"
        first, after = responses(rsp.port, ("GET", target), AFTER)
        assert first[:2] == expected(name, route, everywhere, "GET"), target
        assert after[:2] == (299, b"hello"), target
        status, _, fields = first
        if status == 204 or (status == 304 and name != "304"):  # which may name the length that a 200 would have
            assert "content-length" not in fields
            assert "transfer-encoding" not in fields


@pytest.mark.parametrize("change", ["status=204", "status=304", "status=205", "status=200", "status=404", "body=new"])
def test_answers_to_head(rsp, change):
    for name in ("head", "204", "304"):
        first, after = responses(rsp.port, ("HEAD", f"/{name}?{change}"), AFTER)
        assert first[:2] == expected(name, change, "", "HEAD")
        assert after[:2] == (299, b"hello")
        if first[0] == 204:
            assert "content-length" not in first[2]
        if change == "body=new" and name == "head":
            assert first[2]["content-length"] == "3"


@pytest.mark.parametrize("change", ["status=204", "status=304", "status=205", "body=new"])
def test_the_rest_of_a_body_is_not_waited_for(rsp, change):
    first, after = responses(rsp.port, ("GET", f"/part?{change}"), AFTER)
    assert first[:2] == expected("part", change, "", "GET")
    assert after[:2] == (299, b"hello")


def test_clients_of_1_0(rsp):
    for name, change in itertools.product(("length", "chunked", "204", "304"), CHANGES):
        (first,) = responses(rsp.port, ("GET", f"/{name}?{change}"), version="1.0")
        assert first[:2] == expected(name, change, "", "GET"), (name, change)
        assert "transfer-encoding" not in first[2]
        if name != "chunked" and change != "body=filter":  # what has a length keeps the connection
            first, after = responses(rsp.port, ("GET", f"/{name}?{change}"), ("GET", "/length"), version="1.0")
            assert first[:2] == expected(name, change, "", "GET"), (name, change)
            assert after[:2] == (200, b"hello")


def test_a_body_that_a_hook_has_read(rsp):
    for name, change in itertools.product(
        ("length", "chunked", "204", "304"), ("status=204", "status=200", "body=new")
    ):
        first, after = responses(rsp.port, ("GET", f"/{name}?read=1&{change}"), AFTER)
        assert first[:2] == expected(name, change, "", "GET"), (name, change)
        assert after[:2] == (299, b"hello")


@pytest.mark.parametrize("status", EMPTY)
def test_answers_of_rsp_that_may_have_no_body(rsp, status):
    for method, target in itertools.product(("GET", "HEAD"), (f"/x?respond={status}", f"/fixed/{status}")):
        first, after = responses(rsp.port, (method, target), AFTER)
        assert first[:2] == (status, b"")
        assert first[2].get("content-length") == ("0" if status == 205 else None)
        assert after[:2] == (299, b"hello")
    assert f'"GET /x?respond={status} HTTP/1.1" {status} 0 ' in wait_for_line(rsp, f"/x?respond={status}")


def wait_for_line(rsp, target):
    wait_until(lambda: target in rsp.access_log, "the log")
    return rsp.access_log


def test_an_error_that_on_error_answers_without_a_body(tmp_path):
    with Backend() as app:
        text = SITE.replace("APP", app.address)
        app.close()
        with Rsp(tmp_path, text) as rsp:
            for status in EMPTY:
                first, after = responses(rsp.port, ("GET", f"/x?error={status}"), ("GET", "/x?error=503"))
                assert first[:2] == (status, b"")
                assert after[:2] == (503, b"a body")


@pytest.mark.parametrize("status", ["100", "101", "103", "199", "600", "204.5", "0", "-204"])
def test_a_status_that_is_not_final_is_an_error_at_its_line(rsp, status):
    (first,) = responses(rsp.port, ("GET", f"/length?status={status}&error=500"))
    assert first[0] == 500
    line = SITE[: SITE.index("res.status = ")].count("\n") + 1
    assert f"site.lua:{line}: res.status: expected a number from 200 to 599" in rsp.log


@pytest.mark.parametrize("target", ["/head?body=filter", "/head?gbody=filter"])
def test_a_length_that_a_filter_changes_is_not_told(rsp, target):
    """HEAD named the length of the body that the filter would have replaced."""
    (_, body, fields), (status, _, _) = responses(rsp.port, ("HEAD", target), ("GET", "/length"))
    assert body == b"" and "content-length" not in {name.lower() for name in fields}
    assert status == 200
