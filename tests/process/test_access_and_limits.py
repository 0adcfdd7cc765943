"""Which clients are served, and how much of it: over HTTP/1.1, HTTP/2 and TLS, over several workers, reloads and killed workers."""

import os
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.both_kinds import LISTENERS, WAYS, BothKinds
from tests.countries import write_countries
from tests.harness import PATIENCE, Backend, is_root, receive, wait_until
from tests.over_tls import not_over_tls

pytestmark = not_over_tls("it has listeners of both kinds")

SITE = (
    LISTENERS
    + """
upstream "app" { "BACKEND" }
local inside = respond
local function at(path, keys)
  keys.path, keys.respond = path, { body = "inside" }
  route(keys)
end
at("/open", {})
at("/allow", { allow = { "10.0.0.0/8", "2001:db8::/32", "file:office.txt" }, deny = { "10.66.0.0/16", "file:bad.txt" } })
at("/deny", { deny = "10.66.0.1" })
at("/country", { country = { allow = { "DE", "FR" }, deny = { "FR" }, file = "geo.mmdb" } })
at("/not-from", { country = { deny = { "FR" }, file = "geo.mmdb" } })
at("/either", { allow = "10.0.0.0/8", country = { allow = { "DE" }, file = "geo.mmdb" }, any = true })
at("/both", { allow = "10.0.0.0/8", country = { allow = { "DE" }, file = "geo.mmdb" } })
at("/down", { maintenance = true })
at("/mark", { maintenance = "file:maintenance" })
at("/rate", { rate_limit = { rate = "1r/m", burst = 2 } })
at("/rates", { rate_limit = { { rate = "100r/s", burst = 5, key = "all" }, { rate = "1r/h", status = 503 } } })
at("/by-key", { rate_limit = { rate = "1r/h", key = "{header.X-Key}" } })
at("/abort", { fault = { abort = 418 } })
at("/late", { fault = { delay = "150ms", abort = 599 } })
at("/never", { fault = { abort = 503, share = 0 } })
route { path = "/slow", to = "app", concurrency = { max = 2 } }
route { path = "/slow-by-key", to = "app", concurrency = { max = 1, key = "{header.X-Key}", status = 429 } }
route { path = "/fast", to = "app", bandwidth = { down = "400KB", up = "400KB" } }
route { path = "/bytes", to = "app" }
route { path = "/shared", to = "app", bandwidth = { down = "400KB", up = "400KB", key = "{header.X-Key}" } }
route { path = "/held", to = "app", bandwidth = { down = "400KB", up = "400KB" }, request_buffering = true,
        response_buffering = "8MB" }
route { path = "/hooked", to = "app", bandwidth = { down = "400KB", up = "400KB" },
        on_request = function(req) if #req.body() > 300000 then req.headers["X-Seen"] = "1" end end,
        on_response = function(req, res) res.filter = function(chunk) return chunk end end }
route { path = "/broken", to = "app", bandwidth = { down = "400KB" } }
"""
)


def backend() -> Backend:
    """``/slow`` waits until it is told to go on; ``/fast`` and ``/bytes`` say what they got, or send as many bytes as
    the query says."""
    go_on = threading.Event()

    def handle(connection: socket.socket, head: bytes, rest: bytes) -> bool:
        path = head.split(b" ")[1]
        length = int((re.findall(rb"(?i)content-length: (\d+)", head) or [0])[0])
        while len(rest) < length:
            rest += receive(connection, 1 << 16)
        if path.startswith(b"/slow"):
            go_on.wait(PATIENCE)
        body = b"x" * int(path.partition(b"?")[2] or 0) or b"%d" % len(rest)
        if path.startswith(b"/broken"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + body)
            return False
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    made = Backend(handle)
    made.go_on = go_on
    return made


class Site(BothKinds):
    def __init__(self, directory, text=SITE, workers=2):
        self.backend = backend()
        (directory / "office.txt").write_text("# who works here\n192.0.2.0/24\n\n198.51.100.7  # the lab\n")
        (directory / "bad.txt").write_text("192.0.2.66\n")
        write_countries(directory / "geo.mmdb", {"203.0.113.0/24": "DE", "198.18.0.0/15": "FR", "2001:db8::/32": "DE"})
        super().__init__(directory, text, workers)

    def write(self, text):
        super().write(text.replace("BACKEND", self.backend.address))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Site(tmp_path_factory.mktemp("access")) as rsp:
        yield rsp


def said_of(site, path, client, way="http/1.1"):
    with site.client(way) as session:
        return session.get(path, headers={"X-Forwarded-For": client}).status_code


