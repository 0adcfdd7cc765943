"""The dashboard's site: what it shows, which users may see it, and which orders it takes."""

import asyncio
import base64
import json
import re

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.observe import Dashboard as Configured
from rsp.config.schema import Config, Settings
from rsp.config.units import Listen
from rsp.control.admin import answer
from rsp.control.dashboard import Dashboard
from rsp.control.figures import Figures
from rsp.control.live import Live
from rsp.control.recent import Recent
from rsp.control.web import Request
from rsp.ipc import series_cells

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
OPERATORS = b"ada:" + HASH
ADA = {b"authorization": b"Basic " + base64.b64encode(b"ada:secret")}
NAMES = ("requests", "status_2xx", "status_3xx", "status_4xx", "status_5xx", "bytes_sent", "accepted", "handshakes")


class Certificates:
    def report(self):
        return []


class State:
    certificates = Certificates()

    def __init__(self, counted):
        self.counted = counted

    def status(self):
        return {"totals": dict.fromkeys(NAMES, self.counted["requests"]), "now": {}, "workers": []}

    def peers_in_pieces(self):
        yield [
            {"upstream": "app", "peer": f"10.0.0.{n}:80", "name": None, "state": "up", "in_flight": 1,
             "requests": self.counted["requests"], "errors": 0, "tls": False, "reason": None, "for": None, "weight": 1,
             "backup": False, "failures": 0, "retries": 0, "latency_now_ms": 1.0} for n in range(self.counted.get("peers", 2))
        ]  # fmt: skip

    def unknown(self):
        return []


class Lab:
    """A dashboard on made-up counters: each route has had ``requests``."""

    def __init__(self, routes=(("shop/", "app"), ("/old", ""))):
        self.counted = {"requests": 0}
        self.routes = routes
        self.measured = []
        self.state = State(self.counted)
        self.figures = Figures(self.state, Recent(), self._blocks)
        self.live = Live(self.figures)
        self.orders = []
        self.dashboard = Dashboard(self.state, self.live, self.figures.recent, {"POST /drain": self._order})
        self.arrange()

    def arrange(self, **settings):
        users = "htpasswd" if settings.pop("operators", b"") else None
        configured = Configured(address=Listen("127.0.0.1:9146"), users=users, **settings)
        self.dashboard.arrange(
            Config(Settings(dashboard=configured), (), (), (), operators=OPERATORS if users else b"")
        )

    async def _order(self, request):
        self.orders.append(request.body)
        return answer({"peers": []})

    def _blocks(self, *_families):
        requests = self.counted["requests"]
        for route in self.routes:
            cells = [0] * series_cells.ROUTE.size
            cells[series_cells.ROUTE_STATUS + 1] = requests
            cells[series_cells.ROUTE_SENT] = requests * 100
            yield series_cells.ROUTE, route, cells
        for route in self.measured:
            times = [0] * series_cells.ROUTE_TIMES.size
            times[series_cells.TIMES_DURATION + 1] = requests
            yield series_cells.ROUTE_TIMES, (route,), times
        times = [0] * series_cells.UPSTREAM.size
        times[series_cells.TIMES_DURATION + 3] = requests
        yield series_cells.UPSTREAM, ("app",), times

    def ask(self, method, path, fields=None, body=b"", query=None):
        request = Request(method, path, query or {}, {b"host": b"127.0.0.1:9146", **(fields or {})}, body)
        return asyncio.run(self.dashboard.site.answer(request))

    async def events(self, count, find=""):
        """That many of the stream's events, with a reading between each two views."""
        response = await self.dashboard.site.answer(Request("GET", "/events", {"find": find}, {b"host": b"localhost"}))
        found = []
        async for piece in response.body:
            if piece.startswith(b"event: "):
                name, data = re.fullmatch(rb"event: (\w+)\ndata: ([^\n]*)\n\n", piece).groups()
                found.append((name.decode(), json.loads(data)))
            if len(found) == count:
                await response.body.aclose()
                return found
            if found and found[-1][0] != "view":
                asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self.live._read()))
        return found

    def token(self):
        async def first():
            await self.live._read()
            stream = self.dashboard._stream("")
            pieces = [await anext(stream) for _ in range(3)]
            await stream.aclose()
            return json.loads(pieces[2].partition(b"data: ")[2])["token"]

        return asyncio.run(first())


