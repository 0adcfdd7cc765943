"""Hooks in a running rsp: real sockets, real workers, real backends."""

import contextlib
import hashlib
import os
import re
import signal
import socket
import struct
import threading
import time

import pytest

from tests.harness import (
    Backend,
    Rsp,
    answering,
    background_load,
    exchange,
    free_port,
    get,
    hanging_backend,
    receive,
    resident,
    run_load,
    wait_until,
)
from tests.paths import ROOT


def body_of(response: bytes) -> bytes:
    return response.partition(b"\r\n\r\n")[2]


def status_of(response: bytes) -> int:
    assert response.startswith(b"HTTP/1.1 "), response
    return int(response[9:12])


def post(port, path, body, extra=""):
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return exchange(port, head.encode() + body)


def echo(connection: socket.socket, head: bytes, rest: bytes) -> bool:
    """Answers with the request as it came."""
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(rest) < int(length[1]):
        rest += receive(connection, 65536)
    body = head + rest
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return True


SITE = """
listen "127.0.0.1:{port}"
access_log = "off"
lua = { timeout = "2s", body = "64KB" }
upstream "app" { "APP" }
upstream "api" { "API" }
upstream "hang" { "HANG" }
local d = shared("d")

function on_request(req)
  local path = req.path
  if path == "/sub" then
    local res, reason = http.get{ upstream = "api", path = "/x", headers = { ["X-Sub"] = "1" } }
    return respond(200, res and res.body or reason)
  elseif path == "/url" then
    local res, reason = http.get("http://localhost:" .. req.args.port .. "/u")
    return respond(200, res and res.body or "failed: " .. reason)
  elseif path == "/hang" then
    local res, reason = http.get{ upstream = "hang", timeout = tonumber(req.args.timeout) }
    return respond(200, res and "answer" or reason)
  elseif path == "/forever" then
    d.incr("begun")
    sleep(req.args.seconds or 60)
    d.incr("ended")
  elseif path == "/body" then
    return respond(200, #req.body() .. " " .. sha256(req.body()))
  elseif path == "/replace" then
    req.body = "new body"
  elseif path == "/deny" then
    return respond(403, "no")
  elseif path == "/incr" then
    return respond(200, string.format("%d", d.incr("count")))
  elseif path == "/get" then
    return respond(200, tostring(d.get(req.args.key)))
  elseif path == "/rate" then
    return respond(limit.rate{ key = "k", rate = "1r/h", burst = 9 } and 200 or 429)
  elseif path == "/conn" then
    if not limit.conn{ key = "k", max = 2 } then return respond(429) end
    return proxy "hang"
  elseif path == "/peer" then
    return proxy{ peer = req.args.peer }
  elseif path == "/loop" then
    while true do end
  elseif path == "/error" then
    error("error of " .. (req.args.n or ""))
  elseif path == "/resolve" then
    local list, reason = dns.resolve(req.args.name)
    return respond(200, list and list[1] or "failed: " .. reason)
  end
end

route { path = "/filter/", to = "app", on_response = function(req, res)
  local total = 0
  res.filter = function(chunk, last)
    total = total + #chunk
    return chunk:gsub("a", "b") .. (last and ("|" .. total) or "")
  end
end }
route { path = "/broken-filter/", to = "app", on_response = function(_, res)
  res.filter = function(_, last) if last then error("filter fails") end return "x" end
end }
route { path = "/whole/", to = "app", on_response = function(_, res) res.body = "whole " .. #res.body end }
route { path = "/slow-response/", to = "app", on_response = function(_, res) sleep(0.05) res.headers["X-Slow"] = "1" end }
route { path = "/bad-response/", to = "app", on_response = function() error("too bad") end }
route { path = "/dead/", to = "dead" }
upstream "dead" { "127.0.0.1:DEAD" }
route { to = "app" }

function on_error(_, err) if err.status == 502 then sleep(0.01) return respond(502, "nobody: " .. err.reason) end end
function on_log(req, res)
  if req.path:find("^/log/") then
    sleep(0.01)
    d.incr("logged " .. req.path .. " " .. res.status)
  end
end
function on_start() d.incr("started") end
function on_reload() d.incr("reloaded") end
every("50ms", function() d.incr("one") end)
every("50ms", function() d.incr("all") end, { workers = "all" })
"""


