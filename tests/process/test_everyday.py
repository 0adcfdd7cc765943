"""All filters of a route at once, with hooks before and after: the order of docs/filters.md, the same over HTTP/1.1,
HTTP/2 and TLS."""

import base64

import bcrypt
import pytest

from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, as_root, receive, wait_until

SITE = """
access_log = "off"
ready = "/readyz"
trusted = { "127.0.0.1" }
security_headers = true
upstream "app" { "APP" }
upstream "shadow" { "SHADOW" }
upstream "dead" { "127.0.0.1:1" }
on_request(function(req)
  req.ctx.seen = "all"
  req.headers["X-First"] = "set by the hook for all routes"
end)
on_response(function(req, res) res.headers["X-Seen"] = (req.ctx.seen or "none") .. " all" end)
route {
  path = "/shop", strip = true, rewrite_location = true, to = "app",
  deny = "192.0.2.66", maintenance = "file:MARK",
  cors = { origins = { "https://page.example" }, methods = { "PUT" }, credentials = true },
  rate_limit = { key = "{header.X-Key}", rate = "1r/h", burst = 1 },
  concurrency = { max = 10 }, bandwidth = { down = "50MB", up = "50MB" },
  auth = { basic = "htpasswd" },
  on_request = function(req)
    req.ctx.seen = req.ctx.seen .. " route"
    req.headers["X-Hook"] = req.headers["X-First"]
    if req.args.answer then return respond(418, "by the hook") end
  end,
  mirror = { to = "shadow" }, request_buffering = true, response_buffering = true,
  failover = { to = "shadow" },
  request_headers = { set = { ["X-Rule"] = "{client} {path} {user}" }, remove = { "X-First" } },
  response_headers = { set = { ["X-Ruled"] = "yes" } },
  on_response = function(req, res)
    res.headers["X-Allowed"] = res.headers["Access-Control-Allow-Origin"] or "none"
    req.ctx.seen = (req.ctx.seen or "") .. " back"
  end,
}
route { path = "/broken", to = "dead", failover = { to = "app" }, request_buffering = true,
        cors = { origins = { "*" } } }
"""
PAGE = ("Origin", "https://page.example")
USER = ("Authorization", "Basic " + base64.b64encode(b"ann:secret").decode())
PREFLIGHT = (PAGE, ("Access-Control-Request-Method", "PUT"))


def _peer(connection, head, rest):
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(rest) < length:
        rest += receive(connection, 65536)
    connection.sendall(
        b"HTTP/1.1 201 Created\r\nLocation: /cart/7\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: %d\r\n\r\n%b"
        % (len(rest), rest)
    )
    return True


@pytest.fixture(scope="module")
def rsp(tmp_path_factory):
    directory = tmp_path_factory.mktemp("everyday")
    (directory / "htpasswd").write_bytes(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)) + b"\n")
    with Backend(_peer) as app, Backend(_peer) as shadow:
        text = SITE.replace("APP", app.address).replace("SHADOW", shadow.address)
        text = text.replace("MARK", str(directory / "maintenance"))
        with Everywhere(directory, as_root() + text) as one:
            one.app, one.shadow, one.mark = app, shadow, directory / "maintenance"
            yield one


def key(way, what):
    return ("X-Key", f"{way} {what}")


def check_marks(answer, *, seen="all"):
    """What every response of the route has, errors included."""
    assert answer["access-control-allow-origin"] == "https://page.example"
    assert answer["access-control-allow-credentials"] == "true"
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["x-ruled"] == "yes"
    assert answer["x-allowed"] == "https://page.example"
    assert answer["x-seen"] == f"{seen} back all"


def fields_of(head):
    lines = head.decode().split("\r\n")[1:-2]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize("way", WAYS)
def test_a_request_that_passes_all_of_them(rsp, way):
    mirrored = len(rsp.shadow.heads)
    body = b"b" * 300_000
    answer = rsp.ask(way, "/shop/buy?a=1", PAGE, USER, key(way, "whole"), method="PUT", body=body)
    assert (answer.status, answer.body) == (201, body)
    assert answer["location"] == "/shop/cart/7"
    assert "ratelimit" in answer.fields
    check_marks(answer, seen="all route")
    for backend in (rsp.app, rsp.shadow):
        wait_until(lambda backend=backend: backend is rsp.app or len(rsp.shadow.heads) > mirrored, "the copy")
        seen = fields_of(backend.heads[-1])
        assert backend.heads[-1].startswith(b"PUT /buy?a=1 HTTP/1.1\r\n")
        assert seen["x-hook"] == "set by the hook for all routes"
        assert seen["content-length"] == "300000"
    seen = fields_of(rsp.app.heads[-1])
    assert seen["x-rule"] == "127.0.0.1 /shop/buy ann"
    assert seen["x-forwarded-prefix"] == "/shop"
    assert "x-first" not in seen


@pytest.mark.parametrize("way", WAYS)
def test_the_first_that_refuses_answers(rsp, way):
    """From the top of the picture to its bottom; nothing reaches the peers."""
    at_app, at_shadow = len(rsp.app.heads), len(rsp.shadow.heads)
    denied, limited = ("X-Forwarded-For", "192.0.2.66"), key(way, "refused")

    answer = rsp.ask(way, "/readyz", denied)
    assert answer.status == 200
    rsp.mark.touch()
    wait_until(lambda: rsp.ask(way, "/shop", PAGE).status == 503, "maintenance")
    assert rsp.ask(way, "/shop", PAGE, denied).status == 403  # deny comes before maintenance
    assert rsp.ask(way, "/shop", *PREFLIGHT, method="OPTIONS").status == 503  # which comes before preflights
    rsp.mark.unlink()
    wait_until(lambda: rsp.ask(way, "/shop", PAGE, key(way, "wait")).status != 503, "the end of maintenance")

    assert rsp.ask(way, "/shop", *PREFLIGHT, denied, method="OPTIONS").status == 403
    for _ in range(4):  # neither counted nor asked for a password
        answer = rsp.ask(way, "/shop", *PREFLIGHT, limited, method="OPTIONS")
        assert (answer.status, answer["access-control-allow-methods"]) == (204, "PUT")

    answers = [rsp.ask(way, "/shop", PAGE, limited) for _ in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]  # a refused password counts
    assert answers[0]["www-authenticate"].startswith("Basic ")
    assert int(answers[2]["retry-after"]) > 0
    for answer in answers:
        check_marks(answer)
    assert rsp.ask(way, "/shop", PAGE, USER, limited).status == 429

    answer = rsp.ask(way, "/shop?answer=1", PAGE, USER, key(way, "hook"))
    assert (answer.status, answer.body) == (418, b"by the hook")
    check_marks(answer, seen="all route")
    assert rsp.app.heads[at_app:] == rsp.shadow.heads[at_shadow:] == []  # mirrors are behind the hook


@pytest.mark.parametrize("way", WAYS)
def test_a_body_that_is_held_goes_to_the_other_upstream_whole(rsp, way):
    body = bytes(range(256)) * 2000
    answer = rsp.ask(way, "/broken", method="POST", body=body)
    assert (answer.status, answer.body) == (201, body)
    assert answer["access-control-allow-origin"] == "*"