# -- which clients are served


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("path", "allowed", "refused"),
    [
        ("/allow", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::5", "192.0.2.1", "198.51.100.7"],
         ["10.66.1.1", "::ffff:10.66.1.1", "192.0.2.66", "198.51.100.8", "203.0.113.1", "2001:db9::1", "127.0.0.1"]),
        ("/deny", ["10.66.0.2", "2001:db8::1", "127.0.0.1"], ["10.66.0.1", "::ffff:10.66.0.1"]),
        ("/country", ["203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9"], ["198.18.0.1", "192.0.2.1", "127.0.0.1"]),
        ("/not-from", ["203.0.113.9", "192.0.2.1"], ["198.19.255.255"]),
        ("/either", ["10.1.1.1", "203.0.113.9"], ["192.0.2.1"]),
        ("/both", [], ["10.1.1.1", "203.0.113.9", "192.0.2.1"]),
    ],
)  # fmt: skip
def test_clients_by_network_and_country(site, way, path, allowed, refused):
    with site.client(way) as session:
        for client in allowed:
            answer = session.get(path, headers={"X-Forwarded-For": client})
            assert (answer.status_code, answer.text) == (200, "inside"), client
        for client in refused:
            answer = session.get(path, headers={"X-Forwarded-For": client})
            assert answer.status_code == 403 and "inside" not in answer.text, client


def test_only_trusted_proxies_say_who_the_client_is(site):
    """What stands before the last address that is no trusted proxy's is hearsay."""
    assert said_of(site, "/allow", "10.1.1.1, 203.0.113.1") == 403
    assert said_of(site, "/allow", "203.0.113.1, 10.1.1.1") == 200
    assert said_of(site, "/allow", "203.0.113.1, 10.1.1.1, 127.0.0.1") == 200
    with socket.create_connection(("127.0.0.1", site.port), source_address=("127.0.0.2", 0)) as sock:
        sock.sendall(b"GET /allow HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.1.1\r\nConnection: close\r\n\r\n")
        assert b" 403 " in sock.recv(1 << 16).partition(b"\r\n")[0]


def test_lists_and_databases_are_read_again_when_they_change(site):
    """Their folder is one that workers may not enter: the master's rights count."""
    if is_root():
        site.directory.chmod(0o700)
    office, geo = site.directory / "office.txt", site.directory / "geo.mmdb"
    assert said_of(site, "/allow", "203.0.113.77") == 403
    before = office.read_text()
    office.write_text("203.0.113.77\n192.0.2.0/24")
    wait_until(lambda: said_of(site, "/allow", "203.0.113.77") == 200, "the new list")
    with ThreadPoolExecutor(8) as pool:  # in all workers, when one has it
        wait_until(lambda: set(pool.map(lambda _: said_of(site, "/allow", "203.0.113.77"), range(16))) == {200}, "all")
    office.write_text("192.0.2.0/24\nnonsense\n")
    wait_until(lambda: 'allow "file:office.txt" is not used: line 2' in site.log, "a word about the line")
    assert said_of(site, "/allow", "203.0.113.77") == 200
    office.unlink()
    wait_until(lambda: "there is no such file" in site.log, "a word about the file")
    assert said_of(site, "/allow", "203.0.113.77") == 200
    office.write_text(before)
    wait_until(lambda: said_of(site, "/allow", "203.0.113.77") == 403, "the old list")
    write_countries(site.directory / "new.mmdb", {"192.0.2.0/24": "DE"})
    (site.directory / "new.mmdb").rename(geo)
    wait_until(lambda: said_of(site, "/country", "192.0.2.1") == 200, "the new database")
    assert said_of(site, "/country", "203.0.113.9") == 403
    content = geo.read_bytes()
    geo.write_bytes(content[:100])  # written over in place, which must not end a worker
    wait_until(lambda: "not a MaxMind database" in site.log, "a word about the database")
    assert said_of(site, "/country", "192.0.2.1") == 200
    write_countries(geo, {"203.0.113.0/24": "DE", "198.18.0.0/15": "FR", "2001:db8::/32": "DE"})
    wait_until(lambda: said_of(site, "/country", "203.0.113.9") == 200, "the first database")


@pytest.mark.parametrize("way", WAYS)
def test_maintenance(site, way):
    mark = site.directory / "maintenance"
    with site.client(way) as session:
        answer = session.get("/down")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert session.get("/mark").status_code == 200
        if way == "http/1.1":
            mark.touch()
            wait_until(lambda: session.get("/mark").status_code == 503, "the mark")
            assert session.get("/open").status_code == 200
            mark.unlink()
            wait_until(lambda: session.get("/mark").status_code == 200, "the end of it")


@pytest.mark.parametrize("way", WAYS)
def test_trouble_on_purpose(site, way):
    with site.client(way) as session:
        assert session.get("/abort").status_code == 418
        began = time.monotonic()
        assert session.get("/late").status_code == 599
        assert time.monotonic() - began > 0.14
        assert session.get("/never").status_code == 200