@pytest.fixture(scope="module")
def backends():
    with Backend(echo) as app, Backend(name="api") as api, hanging_backend() as hang:
        yield app, api, hang


def site(backends):
    app, api, hang = backends
    text = SITE.replace("APP", app.address).replace("API", api.address).replace("HANG", hang.address)
    return text.replace("DEAD", str(free_port()))


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, backends):
    with Rsp(tmp_path_factory.mktemp("hooks"), site(backends), workers=2) as one:
        yield one


def value(rsp, key):
    return body_of(get(rsp.port, f"/get?key={key}")).decode()


def number(rsp, key):
    return float(value(rsp, key).replace("nil", "0"))


def test_calls(rsp, backends):
    _, api, _ = backends
    assert body_of(get(rsp.port, "/sub")) == b"api"
    assert b"X-Sub: 1\r\n" in api.heads[-1]
    assert b"GET /x HTTP/1.1\r\n" in api.heads[-1]
    assert body_of(get(rsp.port, f"/url?port={api.port}")) == b"api"
    assert body_of(get(rsp.port, f"/url?port={free_port()}")).startswith(b"failed: no peer could be reached")
    assert body_of(get(rsp.port, "/hang?timeout=0.1")) == b"timed out"
    assert body_of(get(rsp.port, "/resolve?name=localhost")) == b"127.0.0.1"


def test_a_hook_that_waits_too_long(rsp):
    assert status_of(get(rsp.port, "/forever")) == 500
    wait_until(lambda: "the hook waits longer than lua.timeout (2s)" in rsp.log, "the log line")


def test_who_leaves_ends_the_wait(rsp):
    for _ in range(10):
        begun, ended, since = number(rsp, "begun"), number(rsp, "ended"), time.monotonic()
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"GET /forever?seconds=1 HTTP/1.1\r\nHost: t\r\n\r\n")
            wait_until(lambda: number(rsp, "begun") > begun, "the hook")  # noqa: B023
        in_time = time.monotonic() - since < 0.7  # on a busy machine the hook may have ended by itself
        other = get(rsp.port, "/forever?seconds=1.4")  # would end later than the one that was left
        assert status_of(other) == 200
        if in_time:
            break
    assert number(rsp, "ended") == ended + 1


def test_request_bodies(rsp):
    for size in (0, 1, 60_000):
        body = os.urandom(size)
        answer = body_of(post(rsp.port, "/body", body))
        assert answer == f"{size} {hashlib.sha256(body).hexdigest()}".encode()
    chunked = b"POST /body HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert body_of(exchange(rsp.port, chunked)).startswith(b"3 ")
    assert status_of(post(rsp.port, "/body", b"x" * 70_000)) == 500
    assert "the request's body is larger than lua.body" in rsp.log
    answer = body_of(post(rsp.port, "/replace", b"y" * 100))
    assert answer.endswith(b"\r\n\r\nnew body")
    assert b"Content-Length: 8\r\n" in answer


def test_a_client_that_expects_100_continue_is_told_to(rsp):
    with socket.create_connection(("127.0.0.1", rsp.port), timeout=10) as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert b"5 2cf24dba" in client.recv(65536)


def test_bodies_of_other_requests_stream_through(rsp):
    """A body larger than any buffer, slowly, with hooks before it."""
    body = os.urandom(3 << 20)
    answer = body_of(post(rsp.port, "/plain", body))
    assert answer.endswith(body)


def test_answers_keep_the_connection(rsp):
    with socket.create_connection(("127.0.0.1", rsp.port), timeout=10) as client:
        for _ in range(3):
            client.sendall(b"GET /deny HTTP/1.1\r\nHost: t\r\n\r\n" * 2)
            received = b""
            while received.count(b"\r\n\r\nno") < 2:
                received += receive(client, 65536)
            assert received.count(b"HTTP/1.1 403") == 2
            assert b"keep-alive" in received


