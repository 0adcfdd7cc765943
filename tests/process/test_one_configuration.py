"""An exchange sees one configuration, from its first byte to its last, whatever comes into force meanwhile."""

import re
import socket
import threading
from collections import Counter

from tests.harness import PATIENCE, Backend, Rsp, answering, exchange, get, wait_until


def echo(connection: socket.socket, head: bytes, rest: bytes) -> bool:
    """Answers with the head of the request."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
    return True


def in_background(*arguments, **options) -> tuple[threading.Thread, list[bytes]]:
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(exchange(*arguments, **options)))
    thread.start()
    return thread, answers


class Held:
    """A backend that answers each request when it is let."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nheld") -> None:
        self.go = threading.Event()
        self.backend = Backend(self._answer)
        self._bytes = answer

    def _answer(self, connection: socket.socket, head: bytes, rest: bytes) -> bool:
        self.go.wait(PATIENCE)
        connection.sendall(self._bytes)
        return True

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.backend.close()


GENERATION = """
listen "127.0.0.1:{port}"
access_log = "off"
request_id = "off"
via = "gNN"
upstream "app" { "APP" }
upstream "side" { "SIDE" }
local log = shared("log")
local function same(is) log.incr(is and "same" or "other") end
function on_request(req)
  req.ctx.generation = "NN"
  sleep(0.01)
  req.headers["X-Global"] = "NN"
end
function on_response(req, res)
  sleep(0.005)
  res.headers["X-Global-Response"] = "NN"
end
function on_log(req)
  same(req.ctx.generation == "NN")
end
FILLERS
route { path = "/x", to = "app",
  on_request = function(req)
    sleep(0.01)
    req.headers["X-Route"] = "NN"
    req.headers["X-Side"] = http.get{ upstream = "side", path = "/" }.body
  end,
  on_response = function(req, res)
    sleep(0.005)
    res.headers["X-Route-Response"] = "NN"
  end,
  request_headers = { set = { ["X-Rule"] = "NN" } },
  response_headers = { set = { ["X-Response-Rule"] = "NN" } } }
route { path = "/error", to = "app",
  on_request = function() sleep(0.01) error("on purpose") end,
  on_error = function(req, err)
    sleep(0.01)
    return respond(418, "NN " .. http.get{ upstream = "side", path = "/" }.body)
  end }
route { path = "/log", respond = { status = 200 }, on_request = function()
  return respond(200, (log.get("same") or 0) .. " " .. (log.get("other") or 0) .. " " .. (log.get("timers") or 0))
end }
every("5ms", function()
  local res = http.get{ upstream = "side", path = "/" }
  same(res and res.body == "SIDENAME")
  log.incr("timers")
end, { workers = "all" })
"""
FILLER = (
    'route { path = "/filler%d", to = "app", on_request = function() return respond(410) end, on_response = print }'
)


def generation(number: int, app: Backend, sides: list[Backend]) -> str:
    side = sides[number % 2]
    fillers = "\n".join(FILLER % one for one in range(number % 3))  # so that hooks have other numbers each time
    text = GENERATION.replace("FILLERS", fillers).replace("APP", app.address).replace("NN", str(number))
    return text.replace("SIDENAME", side.name).replace("SIDE", side.address)


def test_hooks_that_wait_across_reloads_meet_one_configuration(tmp_path):
    with Backend(echo) as app, Backend(name="even") as even, Backend(name="odd") as odd:
        sides, stop, seen, mixed = [even, odd], threading.Event(), Counter(), []

        def ask(path: str) -> None:
            while not stop.is_set():
                answer = get(rsp.port, path)
                numbers = set(
                    re.findall(rb"(?im)^(?:x-[\w-]*(?:global|route|rule)[\w-]*|via): (?:1\.1 g)?(\d+)", answer)
                )
                if path == "/error":
                    numbers = set(re.findall(rb"^(\d+) (?:odd|even)$", answer, re.MULTILINE))
                names = set(re.findall(rb"odd|even", answer))
                good = len(numbers) == len(names) == 1 and [b"even", b"odd"][int(min(numbers)) % 2] in names
                if good and (path == "/error" or answer.count(b"Via: ") == 2):
                    seen[path, min(numbers)] += 1
                else:
                    mixed.append(answer)

        with Rsp(tmp_path, generation(0, app, sides)) as rsp:
            threads = [threading.Thread(target=ask, args=(path,)) for path in ("/x", "/error") for _ in range(6)]
            for thread in threads:
                thread.start()
            for number in range(1, 7):
                count = sum(seen.values())
                wait_until(lambda count=count: sum(seen.values()) > count + 20 or mixed, "answers")
                rsp.reload(generation(number, app, sides))
            stop.set()
            for thread in threads:
                thread.join()
            same, other, timers = map(int, get(rsp.port, "/log").rpartition(b"\r\n\r\n")[2].split())
        assert mixed == []
        assert len(seen) >= 12
        assert other == 0
        assert same > timers > 0


