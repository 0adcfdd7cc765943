"""Splits, mirrors and failover between real processes, over every way a client may come."""

import random
import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.auth_service import answer, fields_of
from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, Rsp, get, hanging_backend, receive, wait_until
from tests.ports import free_port

SITE = """
access_log = { path = "stdout", format = "{status} {target} by={upstream_name} tried={upstream}" }
upstream "blue" { "BLUE" }
upstream "green" { "GREEN" }
upstream "shadow" { "SHADOW" }
upstream "bound" { "BLUE", sticky = true }
upstream "dead" { "127.0.0.1:DEAD" }
upstream "hangs" { "HANGS" }
upstream "moody" { "MOODY", retry = { tries = 1 } }
local other = { to = "green", on = { 502, 503, 504 } }
route { path = "/split", split = { to = { blue = 80, green = 20 } } }
route { path = "/sticky", split = { to = { blue = 50, green = 50 }, sticky = true } }
route { path = "/sticky/failed", split = { to = { dead = 1, green = 0, blue = 1 }, sticky = true },
        failover = { to = "blue" } }
route { path = "/sticky/elsewhere", split = { to = { dead = 1 }, sticky = true }, failover = { to = "green" } }
route { path = "/socket", split = { to = { bound = 1 }, sticky = true } }
route { path = "/mirror", to = "blue", mirror = { to = "shadow" }, strip = true,
        request_headers = { set = { ["X-Set"] = "yes" } } }
route { path = "/mirror/tenth", to = "blue", mirror = { to = "shadow", share = 0.1 } }
route { path = "/mirror/small", to = "blue", mirror = { to = "shadow", body = "1KB" } }
route { path = "/mirror/held", to = "blue", mirror = { to = "shadow", body = "2MB" }, request_buffering = true }
route { path = "/mirror/dead", to = "blue", mirror = { to = "dead" } }
route { path = "/mirror/hangs", to = "blue", mirror = { to = "hangs" } }
route { path = "/failover", to = "moody", failover = other }
route { path = "/failover/dead", to = "dead", failover = other }
route { path = "/failover/held", to = "moody", failover = other, request_buffering = true }
route { path = "/failover/split", split = { to = { dead = 1 } }, failover = other }
"""


class App(Backend):
    """Answers with its name and keeps what it was asked; ``status``: what it says to paths with /moody in them."""

    def __init__(self, name: str) -> None:
        self.bodies: list[bytes] = []
        super().__init__(self._serve_one, name=name)

    def _serve_one(self, connection: socket.socket, head: bytes, rest: bytes) -> bool:
        fields = fields_of(head)
        size, chunked = int(fields.get("content-length", 0)), "transfer-encoding" in fields
        while not rest.endswith(b"0\r\n\r\n") if chunked else len(rest) < size:
            rest += receive(connection, 65536)
        self.bodies.append(rest)
        return self.reply(connection, head)

    def reply(self, connection: socket.socket, head: bytes) -> bool:
        if head.startswith(b"GET /socket"):
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            return False
        body = b"" if head.startswith(b"HEAD ") else self.name.encode()
        connection.sendall(answer(200, body))
        return True


class Moody(App):
    """By the query: a status, or ``reset`` before an answer, or ``half`` of one."""

    def reply(self, connection: socket.socket, head: bytes) -> bool:
        mood = head.split(b" ")[1].partition(b"?")[2].partition(b"&")[0]
        if mood.isdigit():
            connection.sendall(answer(int(mood), b"" if head.startswith(b"HEAD ") else b"moody"))
        elif mood == b"half":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        return mood.isdigit()


@pytest.fixture(scope="module")
def apps():
    with App("blue") as blue, App("green") as green, App("shadow") as shadow, Moody("moody") as moody:
        yield {"blue": blue, "green": green, "shadow": shadow, "moody": moody}


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, apps):
    with hanging_backend() as hangs:
        text = SITE.replace("DEAD", str(free_port())).replace("HANGS", hangs.address)
        for name, app in apps.items():
            text = text.replace(name.upper(), app.address)
        with Everywhere(tmp_path_factory.mktemp("traffic"), text, 2) as rsp:
            rsp.hangs = hangs
            yield rsp


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


# -- split


def test_shares_by_counting_over_all_workers(rsp):
    """Each worker counts for itself, so what is added up is off by a few requests for each."""
    with ThreadPoolExecutor(8) as pool:
        seen = Counter(
            each.rpartition(b"\n")[2] for each in pool.map(lambda _: get(rsp.ports["h1"], "/split"), range(300))
        )
    assert set(seen) == {b"blue", b"green"} and abs(seen[b"green"] - 60) <= 10