def test_response_hooks(rsp):
    answer = get(rsp.port, "/filter/aaa")
    assert b"Transfer-Encoding: chunked" in answer
    assert b"GET /filter/bbb HTTP/1.1" in answer
    assert b"Content-Length" not in answer
    answer = body_of(get(rsp.port, "/whole/x"))
    assert answer.startswith(b"whole ")
    answer = get(rsp.port, "/slow-response/x")
    assert b"X-Slow: 1\r\n" in answer
    assert b"GET /slow-response/x" in answer
    assert status_of(get(rsp.port, "/bad-response/x")) == 500
    head = exchange(rsp.port, b"HEAD /whole/x HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 7\r\n" in head


def test_a_filter_that_fails_cuts_the_response(rsp):
    answer = get(rsp.port, "/broken-filter/x")
    assert not answer.endswith(b"0\r\n\r\n")


def test_large_responses_through_hooks(tmp_path):
    """Filters and waits see everything, in order, whatever its size."""
    data = os.urandom(1 << 20) * 4
    backend = Backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)))
    text = f"""
    listen "127.0.0.1:{{port}}"
    upstream "app" {{ "{backend.address}" }}
    route {{ path = "/filter", to = "app", on_response = function(_, res) res.filter = function(chunk) return chunk end end }}
    route {{ path = "/wait", to = "app", on_response = function() sleep(0.05) end }}
    route {{ path = "/count", to = "app", on_request = function(req) return respond(200, #req.body()) end }}
    route {{ path = "/read", to = "app", on_response = function(_, res) return respond(200, #res.body) end }}
    """
    with backend, Rsp(tmp_path, text) as rsp:
        answer = body_of(get(rsp.port, "/wait"))
        assert hashlib.sha256(answer).digest() == hashlib.sha256(data).digest()
        chunks, joined = body_of(get(rsp.port, "/filter")), []
        while chunks:
            size, _, chunks = chunks.partition(b"\r\n")
            joined.append(chunks[: int(size, 16)])
            chunks = chunks[int(size, 16) + 2 :]
        assert b"".join(joined) == data
        assert body_of(post(rsp.port, "/count", data[:700_000])) == b"700000"  # more than limits.buffer
        assert status_of(get(rsp.port, "/read")) == 500
        assert "the response's body is larger than lua.body" in rsp.log


def test_errors_and_peers(rsp, backends):
    app, api, _ = backends
    answer = get(rsp.port, "/dead/")
    assert status_of(answer) == 502
    assert body_of(answer) == b"nobody: Bad Gateway"
    assert body_of(get(rsp.port, f"/peer?peer={api.address}")) == b"api"
    assert b"GET /peer?" in body_of(get(rsp.port, f"/peer?peer={app.address}"))
    assert status_of(get(rsp.port, f"/peer?peer=127.0.0.1:{free_port()}")) == 502


def test_logs(rsp):
    assert status_of(get(rsp.port, "/log/x")) == 200
    wait_until(lambda: value(rsp, "logged%20/log/x%20200") == "1", "on_log")


def test_counts_are_exact_over_workers(rsp):
    def count():
        for _ in range(50):
            assert status_of(get(rsp.port, "/incr")) == 200

    before = int(body_of(get(rsp.port, "/incr")))
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(body_of(get(rsp.port, "/incr"))) == before + 201


def test_rates_are_exact_over_workers(rsp):
    statuses = [status_of(get(rsp.port, "/rate")) for _ in range(30)]
    assert statuses.count(200) == 10
    assert statuses.count(429) == 20