def test_the_page_allows_only_what_is_in_it():
    response = Lab().ask("GET", "/")
    policy = response.fields["Content-Security-Policy"]
    assert response.status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    page = response.body.decode()
    for kind, name in (("script", "script-src"), ("style", "style-src")):
        import hashlib

        text = re.search(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert "//" not in re.sub(r"(?m)^\s*//.*$", "", page), "nothing leads to another place"
    assert not re.search(r"\son\w+\s*=|style\s*=\s*[\"']", page), "what the policy does not allow"
    assert "innerHTML" not in page and "document.write" not in page and "insertAdjacentHTML" not in page


def test_every_response_keeps_other_pages_out():
    lab = Lab()
    for path in ("/", "/history", "/nothing", "/events"):
        fields = lab.ask("GET", path).fields
        assert "default-src 'none'" in fields["Content-Security-Policy"]
        assert fields["X-Frame-Options"] == "DENY" and fields["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not any(name.startswith("Access-Control") for name in fields)


def test_events_show_rates_of_routes_upstreams_and_peers():
    async def scenario(lab):
        await lab.live._read()
        lab.counted["requests"] = 100
        await lab.live._read()
        return await lab.events(2)

    (name, view), (other, more) = asyncio.run(scenario(lab := Lab()))
    assert (name, other) == ("view", "more") and more["token"] is None and not more["actions"]
    assert [row["name"] for row in view["routes"]["rows"]] == ["shop/", "/old"]  # as busy as each other
    assert all(row["rates"]["requests"] > 0 and row["counts"]["requests"] == 100 for row in view["routes"]["rows"])
    assert view["upstreams"][0]["p50"] == pytest.approx(0.0075) and view["upstreams"][0]["up"] == 2
    assert view["total"]["requests"] > 0 and view["peers"]["all"] == 2
    assert lab.dashboard._streams == 0


def test_what_is_looked_for_is_found_by_name_whatever_the_case():
    async def scenario(lab):
        await lab.live._read()
        return await lab.events(1, "SHOP")

    view = asyncio.run(scenario(Lab()))[0][1]
    assert [row["name"] for row in view["routes"]["rows"]] == ["shop/"] and view["routes"]["all"] == 2
    assert view["peers"]["rows"] == []


def test_a_view_is_bounded_whatever_there_is():
    async def scenario(lab):
        lab.counted["peers"] = 4000
        await lab.live._read()
        lab.counted["requests"] = 5
        await lab.live._read()
        return lab.live.view(), lab.live.sparks(lab.live.view())

    view, sparks = asyncio.run(scenario(Lab([(f"{n}.example/", "app") for n in range(3000)])))
    assert len(view["routes"]["rows"]) == 100 and view["routes"]["all"] == 3000
    assert len(view["peers"]["rows"]) == 300 and len(json.dumps(view)) < 200_000
    assert len(sparks["routes"]) <= 100


def test_history_is_of_all_traffic_or_of_one_thing():
    lab = Lab()

    async def scenario():
        for now in range(20):
            lab.counted["requests"] = now * 10
            lab.live._track(await lab.figures.read(), 1000.0 + now)

    asyncio.run(scenario())
    for query in ({}, {"kind": "upstream", "name": "app"}, {"kind": "route", "name": "shop/\0app"}):
        points = json.loads(lab.ask("GET", "/history", query={**query, "seconds": "300"}).body)
        assert points["step"] == 1 and points["columns"]["requests"] == [10.0] * 19, query
    assert lab.ask("GET", "/history", query={"kind": "route", "name": "none"}).status == 404
    assert lab.ask("GET", "/history", query={"kind": "nothing"}).status == 404
    for wrong in ("x", "", "1e999", "-5", "nan"):
        assert lab.ask("GET", "/history", query={"seconds": wrong}).status in (200, 400)


def test_routes_with_metrics_have_response_times():
    async def scenario(lab):
        for now in range(3):
            lab.counted["requests"] = now * 10
            lab.live._track(await lab.figures.read(), 1000.0 + now)
        lab.measured = ["shop/"]
        for now in range(3, 6):
            lab.counted["requests"] = now * 10
            lab.live._track(await lab.figures.read(), 1000.0 + now)
            await lab.live._read()
        return lab.live.view()

    view = asyncio.run(scenario(lab := Lab()))
    times = {row["name"]: row.get("p50") for row in view["routes"]["rows"]}
    assert times == {"shop/": pytest.approx(0.00175), "/old": None}
    assert "p99" in lab.live.history("route", "shop/\0app", 300)["columns"]
    assert "p99" not in lab.live.history("route", "/old\0", 300)["columns"]


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1000)), max_size=4), min_size=2, max_size=8))
def test_whatever_comes_and_goes_there_is_a_view_without_a_negative_number(readings):
    async def scenario():
        lab = Lab()
        for number, reading in enumerate(readings):
            lab.routes = [(name, "app") for name, _ in reading]
            lab.measured = [name for name, requests in reading if requests % 2]
            lab.counted.update(requests=sum(requests for _, requests in reading), peers=number % 3)
            await lab.live._read()
            view = lab.live.view()
            rates = [rate for row in view["routes"]["rows"] + view["upstreams"] for rate in row["rates"].values()]
            assert all(rate >= 0 for rate in rates) and all(row["rate"] >= 0 for row in view["peers"]["rows"])
            assert json.loads(json.dumps([view, lab.live.sparks(view), lab.live.history("total", "", 300)]))

    asyncio.run(scenario())