# -- requests in a time


@pytest.mark.parametrize(("way", "client"), [(way, f"192.0.2.{number}") for number, way in enumerate(WAYS, 1)])
def test_a_rate_over_all_workers_and_what_clients_are_told(site, way, client):
    """A connection for each request, so that both workers get some."""
    told = []
    for _ in range(5):
        with site.client(way) as session:
            answer = session.get("/rate", headers={"X-Forwarded-For": client})
        assert answer.headers["RateLimit-Policy"] == '"default";q=3;w=180'
        left, seconds = map(int, re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["RateLimit"]).groups())
        told.append((answer.status_code, left))
        assert 60 * (3 - left) - 5 <= seconds <= 60 * (3 - left)
        if answer.status_code == 429:
            assert 50 <= int(answer.headers["Retry-After"]) <= 60
        else:
            assert "Retry-After" not in answer.headers
    assert told == [(200, 2), (200, 1), (200, 0), (429, 0), (429, 0)]


def test_an_ipv6_client_is_its_network(site):
    assert [said_of(site, "/rate", f"2001:db8:7:7::{number}") for number in range(5)] == [200, 200, 200, 429, 429]
    assert said_of(site, "/rate", "2001:db8:7:8::1") == 200
    assert [said_of(site, "/rate", "::ffff:192.0.2.99"), said_of(site, "/rate", "192.0.2.99")] == [200, 200]
    assert [said_of(site, "/rate", "192.0.2.99"), said_of(site, "/rate", "::ffff:192.0.2.99")] == [200, 429]


def test_several_rates(site):
    with site.client() as session:
        first = session.get("/rates", headers={"X-Forwarded-For": "192.0.2.31"})
        again = session.get("/rates", headers={"X-Forwarded-For": "192.0.2.31"})
        other = session.get("/rates", headers={"X-Forwarded-For": "192.0.2.32"})
    assert (first.status_code, again.status_code, other.status_code) == (200, 503, 200)
    assert first.headers["RateLimit-Policy"] == '"1";q=100;w=1, "2";q=1;w=3600'
    assert re.fullmatch(r'"1";r=[45];t=1, "2";r=0;t=3600', first.headers["RateLimit"])
    assert again.headers.get_list("Retry-After") == ["3600"]


def test_a_key_of_any_size(site):
    with site.client() as session:
        keys = ["a", "b", "a", "c" * 8000, "c" * 8000, "c" * 7999]
        found = [session.get("/by-key", headers={"X-Key": key}).status_code for key in keys]
        assert found == [200, 200, 429, 200, 429, 200]
        assert [session.get("/by-key").status_code for _ in range(2)] == [200, 429]


def test_a_rate_outlives_reloads_and_workers(tmp_path):
    text = SITE.replace('"1r/m", burst = 2', '"1r/h", burst = 3')
    with Site(tmp_path, text) as rsp:
        assert [said_of(rsp, "/rate", "192.0.2.1") for _ in range(2)] == [200, 200]
        rsp.reload(text + "-- changed\n")
        assert said_of(rsp, "/rate", "192.0.2.1") == 200
        before = rsp.workers()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: len(rsp.workers()) == 2 and not set(rsp.workers().values()) & set(before.values()), "workers"
        )
        answers = []
        for _ in range(2):
            wait_until(lambda: _answers(rsp), "an answer")
            answers.append(said_of(rsp, "/rate", "192.0.2.1"))
        assert answers == [200, 429]


def _answers(rsp):
    try:
        return said_of(rsp, "/open", "192.0.2.1") == 200
    except httpx.TransportError:
        return False


