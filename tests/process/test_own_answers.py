"""Response rules and on_response are for every response of a route, rsp's own answers included."""

import socket
import threading

import pytest

from tests.harness import PATIENCE, Backend, Rsp, exchange, free_port, get, hanging_backend, wait_until

SITE = """
listen "127.0.0.1:{port}"
access_log = "stdout"
timeouts = { body = "2s" }
lua = { timeout = "3s" }
limits = { fields = 20 }
upstream "app" { "APP" }
upstream "hang" { "HANG" }
upstream "dead" { "127.0.0.1:DEAD", queue = { size = 0 } }
response_headers = { set = { ["X-Everywhere"] = "{client}", ["X-Both"] = "all", Server = "edge" }, remove = { "X-Gone" } }
function on_request(req)
  if req.args.early then return respond(401, "who?", { ["X-Gone"] = "1", ["X-Rule"] = "hook" }) end
end
function on_response(req, res)
  if req.args.wait then sleep(0.01) end
  res.headers["X-Global-Hook"] = tostring(res.own) .. " " .. res.status
  if req.args.globalfails then error("on purpose: global") end
end
page { status = 404, body = "page of {status}" }
local function see(req, res)
  if req.args.wait then sleep(0.01) end
  res.headers["X-Hook"] = tostring(res.own) .. " " .. res.status .. " " .. (req.peer and "peer" or "none")
  local seen = shared("seen").incr(req.args.id or "none")
  if req.args.fails then error("on purpose: route") end
  if req.args.body then res.body = "<" .. res.body .. ">" end
  if req.args.status then res.status = tonumber(req.args.status) end
  if req.args.filter then res.filter = function(chunk) return chunk:upper() end end
  if req.args.badfilter then res.filter = function(chunk) error("on purpose: filter") end end
  if req.args.replace then return respond(409, "replaced", { ["X-Replaced"] = "1" }) end
  if req.args.forever then sleep(60) end
end
local rules = { set = { ["X-Rule"] = "rule", ["Content-Security-Policy"] = "default-src 'none'", ["X-Both"] = "route" },
                add = { ["Access-Control-Allow-Origin"] = "*" } }
local function with(more)
  more.response_headers, more.on_response = rules, see
  route(more)
end
with{ path = "/app", to = "app" }
with{ path = "/dead", to = "dead" }
with{ path = "/hang", to = "hang" }
with{ path = "/fixed", respond = { status = 200, body = "fixed", headers = { ["X-Gone"] = "1", ["Content-Type"] = "text/x" } } }
with{ path = "/redirect", redirect = "/x/" }
with{ path = "/denied", to = "app", on_request = function(req) return respond(403) end }
with{ path = "/broken", to = "app", on_request = function(req) error("on purpose: request") end }
with{ path = "/limited", to = "app", limits = { body = 5 } }
with{ path = "/error", to = "dead", on_error = function(req, err) return respond(503, { why = err.reason }) end }
with{ path = "/slow", to = "app", timeouts = { request = "1s" } }
route { path = "/without", respond = { status = 200, body = "plain" },
  response_headers = { set = { ["X-Rule"] = "rule" }, own = false } }
route { path = "/without/app", to = "app", response_headers = { set = { ["X-Rule"] = "rule" }, own = false } }
route { path = "/seen", respond = { status = 200 }, on_request = function(req)
  return respond(200, tostring(shared("seen").get(req.args.id) or 0))
end }
"""


@pytest.fixture(scope="module")
def rsp(tmp_path_factory):
    with Backend(name="app") as app, hanging_backend() as hang:
        text = SITE.replace("APP", app.address).replace("DEAD", str(free_port())).replace("HANG", hang.address)
        with Rsp(tmp_path_factory.mktemp("own"), text) as one:
            one.hang = hang
            yield one