def test_connections_are_limited_over_workers_and_given_back(rsp, backends):
    hang = backends[2]
    before = sum(b"/conn" in head for head in hang.heads)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", rsp.port))) for _ in range(2)]
        for client in clients:
            client.sendall(b"GET /conn HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: sum(b"/conn" in head for head in hang.heads) == before + 2, "both at their peer")
        for _ in range(5):
            assert status_of(get(rsp.port, "/conn")) == 429
        for client in clients:  # reset: only that says that nobody waits for the peer any more
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with socket.create_connection(("127.0.0.1", rsp.port)) as client:
        client.settimeout(0.3)

        def is_free():
            client.sendall(b"GET /conn HTTP/1.1\r\nHost: t\r\n\r\n")
            try:
                return b"429" not in client.recv(65536)
            except TimeoutError:
                return True  # it waits for its peer: the limit let it through

        wait_until(is_free, "a slot")


def test_timers_run_in_one_worker_or_in_all(rsp):
    one, everywhere = number(rsp, "one"), number(rsp, "all")
    began = time.monotonic()
    wait_until(lambda: number(rsp, "all") >= everywhere + 40, "timers")
    beats = (time.monotonic() - began) / 0.05
    ones = number(rsp, "one") - one
    assert ones <= beats + 3
    assert ones >= 5
    assert number(rsp, "started") >= 2


def test_runaway_loops_and_storms_are_survived(rsp):
    began = time.monotonic()
    for each in range(40):
        assert status_of(get(rsp.port, "/loop")) == 500
        assert status_of(get(rsp.port, f"/error?n={each}")) == 500
    assert status_of(get(rsp.port, "/deny")) == 403
    seconds = time.monotonic() - began
    assert 1 <= rsp.log.count("error of ") <= 2 * (seconds + 2)  # one each second and worker
    assert re.search(r"A hook failed: site.lua:\d+: error of ", rsp.log)


def test_a_fresh_instance_reload_and_kill(tmp_path, backends):
    """State outlives workers and configurations; hooks of the new one are in force; nothing is lost."""
    with Rsp(tmp_path, site(backends), workers=2) as rsp:
        assert body_of(get(rsp.port, "/incr")) == b"1"
        with background_load(rsp.port, 8) as load:
            rsp.reload(site(backends).replace('respond(403, "no")', 'respond(403, "never")'))
            wait_until(lambda: body_of(get(rsp.port, "/deny")) == b"never", "the new hook")
        assert load.failures == []
        assert number(rsp, "reloaded") == 2
        workers = rsp.workers()
        os.kill(workers[0], signal.SIGKILL)
        wait_until(lambda: rsp.workers().get(0, workers[0]) != workers[0], "a new worker")
        assert int(body_of(get(rsp.port, "/incr"))) == 2
        wait_until(lambda: number(rsp, "started") == 3, "on_start of the new worker")
        rsp.reload(
            site(backends).replace("respond(403", "respnd(403").replace("function on_start()", "functin on_start()")
        )
        assert "Reload refused" in rsp.log
        assert body_of(get(rsp.port, "/deny")) == b"never"
        rsp.stop()


def test_memory_stays_flat(tmp_path, backends):
    app, _, _ = backends
    text = f"""
    listen "127.0.0.1:{{port}}"
    access_log = "off"
    upstream "app" {{ "{app.address}" }}
    function on_request(req) req.ctx.x = ("x"):rep(2000) req.headers["X-A"] = req.ctx.x:sub(1, 10) if req.args.w then sleep(0.001) end end
    function on_response(req, res) res.headers["X-B"] = #req.ctx.x end
    function on_log(req) shared("s"):incr("n") end
    """
    with Rsp(tmp_path, text) as rsp:
        pid = rsp.workers()[0]
        run_load(rsp.port, 16, 4000)
        before = resident(pid)
        assert run_load(rsp.port, 16, 12_000).failures == []
        assert resident(pid) - before < 4 << 20


def test_old_configurations_are_freed(tmp_path, backends):
    with Rsp(tmp_path, site(backends)) as rsp:
        pid, sizes = rsp.workers()[0], []
        for turn in range(24):
            rsp.reload()
            assert status_of(get(rsp.port, "/sub")) == 200
            if turn % 8 == 7:
                sizes.append(resident(pid))
        assert sizes[2] - sizes[1] < 1 << 20


@pytest.fixture
def example(tmp_path, request):
    """The example of that name, served for real; its backends by their ports."""
    with contextlib.ExitStack() as stack:
        peers = {port: stack.enter_context(Backend(echo)) for port in (9001, 9002, 9003)}
        text = (ROOT / "examples" / f"{request.param}.lua").read_text()
        for port, peer in peers.items():
            text = text.replace(f"127.0.0.1:{port}", peer.address)
        text = text.replace('listen "127.0.0.1:8000"', 'listen "127.0.0.1:{port}"')
        rsp = stack.enter_context(Rsp(tmp_path, text, workers=2))
        yield rsp, peers


def served(peers, port):
    return len(peers[port].heads)


@pytest.mark.parametrize("example", ["canary"], indirect=True)
def test_canary(example):
    rsp, peers = example
    for _ in range(4):
        assert status_of(get(rsp.port, extra="Cookie: canary=1\r\n")) == 200
        assert status_of(get(rsp.port, extra="Cookie: canary=0\r\n")) == 200
    assert served(peers, 9003) == 4
    assert served(peers, 9001) + served(peers, 9002) == 4


@pytest.mark.parametrize("example", ["auth_request"], indirect=True)
def test_auth_request(example):
    rsp, peers = example
    peers[9002]._handler = answering(b"HTTP/1.1 200 OK\r\nX-User: ann\r\nContent-Length: 0\r\n\r\n")
    assert b"X-User: ann\r\n" in get(rsp.port, "/private", extra="X-User: root\r\nAuthorization: t\r\n")
    assert b"Authorization: t\r\n" in peers[9002].heads[-1]
    assert b"X-Original-Path: /private\r\n" in peers[9002].heads[-1]
    peers[9002]._handler = answering(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n")
    answer = get(rsp.port)
    assert status_of(answer) == 401
    assert b"WWW-Authenticate: Bearer\r\n" in answer
    peers[9002].close()
    wait_until(lambda: status_of(get(rsp.port)) == 503, "no auth service, no way in")


@pytest.mark.parametrize("example", ["jwt"], indirect=True)
def test_jwt(example):
    import jwt

    rsp, _ = example
    token = jwt.encode({"sub": "ann", "aud": "shop"}, "a secret of 32 bytes or more, for HS256", "HS256")
    answer = get(rsp.port, extra=f"Authorization: Bearer {token}\r\n")
    assert b"X-User: ann\r\n" in answer
    assert token.encode() not in answer
    assert status_of(get(rsp.port, extra=f"Authorization: Bearer {token[:-2]}\r\n")) == 401
    none = jwt.encode({"sub": "ann", "aud": "shop"}, "", "none")
    assert status_of(get(rsp.port, extra=f"Authorization: Bearer {none}\r\n")) == 401


@pytest.mark.parametrize("example", ["rate_limit"], indirect=True)
def test_rate_limit(example):
    rsp, _ = example
    answers = [get(rsp.port, extra="X-Api-Key: key-of-bob\r\n") for _ in range(12)]
    denied = [one for one in answers if status_of(one) == 429]
    assert len(answers) - len(denied) >= 4
    assert b"Retry-After: 1\r\n" in denied[0]
    assert status_of(get(rsp.port)) == 401


@pytest.mark.parametrize("example", ["maintenance"], indirect=True)
def test_maintenance(example):
    rsp, _ = example
    rsp.reload(
        rsp.file.read_text()
        .replace('"127.0.0.0/8", ', "")
        .replace("staff.has(req.client) then\n    switch", "true then\n    switch")
    )
    assert status_of(get(rsp.port)) == 200
    assert body_of(post(rsp.port, "/-/maintenance/on", b"")) == b"on\n"
    for _ in range(6):
        assert status_of(get(rsp.port)) == 503
    assert b"Back soon" in get(rsp.port)
    post(rsp.port, "/-/maintenance/off", b"")
    assert status_of(get(rsp.port)) == 200


@pytest.mark.parametrize("example", ["allow_list"], indirect=True)
def test_allow_list(example):
    rsp, _ = example
    assert status_of(get(rsp.port, "/admin/", extra="X-Forwarded-For: 203.0.113.9\r\n")) == 200
    assert status_of(get(rsp.port, "/admin/", extra="X-Forwarded-For: 192.0.2.1\r\n")) == 403
    assert status_of(get(rsp.port, "/%61dmin/", extra="X-Forwarded-For: 192.0.2.1\r\n")) in (400, 403)
    assert status_of(get(rsp.port, extra="CF-IPCountry: AT\r\n")) == 200
    assert status_of(get(rsp.port)) == 451


@pytest.mark.parametrize("example", ["clean_headers"], indirect=True)
def test_clean_headers(example):
    rsp, peers = example
    peers[9001]._handler = answering(
        b"HTTP/1.1 200 OK\r\nServer: s/1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; SameSite=None\r\nContent-Length: 0\r\n\r\n"
    )
    answer = get(rsp.port, extra="X-Internal-User: root\r\nCookie: tracking=1\r\n")
    assert b"X-Internal" not in peers[9001].heads[-1]
    assert b"Cookie" not in peers[9001].heads[-1]
    assert b"Server:" not in answer
    assert b"Set-Cookie: a=1; SameSite=Lax\r\nSet-Cookie: b=2; SameSite=None\r\n" in answer


@pytest.mark.parametrize("example", ["ab_test"], indirect=True)
def test_ab_test(example):
    rsp, _ = example
    answer = get(rsp.port, "/buy")
    variant = re.search(rb"Set-Cookie: variant=([ab]); HttpOnly; Max-Age=2592000; Path=/\r\n", answer)[1]
    assert b"X-Variant: " + variant in answer
    again = get(rsp.port, "/buy", extra=f"Cookie: variant={variant.decode()}\r\n")
    assert b"Set-Cookie" not in again
    wait_until(lambda: b'{"%b /buy":2}' % variant in get(rsp.port, "/-/ab"), "the count")


@pytest.mark.parametrize("example", ["shadow"], indirect=True)
def test_shadow(example):
    rsp, peers = example
    rsp.reload(rsp.file.read_text().replace("yes = 10, no = 90", "yes = 100, no = 0"))
    peers[9002]._handler = answering(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    assert status_of(get(rsp.port, "/page?q=1")) == 200
    wait_until(lambda: served(peers, 9002) == 1, "the shadow")
    assert peers[9002].heads[0].startswith(b"GET /page?q=1 HTTP/1.1\r\n")
    assert status_of(post(rsp.port, "/page", b"x")) == 200
    wait_until(lambda: "shadow: GET /page?q=1: 200, next: 500" in rsp.log, "the log")
    assert served(peers, 9002) == 1


@pytest.mark.parametrize("example", ["signed_urls"], indirect=True)
def test_signed_urls(example):
    rsp, peers = example
    link = body_of(get(rsp.port, "/-/sign?path=/files/a")).decode().strip()
    assert status_of(get(rsp.port, link + "&page=2")) == 200
    assert peers[9001].heads[-1].startswith(b"GET /files/a?page=2 HTTP/1.1\r\n")
    assert status_of(get(rsp.port, link.replace("/files/a", "/files/b"))) == 403
    assert status_of(get(rsp.port, "/files/a")) == 403


def test_a_dry_run_shows_the_code_of_hooks(tmp_path, backends):
    with Rsp(tmp_path, site(backends)) as rsp:
        assert "No changes." in rsp.rspctl("reload", "--dry-run").stdout
        rsp.write(site(backends).replace('respond(403, "no")', 'respond(403, "never")'))
        shown = rsp.rspctl("reload", "--dry-run").stdout
        assert '-    return respond(403, "no")' in shown
        assert '+    return respond(403, "never")' in shown


def test_hedging_and_slow_response_hooks(tmp_path):
    """An answer that a hook still looks at is not late."""
    with Backend(name="one") as one, Backend(name="two") as two:
        text = f"""
        listen "127.0.0.1:{{port}}"
        upstream "app" {{ "{one.address}", "{two.address}", hedge = {{ after = "1s" }} }}
        route {{ to = "app", on_response = function(req, res) sleep(1.3) res.headers["X-Seen"] = "1" end }}
        """
        with Rsp(tmp_path, text) as rsp:
            assert get(rsp.port).count(b"X-Seen: 1") == 1
            assert len(one.heads) + len(two.heads) == 1


def test_a_peer_that_dies_while_a_hook_looks_at_its_response(tmp_path):
    """The hook has had its time: it does not see the error that follows, whether or not another peer was asked."""

    def half(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        return False

    text = """
    listen "127.0.0.1:{port}"
    upstream "app" { "ONE", "TWO" }
    route { to = "app", on_response = function(req, res) res.headers["X-Seen"] = #res.body end }
    """
    with Backend(half) as one, Backend(half) as two:
        with Rsp(tmp_path, text.replace("ONE", one.address).replace("TWO", two.address)) as rsp:
            for method, tries in (("GET", 2), ("POST", 3)):
                answer = exchange(rsp.port, f"{method} / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
                assert status_of(answer) == 502 and b"x-seen" not in answer.lower()
                assert len(one.heads) + len(two.heads) == tries


def test_fields_of_a_response_that_never_came(tmp_path):
    """on_log may write them, and read what it has written."""
    text = """
    listen "127.0.0.1:{port}"
    function on_request() return respond(200, "ok") end
    function on_log(_, res) res.headers["X-Note"] = "noted" print(res.status .. " " .. tostring(res.headers["x-note"])) end
    """
    with Rsp(tmp_path, text) as rsp:
        head = b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert status_of(get(rsp.port)) == 200
        assert status_of(exchange(rsp.port, head + b"zz\r\n\r\n")) == 400
        wait_until(lambda: "400 noted" in rsp.log and "200 noted" in rsp.log, "on_log")