def test_a_client_stays(rsp, way):
    first = rsp.ask(way, "/sticky")
    pair, *attributes = first["set-cookie"].split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax", *(["Secure"] if "tls" in way else [])]
    assert re.fullmatch(r"rsp-split-[0-9a-f]{12}=[0-9a-f]{12}", pair)
    for _ in range(4):
        again = rsp.ask(way, "/sticky", ("Cookie", f"a=b; {pair}"))
        assert again.body == first.body and again["set-cookie"] is None


def test_a_client_stays_where_a_failover_has_led_it(rsp, way):
    seen = [rsp.ask(way, "/sticky/failed") for _ in range(8)]
    assert {each.body for each in seen} == {b"blue"}
    assert len({each["set-cookie"] for each in seen}) == 1  # whichever was asked first, that of blue
    pair = seen[0]["set-cookie"].partition(";")[0]
    again = rsp.ask(way, "/sticky/failed", ("Cookie", pair))
    assert again.body == b"blue" and again["set-cookie"] is None
    elsewhere = rsp.ask(way, "/sticky/elsewhere")
    assert elsewhere.body == b"green" and elsewhere["set-cookie"] is None  # it is none of those that are split among


@pytest.mark.parametrize("way", ["h1", "h1-tls"])
def test_a_client_that_begins_with_an_upgrade_stays(rsp, way):
    first = rsp.ask(way, "/socket", ("Connection", "upgrade"), ("Upgrade", "x"))
    assert first.status == 101
    assert [("; Secure" in cookie) for cookie in first.fields["set-cookie"]] == [way == "h1-tls"] * 2
    pairs = "; ".join(cookie.partition(";")[0] for cookie in first.fields["set-cookie"])
    again = rsp.ask(way, "/socket", ("Connection", "upgrade"), ("Upgrade", "x"), ("Cookie", pairs))
    assert again.status == 101 and again["set-cookie"] is None


# -- mirror


def copies(apps, count):
    shadow = apps["shadow"]
    wait_until(lambda: len(shadow.bodies) >= count, f"{count} copies")
    return shadow


def test_a_copy_is_the_same_request(rsp, apps, way):
    blue, shadow = apps["blue"], apps["shadow"]
    before = len(shadow.bodies)
    assert rsp.ask(way, "/mirror/x?q=1", ("X-Own", "a"), method="PUT", body=b"abc" * 1000).body == b"blue"
    copies(apps, before + 1)
    copy, original = fields_of(shadow.heads[-1]), fields_of(blue.heads[-1])
    assert shadow.heads[-1].startswith(b"PUT /x?q=1 HTTP/1.1")
    assert shadow.bodies[-1] == b"abc" * 1000
    for name in ("transfer-encoding", "content-length"):  # the copy's length is known
        copy.pop(name, None)
        original.pop(name, None)
    assert copy == original and copy["x-set"] == "yes"


def test_shares_and_bounds_of_copies(rsp, apps, way):
    before = len(apps["shadow"].bodies)
    for _ in range(3):
        rsp.ask(way, "/mirror/small", method="PUT", body=b"a" * 2000)
    large = b"0123456789" * 30_000
    assert rsp.ask(way, "/mirror/held", method="PUT", body=large).body == b"blue"
    shadow = copies(apps, before + 1)
    assert shadow.bodies[before:] == [large]  # in order, so the others have left no trace


def test_a_tenth_by_counting(rsp, apps):
    before = len(apps["shadow"].bodies)
    with ThreadPoolExecutor(8) as pool:
        assert all(
            each.endswith(b"blue") for each in pool.map(lambda _: get(rsp.ports["h1"], "/mirror/tenth"), range(200))
        )
    rsp.ask("h1", "/mirror/x")  # whose copy comes behind the others of its worker
    wait_until(lambda: len(apps["shadow"].bodies) > before + 10, "copies")
    assert len(apps["shadow"].bodies) - before <= 20 + 8


@pytest.mark.parametrize("path", ["/mirror/dead", "/mirror/hangs"])
def test_no_request_waits_for_its_copy(rsp, way, path):
    for method, body in (("GET", b""), ("POST", b"abc")):
        answered = rsp.ask(way, path, method=method, body=body)
        assert (answered.status, answered.body) == (200, b"blue")


def test_copies_are_bounded_in_number(rsp):
    """250 requests at a shadow that answers none: 100 copies in each worker, and every request is answered."""
    with ThreadPoolExecutor(8) as pool:
        assert all(
            each.endswith(b"blue") for each in pool.map(lambda _: get(rsp.ports["h1"], "/mirror/hangs"), range(250))
        )
    assert len(rsp.hangs.heads) <= 200 + 10


