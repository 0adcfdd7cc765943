"""The file has the last word on what peers are sent, over rsp's own fields and over hooks."""

import re
import socket

import pytest

from tests.harness import Backend, Rsp, exchange, get, proxy_to, wait_until
from tests.over_tls import SCHEME


def echo(connection: socket.socket, head: bytes, rest: bytes) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
    return True


SITE = """
listen "127.0.0.1:{port}"
access_log = "stdout"
via = "edge"
forwarded = "STYLE"
TRUSTED
upstream "app" { "APP" }
route { path = "/set", to = "app", request_headers = { set = {
  ["X-Forwarded-For"] = "mine", ["x-forwarded-proto"] = "mine", ["X-FORWARDED-HOST"] = "mine", Forwarded = "mine",
  Via = "mine", ["X-Request-Id"] = "mine", Host = "mine.test" } } }
route { path = "/remove", to = "app", request_headers = { remove = {
  "X-Forwarded-For", "x-forwarded-proto", "X_FORWARDED_HOST", "Forwarded", "Via", "X-Request-Id" } } }
route { path = "/values", to = "app", request_headers = { set = {
  ["X-Client"] = "{client}", ["X-Host"] = "{host}", ["X-Authority"] = "{authority}", ["X-Scheme"] = "{scheme}",
  ["X-Id"] = "{request_id}", ["X-Upstream"] = "{upstream}", ["X-Text"] = "{{client}} {}",
  Host = "{host}.internal" } },
  response_headers = { set = { ["X-From"] = "{upstream}", Via = "mine" } } }
local function put(req, value)
  for _, name in ipairs{ "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via", "X-Request-Id" } do
    req.headers[name] = value
    assert(req.headers[name] == value)
  end
end
route { path = "/hook/set", to = "app", on_request = function(req) put(req, "mine") end }
route { path = "/hook/remove", to = "app", on_request = function(req) put(req, nil) end }
route { path = "/hook/both", to = "app", on_request = function(req) put(req, "hook") end,
  request_headers = { set = { ["X-Forwarded-For"] = "file", ["X-Request-Id"] = "file" }, remove = { "Via" } } }
route { path = "/both", to = "app", send_host = "sent.test", request_headers = { add = { ["X-Forwarded-For"] = "more" } } }
route { path = "/fixed", respond = { headers = { ["X-Client"] = "{client}" } } }
route { path = "/redirect", redirect = "https://{host}/new" }
"""
NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"via", b"x-request-id")
CLAIMS = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Request-Id: claimed\r\nForwarded: for=198.51.100.7\r\n"


def fields_of(block: bytes) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b": ")
        if colon:
            found.setdefault(name.lower(), []).append(value)
    return found


@pytest.fixture(scope="module", params=["x-forwarded", "forwarded", "off"])
def style(request):
    return request.param


@pytest.fixture(scope="module", params=["", 'trusted = { "127.0.0.0/8" }'])
def rsp(tmp_path_factory, style, request):
    with Backend(echo) as app:
        text = SITE.replace("APP", app.address).replace("STYLE", style).replace("TRUSTED", request.param)
        with Rsp(tmp_path_factory.mktemp("rules"), text) as one:
            one.trusts = bool(request.param)
            yield one


def sent(rsp, path):
    answer = get(rsp.port, path, host="shop.test:8080", extra=CLAIMS)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer
    return fields_of(head), fields_of(body)


def test_what_the_file_sets_is_all_that_there_is(rsp):
    _, seen = sent(rsp, "/set")
    for name in NAMES:
        assert seen[name] == [b"mine"], name
    assert seen[b"host"] == [b"mine.test"]


def test_what_the_file_removes_is_gone(rsp):
    _, seen = sent(rsp, "/remove")
    assert not set(NAMES) & set(seen)


def test_what_a_hook_sets_or_removes(rsp):
    _, seen = sent(rsp, "/hook/set")
    for name in NAMES:
        assert seen[name] == [b"mine"], name
    _, seen = sent(rsp, "/hook/remove")
    assert not set(NAMES) & set(seen)


def test_the_file_has_the_last_word_over_hooks(rsp):
    _, seen = sent(rsp, "/hook/both")
    assert seen[b"x-forwarded-for"] == seen[b"x-request-id"] == [b"file"]
    assert seen[b"x-forwarded-proto"] == [b"hook"]
    assert b"via" not in seen


def test_add_comes_in_addition(rsp, style):
    _, seen = sent(rsp, "/both")
    assert sorted(seen[b"x-forwarded-for"])[-1] == b"more"
    assert len(seen[b"x-forwarded-for"]) == 1 + (style == "x-forwarded")
    assert seen[b"host"] == [b"sent.test"]


def test_values(rsp):
    answer, seen = sent(rsp, "/values")
    assert seen[b"x-client"] == [b"198.51.100.7" if rsp.trusts else b"127.0.0.1"]
    assert seen[b"x-host"] == [b"shop.test"]
    assert seen[b"x-authority"] == [b"shop.test:8080"]
    assert seen[b"x-scheme"] == [b"https" if rsp.trusts else SCHEME.encode()]
    assert seen[b"x-id"] == seen[b"x-request-id"] == [b"claimed"]
    assert seen[b"x-upstream"] == [b"app"]
    assert seen[b"x-text"] == [b"{client} {}"]
    assert seen[b"host"] == [b"shop.test.internal"]
    assert answer[b"x-from"] == [b"app"]
    assert answer[b"via"] == [b"mine"]


def test_answers_of_rsp(rsp):
    assert b"\r\nX-Client: 127.0.0.1\r\n" in get(rsp.port, "/fixed")
    client = b"198.51.100.7" if rsp.trusts else b"127.0.0.1"
    assert b"\r\nX-Client: %b\r\n" % client in get(rsp.port, "/fixed", extra=CLAIMS)
    assert b"\r\nLocation: https://shop.test/new?a=1\r\n" in get(rsp.port, "/redirect?a=1", host="shop.test:8080")
    nameless = exchange(rsp.port, b"GET /redirect HTTP/1.0\r\n\r\n")
    assert b"\r\nLocation: https://127.0.0.1/new\r\n" in nameless


def test_the_log_keeps_the_request_id(rsp):
    for path in ("/hook/remove", "/remove"):
        sent(rsp, path + "?log")
    get(rsp.port, "/fixed")
    wait_until(lambda: rsp.access_log.count("remove?log") == 2, "the log")
    for line in rsp.access_log.splitlines():
        if "remove?log" in line:
            assert re.search(r"\bclaimed\b", line)


def test_a_placeholder_of_a_request_that_cannot_be_read_leaves_no_broken_field(tmp_path):
    rules = 'response_headers = { set = { ["X-Plain"] = "1", ["X-Link"] = "https://{host}/" }, add = { ["X-Id"] = "{request_id}" } }'
    with Backend() as app, Rsp(tmp_path, proxy_to(app.address, extra=rules)) as rsp:
        for request in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        ):
            head = exchange(rsp.port, request).partition(b"\r\n\r\n")[0]
            assert head.startswith(b"HTTP/1.1 400")
            assert b"X-Plain: 1" in head
            assert b"X-Link" not in head and b"X-Id" not in head
        assert b"X-Link: https://shop/\r\n" in get(rsp.port, host="shop")