def parse(answer: bytes) -> tuple[int, dict[str, list[str]], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    found: dict[str, list[str]] = {}
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return int(head[9:12]), found, body


def ask(rsp, target, extra=""):
    return parse(get(rsp.port, target, extra=extra))


RULED = {"x-rule": ["rule"], "access-control-allow-origin": ["*"], "content-security-policy": ["default-src 'none'"]}
EVERYWHERE = {"x-everywhere": ["127.0.0.1"], "server": ["edge"]}


@pytest.mark.parametrize("wait", ["", "&wait=1"])
@pytest.mark.parametrize(
    ("target", "status", "own", "peer"),
    [
        ("/app", 200, False, "peer"),
        ("/dead", 502, True, "peer"),
        ("/fixed", 200, True, "none"),
        ("/redirect", 302, True, "none"),
        ("/denied", 403, True, "none"),
        ("/broken", 500, True, "none"),
        ("/error", 503, True, "peer"),
    ],
)
def test_every_response_of_a_route(rsp, target, status, own, peer, wait):
    found, fields, body = ask(rsp, f"{target}?x=1{wait}")
    assert found == status
    for name, value in {**RULED, **EVERYWHERE}.items():
        assert fields[name] == value, (name, fields)
    assert fields["x-both"] == ["route"]
    assert "x-gone" not in fields
    assert fields["x-hook"] == [f"{str(own).lower()} {status} {peer}"]
    assert fields["x-global-hook"] == [f"{str(own).lower()} {status}"]
    assert fields["content-length"] == [str(len(body))]
    if target == "/fixed":
        assert fields["content-type"] == ["text/x"]


def test_before_a_route_is_known_only_what_is_global_applies(rsp):
    for target, status in (("/none", 404), ("/app?early=1", 401)):
        found, fields, body = ask(rsp, target)
        assert found == status
        assert fields["x-everywhere"] == ["127.0.0.1"]
        assert fields["x-both"] == ["all"]
        assert fields["x-global-hook"] == [f"true {status}"]
        assert "x-hook" not in fields
        assert "access-control-allow-origin" not in fields
        assert "x-gone" not in fields
        assert body == (b"page of 404" if status == 404 else b"who?")


def test_what_cannot_be_read_gets_the_global_rules(rsp):
    for request in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: t\r\n" + b"A: b\r\n" * 30 + b"\r\n"):
        status, fields, _ = parse(exchange(rsp.port, request))
        assert status in (400, 431)
        assert fields["x-both"] == ["all"]
        assert fields["server"] == ["edge"]


def test_a_body_that_breaks_off_gets_the_rules_of_its_route(rsp):
    for number, rest in enumerate((b"xyz\r\n", b"5\r\nhel"), 1):
        with socket.create_connection(("127.0.0.1", rsp.port), PATIENCE) as client:
            client.sendall(b"POST /hang HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            wait_until(lambda number=number: len(rsp.hang.heads) == number, "the peer to be asked")
            client.sendall(rest)
            client.shutdown(socket.SHUT_WR)
            status, fields, _ = parse(client.recv(65536))
        assert status == 400
        assert fields["x-rule"] == ["rule"]
        assert fields["x-everywhere"] == ["127.0.0.1"]


def test_a_body_that_is_too_large(rsp):
    for body in (
        b"Content-Length: 9\r\n\r\nhello wor",
        b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello wor\r\n0\r\n\r\n",
    ):
        for wait in (b"", b"?wait=1"):
            request = b"POST /limited%b HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%b" % (wait, body)
            status, fields, _ = parse(exchange(rsp.port, request))
            assert status == 413
            assert fields["x-rule"] == ["rule"]
            assert fields["x-hook"] == ["true 413 none"]


def test_own_false_leaves_rsps_answers_out(rsp):
    _, fields, body = ask(rsp, "/without")
    assert "x-rule" not in fields
    assert fields["x-both"] == ["all"]
    assert body == b"plain"
    assert ask(rsp, "/without/app")[1]["x-rule"] == ["rule"]


@pytest.mark.parametrize("target", ["/app", "/fixed", "/dead"])
def test_a_hook_that_fails_does_not_see_its_own_500(rsp, target):
    for number, wait in enumerate(("", "&wait=1")):
        name = f"{target[1:]}{number}"
        status, fields, _ = ask(rsp, f"{target}?fails=1&id={name}{wait}")
        assert status == 500
        assert fields["x-rule"] == ["rule"]
        assert "x-hook" not in fields
        assert fields["x-global-hook"] == ["true 500"]
        assert get(rsp.port, f"/seen?id={name}").endswith(b"\r\n\r\n1")
        status, fields, _ = ask(rsp, f"{target}?globalfails=1&id=g{name}{wait}")
        assert status == 500
        assert fields["x-hook"][0].startswith("true 500")
        assert "x-global-hook" not in fields
        status, fields, _ = ask(rsp, f"{target}?globalfails=1&fails=1{wait}")
        assert status == 500
        assert fields["x-rule"] == ["rule"]
        assert "x-hook" not in fields


def test_a_filter_that_fails_is_not_asked_again(rsp):
    for target in ("/app", "/fixed"):
        status, fields, _ = ask(rsp, f"{target}?badfilter=1")
        assert status == 500
        assert fields["x-hook"][0].startswith("true 500")


def test_hooks_change_own_answers(rsp):
    assert ask(rsp, "/fixed?body=1")[2] == b"<fixed>"
    assert ask(rsp, "/denied?filter=1&body=1")[2].endswith(b"\r\n0\r\n\r\n")
    status, fields, body = ask(rsp, "/fixed?status=204")
    assert (status, body) == (204, b"")
    assert "content-length" not in fields
    status, fields, body = ask(rsp, "/dead?status=299")
    assert status == 299
    assert fields["content-length"] == [str(len(body))]


@pytest.mark.parametrize("target", ["/app", "/fixed", "/dead"])
def test_an_answer_that_replaces_another(rsp, target):
    name = f"replace{target[1:]}"
    status, fields, body = ask(rsp, f"{target}?replace=1&id={name}")
    assert (status, body) == (409, b"replaced")
    assert fields["x-replaced"] == ["1"]
    assert fields["x-rule"] == ["rule"]
    assert fields["x-global-hook"] == ["true 409"]
    assert get(rsp.port, f"/seen?id={name}").endswith(b"\r\n\r\n1")


def test_answers_to_head_and_on_kept_connections(rsp):
    with socket.create_connection(("127.0.0.1", rsp.port), PATIENCE) as client:
        client.sendall(
            b"HEAD /fixed HTTP/1.1\r\nHost: t\r\n\r\nGET /fixed HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
        )
        data = b""
        while more := client.recv(65536):
            data += more
    first, _, rest = data.partition(b"\r\n\r\n")
    assert b"Content-Length: 5" in first
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.endswith(b"\r\n\r\nfixed")


def test_a_hook_that_waits_for_ever_on_an_own_answer(rsp):
    """It ends by lua.timeout, or when the exchange has no more time, and its error is sent without it."""
    for target in ("/fixed?forever=1", "/slow?forever=1&fails=nil"):
        status, fields, _ = ask(rsp, target)
        assert status in (500, 504)
        assert fields["x-rule"] == ["rule"]
        assert fields["x-global-hook"] == [f"true {status}"]


def test_a_client_that_leaves_while_a_hook_looks_at_an_own_answer(rsp):
    before = rsp.admin("/status")["now"]["in_flight"]
    with socket.create_connection(("127.0.0.1", rsp.port), PATIENCE) as client:
        client.sendall(b"GET /fixed?forever=1&id=leaves HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: get(rsp.port, "/seen?id=leaves").endswith(b"\r\n\r\n1"), "the hook")
    wait_until(lambda: rsp.admin("/status")["now"]["in_flight"] == before, "the end of the exchange")


def test_a_queue_that_is_left_answers_once(tmp_path):
    """The whole exchange's time is up while it waits in the queue, and on_error waits: no peer is asked then."""
    go = threading.Event()

    def slow(connection: socket.socket, head: bytes, rest: bytes) -> bool:
        go.wait(PATIENCE)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    with Backend(slow) as app:
        text = f"""
        listen "127.0.0.1:{{port}}"
        upstream "app" {{ "{app.address}", max_conns = 1, queue = {{ timeout = "60s" }} }}
        timeouts = {{ request = "1s" }}
        route {{ path = "/hold", to = "app", timeouts = {{ request = "60s" }} }}
        route {{ to = "app", on_response = function(req, res)
          shared("s").incr("hooks")
          sleep(0.3)
          res.headers["X-Hook"] = tostring(res.status)
        end }}
        route {{ path = "/hooks", respond = {{ status = 200 }}, on_request = function()
          return respond(200, tostring(shared("s").get("hooks") or 0))
        end }}
        """
        with Rsp(tmp_path, text) as rsp:
            first = threading.Thread(target=get, args=(rsp.port, "/hold"))
            first.start()
            wait_until(lambda: len(app.heads) == 1, "the first request")
            answers: list[bytes] = []
            second = threading.Thread(target=lambda: answers.append(get(rsp.port, "/")))
            second.start()
            wait_until(lambda: get(rsp.port, "/hooks").endswith(b"\r\n\r\n1"), "the hook for the 504")
            go.set()
            second.join()
            first.join()
            assert answers[0].startswith(b"HTTP/1.1 504 ")
            assert answers[0].count(b"HTTP/1.1") == 1
            assert len(app.heads) == 1
            assert 'route "/": a request took longer than 1s (timeouts.request)' in rsp.log