def test_many_at_once_get_what_there_is(site):
    """No request too many passes, whichever worker counts it."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: said_of(site, "/rate", "192.0.2.200"), range(40)))
    assert sorted(found) == [200] * 3 + [429] * 37


# -- requests at a time


def _begin(site, path, key="", *, count=1):
    """Requests that the backend holds, each on a connection of its own."""
    seen = len(site.backend.heads)
    found = []
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", site.port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\nX-Forwarded-For: 192.0.2.5\r\n\r\n".encode())
        found.append(sock)
    wait_until(lambda: len(site.backend.heads) == seen + count, "requests at the backend")
    return found


def _runs(site, path, key="", keep=None):
    """Whether one more runs; the status line if not.  ``keep``: where its connection goes, which is closed else."""
    sock = socket.create_connection(("127.0.0.1", site.port))
    seen = len(site.backend.heads)
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\nX-Forwarded-For: 192.0.2.5\r\n\r\n"
    sock.sendall(head.encode())
    answers = []

    def known():
        try:
            answers.append(sock.recv(1 << 16, socket.MSG_DONTWAIT))
        except BlockingIOError:
            pass
        return answers or len(site.backend.heads) > seen

    wait_until(known, "an answer, or a request at the backend")
    if keep is not None and not answers:
        keep.append(sock)
    else:
        sock.close()
    return answers[0].partition(b"\r\n")[0] if answers else True


def test_so_many_at_a_time(site):
    held = _begin(site, "/slow", count=2)
    assert b" 503 " in _runs(site, "/slow")
    assert _runs(site, "/slow-by-key", "a") is True  # a limit of its own; the client has left since
    held += _begin(site, "/slow-by-key", "b")
    assert b" 429 " in _runs(site, "/slow-by-key", "b")
    assert _runs(site, "/slow-by-key", "c") is True
    held.pop(0).close()  # the slot of a client that leaves is free
    wait_until(lambda: _runs(site, "/slow") is True, "a slot")
    site.backend.go_on.set()
    for sock in held:
        assert b" 200 " in sock.recv(1 << 16)
        sock.close()
    site.backend.go_on.clear()
    wait_until(lambda: not any(peer["in_flight"] for peer in site.peers().values()), "the end of those that have left")
    held = _begin(site, "/slow", count=2)
    assert b" 503 " in _runs(site, "/slow")
    site.backend.go_on.set()
    for sock in held:
        assert b" 200 " in sock.recv(1 << 16)
        sock.close()
    site.backend.go_on.clear()


def test_what_killed_workers_held_is_free_and_what_others_hold_is_not(tmp_path):
    text = SITE.replace("max = 2", "max = 6")
    with Site(tmp_path, text, workers=3) as rsp:
        held = _begin(rsp, "/slow", count=6)
        assert b" 503 " in _runs(rsp, "/slow")
        rsp.reload(text + "-- changed\n")
        assert b" 503 " in _runs(rsp, "/slow")
        victim = rsp.workers()[1]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(rsp.workers()) == 3 and victim not in rsp.workers().values(), "another worker")
        lost = [sock for sock in held if _is_lost(sock)]  # none of them, if the kernel gave the worker no connection
        held = [sock for sock in held if sock not in lost]
        while len(held) < 6:
            wait_until(lambda: _runs(rsp, "/slow", keep=held) is True, "a slot")
        assert b" 503 " in _runs(rsp, "/slow")
        rsp.backend.go_on.set()
        assert [b" 200 " in sock.recv(1 << 16) for sock in held] == [True] * 6
        for sock in (*held, *lost):
            sock.close()


def _is_lost(sock):
    try:
        return sock.fileno() < 0 or sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


# -- bytes a second


@pytest.mark.parametrize("way", WAYS)
def test_bytes_a_second_both_ways(site, way):
    """400 KB a second, and a tenth of a second at once."""
    with site.client(way) as session:
        began = time.monotonic()
        answer = session.get(f"/fast?{200 << 10}")
        down = time.monotonic() - began
        assert len(answer.content) == 200 << 10 and int(answer.headers["Content-Length"]) == 200 << 10
        began = time.monotonic()
        assert session.post("/fast", content=b"y" * (600 << 10)).text == str(600 << 10)
        up = time.monotonic() - began
        assert session.get(f"/bytes?{200 << 10}").content == b"x" * (200 << 10)
    assert down > 0.35
    assert up > 0.75  # what comes with the head does not wait


def test_bytes_of_one_key_take_turns(site):
    """Over all workers: four downloads on connections of their own share what there is; another key has its own."""

    def load(key):
        with site.client() as session:
            assert len(session.get(f"/shared?{100 << 10}", headers={"X-Key": key}).content) == 100 << 10
            return time.monotonic() - began

    began = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        others = [pool.submit(load, "one") for _ in range(4)]
        alone = pool.submit(load, "two").result()
        taken = [each.result() for each in others]
    assert max(taken) > 0.8  # 400 KB less what comes at once
    assert alone < max(taken)


@pytest.mark.parametrize("way", WAYS)
def test_bytes_a_second_with_buffers_and_hooks(site, way):
    with site.client(way) as session:
        for path in ("/held", "/hooked"):
            began = time.monotonic()
            assert session.post(f"{path}?{150 << 10}", content=b"y" * (400 << 10)).content == b"x" * (150 << 10)
            assert time.monotonic() - began > 0.45
            assert b"x-seen: 1" in site.backend.heads[-1].lower() or path == "/held"


@pytest.mark.parametrize("way", WAYS)
def test_bodies_that_end_too_soon(site, way):
    """A peer that breaks off, a client that leaves: nothing hangs, and the next request is served."""
    with site.client(way) as session:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            session.get(f"/broken?{100 << 10}")
        with session.stream("GET", f"/fast?{1 << 20}") as answer:
            assert next(answer.iter_bytes())
        assert session.head(f"/fast?{1 << 20}").status_code == 200
        assert session.get("/fast?5").content == b"xxxxx"