@given(
    st.sampled_from(["/", "/events", "/history", "/drain", "/nothing"]),
    st.sampled_from(["GET", "HEAD", "POST", "PUT"]),
    st.dictionaries(st.sampled_from(["kind", "name", "seconds", "find"]), st.text(max_size=300)),
    st.dictionaries(
        st.sampled_from([b"origin", b"content-type", b"x-csrf-token", b"sec-fetch-site", b"authorization", b"host"]),
        st.binary(max_size=50),
    ),
    st.binary(max_size=100),
)
def test_no_request_is_an_internal_error(path, method, query, fields, body):
    for lab in (OPEN, USERS):
        response = lab.ask(method, path, fields, body, query)
        assert response.status != 500 and "Content-Security-Policy" in response.fields
        assert not lab.orders


OPEN = Lab()


# -- users


def test_with_users_nothing_is_shown_without_a_password():
    lab = Lab()
    lab.arrange(operators=OPERATORS)
    for path in ("/", "/events", "/history"):
        response = lab.ask("GET", path)
        assert response.status == 401 and response.fields["WWW-Authenticate"].startswith("Basic ")
    for wrong in (b"ada:wrong", b"bob:secret", b"ada", b":"):
        assert lab.ask("GET", "/", {b"authorization": b"Basic " + base64.b64encode(wrong)}).status == 401
    assert lab.ask("GET", "/", {b"authorization": b"Basic ***"}).status == 401
    assert lab.ask("GET", "/", {b"authorization": b"Bearer x"}).status == 401
    for _ in range(2):  # the second time it is remembered
        assert lab.ask("GET", "/", ADA).status == 200


@given(st.binary(max_size=80))
def test_no_authorization_is_an_error(value):
    assert USERS.ask("GET", "/", {b"authorization": value}).status == 401


USERS = Lab()
USERS.arrange(operators=OPERATORS)


def test_streams_end_when_other_users_may_see_them():
    async def scenario(lab):
        await lab.live._read()
        stream = lab.dashboard._stream("")
        for _ in range(3):
            await anext(stream)
        lab.arrange(operators=OPERATORS)
        asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(lab.live._read()))
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), 5)

    asyncio.run(scenario(Lab()))


def test_there_are_only_so_many_streams():
    async def scenario(lab):
        await lab.live._read()
        streams = [lab.dashboard._stream("") for _ in range(24)]
        for stream in streams:
            await anext(stream)
        response = await lab.dashboard.site.answer(Request("GET", "/events", {}, {b"host": b"localhost"}))
        assert response.status == 503
        for stream in streams:
            await stream.aclose()
        assert lab.dashboard._streams == 0

    asyncio.run(scenario(Lab()))


# -- orders

ORDER = {b"content-type": b"application/json", **ADA}
BODY = b'{"peer": "10.0.0.1:80"}'


def test_there_are_no_orders_unless_they_are_allowed():
    lab = Lab()
    for settings in ({}, {"operators": OPERATORS}):
        lab.arrange(**settings)
        assert lab.ask("POST", "/drain", {**ORDER, b"x-csrf-token": b"None"}, BODY).status == 403
    assert not lab.orders


def test_an_order_needs_the_token_of_the_page():
    lab = Lab()
    lab.arrange(operators=OPERATORS, actions=True)
    good = {**ORDER, b"x-csrf-token": lab.token().encode(), b"origin": b"http://127.0.0.1:9146"}
    for change, status in (
        ({b"x-csrf-token": b""}, 403),
        ({b"x-csrf-token": b"\xff" * 32}, 403),
        ({b"origin": b"http://evil.example"}, 403),
        ({b"origin": b"null"}, 403),
        ({b"origin": b"http://127.0.0.1:80"}, 403),
        ({b"sec-fetch-site": b"cross-site"}, 403),
        ({b"sec-fetch-site": b"same-site"}, 403),
        ({b"content-type": b"text/plain"}, 415),
        ({b"content-type": b"application/x-www-form-urlencoded"}, 415),
        ({b"authorization": b""}, 401),
    ):
        assert lab.ask("POST", "/drain", {**good, **change}, BODY).status == status, change
    assert not lab.orders
    assert lab.ask("POST", "/drain", {**good, b"sec-fetch-site": b"same-origin"}, BODY).status == 200
    assert lab.orders == [BODY]
    assert lab.ask("GET", "/drain", good).status == 405