# -- failover


@pytest.mark.parametrize("path", ["/failover/dead", "/failover/split"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upstream_that_cannot_be_reached(rsp, way, path, method):
    """Nothing was sent."""
    answered = rsp.ask(way, path, method=method, body=b"abc" if method == "POST" else b"")
    assert (answered.status, answered.body) == (200, b"green")


@pytest.mark.parametrize("mood", ["502", "503", "504", "reset"])
def test_what_may_be_sent_again_is(rsp, apps, way, mood):
    for method, body in (("GET", b""), ("HEAD", b""), ("PUT", b"abc" * 5000), ("DELETE", b"")):
        answered = rsp.ask(way, f"/failover?{mood}", method=method, body=body)
        assert answered.status == 200 and answered.body == (b"" if method == "HEAD" else b"green")
    wait_until(
        lambda: f"200 /failover?{mood} by=green tried={apps['moody'].address},{apps['green'].address}" in rsp.access_log
    )


@pytest.mark.parametrize("path", ["/failover", "/failover/held"])
@pytest.mark.parametrize("mood", ["502", "503", "504", "reset"])
def test_what_may_not_be_sent_again_is_not(rsp, apps, way, mood, path):
    before = len(apps["green"].heads)
    for method, body in (("POST", b"abc"), ("POST", b""), ("PATCH", b"abc")):
        answered = rsp.ask(way, f"{path}?{mood}", method=method, body=body)
        assert answered.status == (int(mood) if mood.isdigit() else 502)
    assert len(apps["green"].heads) == before


def test_other_answers_stay(rsp, way):
    for status in (200, 404, 500):
        answered = rsp.ask(way, f"/failover?{status}")
        assert (answered.status, answered.body) == (status, b"moody")


def test_a_held_body_is_sent_again_whatever_its_size(rsp, apps, way):
    body = b"0123456789" * 40_000
    answered = rsp.ask(way, "/failover/held?503", method="PUT", body=body)
    assert (answered.status, answered.body) == (200, b"green") and apps["green"].bodies[-1] == body


def test_no_post_is_seen_twice(rsp, apps):
    """Many at once, whatever the moody upstream does; each has a number of its own."""
    moods = ["503", "reset", "half", "200", "502"]

    def post(number):
        mood = random.Random(number).choice(moods)
        body = f"n{number:06d}".encode()
        try:
            return rsp.ask("h1", f"/failover?{mood}&{number}", method="POST", body=body).status
        except ValueError:  # cut off in the middle of a response
            return 0

    before = {name: len(apps[name].bodies) for name in ("moody", "green")}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(post, range(300)))
    seen = Counter(body for name in before for body in apps[name].bodies[before[name] :])
    assert len(seen) == 300 and set(seen.values()) == {1}


def test_the_example(tmp_path):
    """``examples/blue-green.lua``, from blue to green by reloads, while clients stay, and back."""
    text = Path("examples/blue-green.lua").read_text().replace("127.0.0.1:8000", "127.0.0.1:{port}")
    text = text.replace('"127.0.0.1:9002", ', "").replace('"127.0.0.1:9004", ', "")
    with App("blue") as blue, App("green") as green:
        text = text.replace("127.0.0.1:9001", blue.address).replace("127.0.0.1:9003", green.address)

        def site(blue_share: int, green_share: int) -> str:
            return text.replace("blue = 95, green = 5", f"blue = {blue_share}, green = {green_share}")

        with Rsp(tmp_path, site(100, 0)) as rsp:
            before = len([head for head in green.heads if b"/healthz" not in head])
            answers = [get(rsp.port, f"/{number}") for number in range(60)]
            assert all(each.endswith(b"blue") for each in answers)
            wait_until(lambda: len([head for head in green.heads if b"/healthz" not in head]) > before, "a copy")
            pair = re.search(rb"Set-Cookie: ([^;]+)", answers[0])[1].decode()
            rsp.reload(site(50, 50))
            assert all(get(rsp.port, extra=f"Cookie: {pair}\r\n").endswith(b"blue") for _ in range(10))
            assert {get(rsp.port).rpartition(b"\n")[2] for _ in range(10)} == {b"blue", b"green"}
            rsp.reload(site(0, 100))
            assert get(rsp.port, extra=f"Cookie: {pair}\r\n").endswith(b"green")
            green.close()
            wait_until(lambda: get(rsp.port, host="t").endswith(b"blue"), "the way back")