def test_a_request_in_the_queue_stays_in_its_upstream(tmp_path):
    """It goes to the peers and by the rules of its own configuration, and its wait ends by that."""
    with Held() as held, Backend(name="new") as new:
        text = f"""
        listen "127.0.0.1:{{port}}"
        upstream "app" {{ "{held.backend.address}", max_conns = 1, queue = {{ timeout = "TIME" }} }}
        route {{ path = "/", to = "app", response_headers = {{ set = {{ ["X-Rule"] = "old" }} }} }}
        """
        request = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
        other = f'listen "127.0.0.1:{{port}}" upstream "other" {{ "{new.address}" }} route {{ to = "other" }}'
        with Rsp(tmp_path, text.replace("TIME", "60s")) as rsp:
            first, first_answers = in_background(rsp.port, request)
            wait_until(lambda: len(held.backend.heads) == 1, "the first request")
            second, second_answers = in_background(rsp.port, request)
            wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 1, "one to wait")
            rsp.reload(other)
            assert get(rsp.port).endswith(b"new")
            held.go.set()
            for thread in (first, second):
                thread.join()
            for answer in first_answers + second_answers:
                assert answer.endswith(b"held") and b"\r\nX-Rule: old\r\n" in answer
            held.go.clear()
            rsp.reload(text.replace("TIME", "6s"))
            first, _ = in_background(rsp.port, request)
            wait_until(lambda: len(held.backend.heads) == 3, "the first request")
            second, second_answers = in_background(rsp.port, request)
            wait_until(lambda: rsp.admin("/status")["now"]["queued"] == 1, "one to wait")
            rsp.reload(other)
            second.join()
            assert second_answers[0].startswith(b"HTTP/1.1 503 ")
            held.go.set()
            first.join()


SETTINGS = """
listen "127.0.0.1:{port}"
access_log = "NAME.log"
limits = { body = BODY }
trusted = { TRUSTED }
forwarded = "FORWARDED"
via = "NAME"
upstream "app" { "APP", sticky = { cookie = "NAME" } }
page { status = 404, body = "page of NAME" }
route { path = "/app", to = "app", response_headers = { set = { ["X-Rule"] = "NAME" } } }
"""
HOOK = 'function on_request(req) if req.args.wait then shared("s").incr("waits") sleep(0.7) end end\n'


def settings(name: str, app: Backend) -> str:
    old = name == "old"
    text = SETTINGS.replace("NAME", name).replace("BODY", "0" if old else "1").replace("APP", app.address)
    text = text.replace("TRUSTED", '"127.0.0.1"' if old else "")
    return text.replace("FORWARDED", "x-forwarded" if old else "forwarded")


def test_what_is_on_its_way_during_a_reload_stays_on_its_settings(tmp_path):
    """Heads and bodies that still arrive, answers that are awaited: limits, forwarded fields, cookies, rules, the log."""
    with Held() as held, Rsp(tmp_path, settings("old", held.backend)) as rsp:
        head = b"POST /app/%b HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 192.0.2.9\r\nContent-Length: 5\r\n"
        with (
            socket.create_connection(("127.0.0.1", rsp.port), PATIENCE) as half_head,
            socket.create_connection(("127.0.0.1", rsp.port), PATIENCE) as half_body,
            socket.create_connection(("127.0.0.1", rsp.port), PATIENCE) as awaited,
        ):
            awaited.sendall(head % b"awaited" + b"\r\nhello")
            half_body.sendall(head % b"half-body" + b"\r\nhe")
            wait_until(lambda: len(held.backend.heads) == 2, "what has arrived to go to the peer")
            half_head.sendall(head % b"half-head")
            rsp.reload(settings("new", held.backend))
            half_head.sendall(b"\r\nhello")
            half_body.sendall(b"llo")
            held.go.set()
            for client in (half_head, half_body, awaited):
                answer = b""
                while not answer.endswith(b"held"):
                    more = client.recv(65536)
                    assert more, answer
                    answer += more
                assert b"\r\nX-Rule: old\r\n" in answer
                assert b"\r\nSet-Cookie: old=" in answer
                assert b"\r\nVia: 1.1 old\r\n" in answer
                client.sendall(head % b"next" + b"\r\nhello")  # the same connection's next request is for the new one
                assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
        for seen in held.backend.heads:
            assert b"\r\nX-Forwarded-For: 192.0.2.9, 127.0.0.1\r\n" in seen
            assert b"\r\nVia: 1.1 old\r\n" in seen
        wait_until(lambda: (tmp_path / "new.log").exists(), "the new log")
        wait_until(lambda: (tmp_path / "new.log").read_bytes().count(b"/app/next") == 3, "the new log")
        wait_until(lambda: (tmp_path / "old.log").read_bytes().count(b"POST /app/") == 3, "the old log")
        assert b"next" not in (tmp_path / "old.log").read_bytes()


def test_an_error_page_is_of_the_configuration_that_the_request_began_with(tmp_path):
    with Backend() as app, Rsp(tmp_path, HOOK + settings("old", app)) as rsp:
        thread, answers = in_background(rsp.port, b"GET /?wait=1 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        count = 'route { path = "/waits", respond = { status = 200 }, on_request = function() return respond(200, shared("s").get("waits")) end }'
        rsp.reload(HOOK + settings("new", app) + count)
        thread.join()
        waited = get(rsp.port, "/waits").endswith(b"\r\n\r\n1")
        assert not waited or answers[0].endswith(b"page of old")
        assert get(rsp.port).endswith(b"page of new")


def test_a_tunnel_is_logged_by_the_hook_that_it_began_with(tmp_path):
    switch = answering(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    with Backend(switch) as app:
        text = f"""
        listen "127.0.0.1:{{port}}"
        upstream "app" {{ "{app.address}" }}
        route {{ path = "/count", respond = {{ status = 200 }}, on_request = function()
          return respond(200, (shared("s").get("old") or "none") .. " " .. (shared("s").get("new") or "none"))
        end }}
        route {{ to = "app", on_log = function() shared("s").incr("NAME") end }}
        """
        with Rsp(tmp_path, text.replace("NAME", "old")) as rsp:
            with socket.create_connection(("127.0.0.1", rsp.port), PATIENCE) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
                assert b" 101 " in client.recv(65536)
                rsp.reload('route { path = "/y", to = "app", on_log = print }' + text.replace("NAME", "new"))
            wait_until(lambda: get(rsp.port, "/count").endswith(b"1 none"), "the old on_log")
