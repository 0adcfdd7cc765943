"""What a scrape says, compared with what was counted; read by prometheus_client's parsers."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.control.web import Request
from rsp.ipc import peer_cells, peer_marks, worker_cells
from rsp.ipc.channel import Outcome
from rsp.ipc.scoreboard import RETIRED_ROW, tally_at
from rsp.tls.material import Described, Keyring
from tests.promtool import promtool
from tests.unit.metrics_lab import Lab, config_of, upstreams, value

ROUTES = [{"to": "u0", "path": "/a"}, {"to": "u1", "name": "b", "metrics": True}, {"respond": {}, "path": "/never"}]
CONFIG = config_of(upstreams=upstreams(2, 2), routes=ROUTES)


@pytest.fixture
def lab() -> Lab:
    return Lab(CONFIG)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_requests_by_route_upstream_and_class(lab: Lab, openmetrics: bool) -> None:
    for number in (0, 1):
        for status in (101, 200, 204, 302, 404, 499, 500, 503):
            lab.worker(number).route("/a", "u0").answered(status, 10, 3)
    lab.worker(0).route("", "").answered(400, 5, 0)
    found = lab.scrape(openmetrics=openmetrics)
    by_class = {
        status: value(found, "rsp_requests_total", route="/a", upstream="u0", status_class=status)
        for status in ("1xx", "2xx", "3xx", "4xx", "5xx")
    }
    assert by_class == {"1xx": 2, "2xx": 4, "3xx": 2, "4xx": 4, "5xx": 4}
    assert value(found, "rsp_requests_total", route="", upstream="", status_class="4xx") == 1
    assert value(found, "rsp_requests_total") == 17
    assert value(found, "rsp_response_bytes_total") == 165 and value(found, "rsp_request_bytes_total") == 48
    assert value(found, "rsp_requests_total", route="/never") == 0
    assert ("rsp_requests_total", (("route", "/never"), ("status_class", "5xx"), ("upstream", ""))) in found
    assert not any(dict(labels).get("route") in ("removed", "other") for _, labels in found)


def test_of_very_many_routes_those_that_are_used_are_there(lab: Lab) -> None:
    lab.use(config_of(upstreams=upstreams(1), routes=[{"to": "u0", "path": f"/{number}"} for number in range(1100)]))
    lab.worker(0).route("/7", "u0").answered(200, 1, 0)
    assert {dict(labels)["route"] for name, labels in lab.scrape() if name == "rsp_requests_total"} == {"/7"}


def test_histograms(lab: Lab) -> None:
    for seconds in (0.0005, 0.001, 0.3, 3600):
        lab.worker(1).upstream("u1").took(seconds, seconds / 2, 0.0, 1000)
        lab.worker(0).route_times("b").took(seconds, 0.0, 0.02, 0)
    found = lab.scrape()
    buckets = {
        le: value(found, "rsp_upstream_duration_seconds_bucket", upstream="u1", le=le)
        for le in ("0.001", "0.25", "0.5", "60.0", "+Inf")
    }
    assert buckets == {"0.001": 2, "0.25": 2, "0.5": 3, "60.0": 3, "+Inf": 4}
    assert value(found, "rsp_upstream_duration_seconds_count", upstream="u1") == 4
    assert value(found, "rsp_upstream_duration_seconds_sum", upstream="u1") == pytest.approx(3600.3015)
    assert value(found, "rsp_upstream_connect_seconds_count", upstream="u1") == 0
    assert value(found, "rsp_upstream_response_size_bytes_sum", upstream="u1") == 4000
    assert value(found, "rsp_route_connect_seconds_count", route="b") == 4
    assert value(found, "rsp_upstream_duration_seconds_count", upstream="u0") == 0, (
        "an upstream without requests is shown"
    )


def test_what_a_reload_removes_stays_in_the_sum(lab: Lab) -> None:
    lab.worker(0).route("/a", "u0").answered(200, 1, 0)
    lab.use(config_of(upstreams=upstreams(2, 2)[1:], routes=ROUTES[1:]))
    found = lab.scrape()
    assert value(found, "rsp_requests_total") == value(found, "rsp_requests_total", route="removed") == 1
    lab.use(CONFIG)
    lab.worker(0).route("/a", "u0").answered(200, 1, 0)
    found = lab.scrape()
    assert value(found, "rsp_requests_total") == 2 and value(found, "rsp_requests_total", route="/a") == 1


def test_peers(lab: Lab) -> None:
    board = lab.board
    first, second = lab.place("u0", "10.0.0.0:80"), lab.place("u0", "10.0.0.1:80")

    def tally(cell: int, amount: int) -> None:
        board.cells[tally_at(first, 1) + cell] = amount  # of the worker in row 1

    tally(peer_cells.REQUESTS, 4)
    tally(peer_cells.STATUS_2XX, 3)
    tally(peer_cells.STATUS_5XX, 1)
    tally(peer_cells.LATENCY_SUM, 2_500_000)
    tally(peer_cells.IN_FLIGHT, 2)
    tally(peer_cells.WAITING, 5)
    board.set_mark(second, peer_marks.HEALTH, peer_marks.HEALTH_DEAD)
    board.set_mark(first, peer_marks.HEALTH, peer_marks.HEALTH_UP)
    found = lab.scrape()
    one = {"upstream": "u0", "peer": "10.0.0.0:80"}
    assert value(found, "rsp_peer_responses_total", **one, status_class="2xx") == 3
    assert value(found, "rsp_peer_responses_total", **one, status_class="5xx") == 1
    assert value(found, "rsp_peer_first_byte_seconds_sum", **one) == 2.5
    assert value(found, "rsp_peer_first_byte_seconds_count", **one) == 4
    assert value(found, "rsp_peer_requests_in_flight", **one) == 2
    assert value(found, "rsp_upstream_requests_waiting", upstream="u0") == 5
    assert (value(found, "rsp_peer_up", **one), value(found, "rsp_peer_healthy", **one)) == (1, 1)
    other = {"upstream": "u0", "peer": "10.0.0.1:80"}
    assert (value(found, "rsp_peer_up", **other), value(found, "rsp_peer_healthy", **other)) == (0, 0)
    assert not any(name == "rsp_peer_healthy" and dict(labels)["upstream"] == "u1" for name, labels in found)
    lab.use(config_of(upstreams=upstreams(2, 2)[1:], routes=ROUTES[1:]))
    found = lab.scrape()
    assert value(found, "rsp_peer_responses_total", upstream="removed", peer="removed") == 4


def test_workers_and_the_instance(lab: Lab) -> None:
    lab.rows[0][worker_cells.CONNECTIONS], lab.rows[1][worker_cells.CONNECTIONS] = 3, 4
    lab.rows[0][worker_cells.RETRIES] = 2
    lab.rows[1][worker_cells.HOOK_TIME] = 1_500_000_000
    lab.rows[1][worker_cells.LOOP_LAG] = 20_000
    lab.board.row(RETIRED_ROW)[worker_cells.RETRIES] = 5
    lab.board.row(RETIRED_ROW)[worker_cells.RESTARTS] = 1
    lab.board.row(RETIRED_ROW)[worker_cells.CPU_MS] = 1500
    lab.rows[0][worker_cells.RSS] = 1 << 25
    found = lab.scrape()
    assert value(found, "rsp_worker_connections", worker="1") == 4
    assert value(found, "rsp_worker_loop_lag_seconds", worker="1") == 0.02
    assert value(found, "rsp_retries_total") == 7
    assert value(found, "rsp_hook_time_seconds_total") == 1.5
    assert value(found, "rsp_worker_restarts_total") == 1
    assert value(found, "rsp_cpu_seconds_total") == 1.5
    assert value(found, "rsp_process_memory_bytes", process="worker 0") == 1 << 25
    assert value(found, "rsp_process_memory_bytes", process="master") > 0
    assert value(found, "rsp_configuration_version") == 7
    assert value(found, "rsp_last_reload_successful") == 1


def test_a_worker_and_the_one_that_replaces_it_are_one(lab: Lab) -> None:
    lab.rows[1][worker_cells.SLOT] = 0
    lab.rows[0][worker_cells.CONNECTIONS], lab.rows[1][worker_cells.CONNECTIONS] = 3, 4
    lab.rows[0][worker_cells.LOOP_LAG], lab.rows[1][worker_cells.LOOP_LAG] = 2_000_000, 1_000_000
    found = lab.scrape()
    assert value(found, "rsp_worker_connections", worker="0") == 7
    assert value(found, "rsp_worker_loop_lag_seconds", worker="0") == 2


@given(st.text(max_size=300))
@settings(max_examples=30)
def test_the_reason_of_a_refused_reload(text: str) -> None:
    lab = Lab(CONFIG, workers=1)
    lab.state.last = Outcome([], "reload", False, text, 8, "d", 1234.5)
    for openmetrics in (False, True):
        found = lab.scrape(openmetrics=openmetrics)
        assert value(found, "rsp_last_reload_successful") == 0
        assert value(found, "rsp_last_reload_timestamp_seconds") == 1234.5
        [reason] = [dict(labels)["reason"] for name, labels in found if name == "rsp_last_reload_error"]
        assert len(reason) <= 200 and reason == " ".join(text.split())[:200]


NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"\n{},='), min_size=1, max_size=20)


@given(st.lists(NAMES, min_size=1, max_size=4))
@settings(max_examples=30)
def test_names_of_routes_are_any_text(names: list[str]) -> None:
    lab = Lab(config_of(upstreams=upstreams(1), routes=[{"to": "u0", "name": name} for name in names]), workers=1)
    for name in names:
        lab.worker(0).route(name, "u0").answered(200, 0, 0)
    found = lab.scrape()
    assert value(found, "rsp_requests_total", status_class="2xx") == len(names)
    assert {dict(labels)["route"] for name, labels in found if name == "rsp_requests_total"} >= set(names)


def test_certificates(lab: Lab) -> None:
    names = ("a.example", "b.example")
    one = Described("site.lua:3", "a.pem", names, "CN=a", "CN=ca", "ecdsa", "ab" * 32, 0.0, 2e9)
    two = Described("site.lua:4", 'b"\udcff.pem', (), "CN=b", "CN=ca", "rsa", "cd" * 32, 0.0, 3e9)
    lab.state.certificates.use(CONFIG, (one, two, one), Keyring())
    lab.state.certificates.stapled["ab" * 32] = {"good_until": 1.9e9, "problem": None}
    found = lab.scrape()
    expiry = "rsp_certificate_expiry_timestamp_seconds"
    assert value(found, expiry, name="a.example", kind="ecdsa", file="a.pem", fingerprint="ab" * 8) == 2e9
    assert value(found, expiry, name="CN=b", file='b"?.pem') == 3e9
    assert value(found, "rsp_ocsp_response_expiry_timestamp_seconds", name="a.example") == 1.9e9


def test_promtool_finds_nothing(lab: Lab) -> None:
    lab.worker(0).route("/a", "u0").answered(200, 1, 0)
    lab.worker(0).route_times("b").took(0.1, 0.1, 0.1, 1)
    lab.state.last = Outcome([], "reload", False, 'x "y" \\ z', 8, "d", 1234.5)
    text = asyncio.run(lab.text())
    assert promtool("check", "metrics", text=text) == ""


def test_ready(lab: Lab) -> None:
    assert lab.ask("/live").status == 200
    assert lab.ask("/ready") == lab.ask("/ready") and lab.ask("/ready").status == 200
    retired = lab.board.row(RETIRED_ROW)
    for stage, why in ((worker_cells.STARTING, b"rsp starts"), (worker_cells.STOPPING, b"rsp stops")):
        retired[worker_cells.STAGE] = stage
        response = lab.ask("/ready")
        assert response.status == 503 and why in response.body
    retired[worker_cells.STAGE] = worker_cells.SERVING
    lab.rows[0][worker_cells.VERSION] = 0
    assert lab.ask("/ready").status == 200
    lab.rows[1][worker_cells.HEARTBEAT] = int((time.monotonic() - 60) * 1000)
    response = lab.ask("/ready")
    assert (response.status, response.body) == (503, b"not ready: no worker accepts connections (2 run)\n")


def test_a_scrape_leaves_turns_to_others() -> None:
    """10,000 routes and 100 upstreams: nothing else in the process waits for long."""
    routes = [{"to": f"u{number % 100}", "path": f"/r{number}"} for number in range(10_000)]
    lab = Lab(config_of(upstreams=upstreams(100, 4), routes=routes), workers=4)
    counting = lab.worker(0)
    for number in range(10_000):
        counting.route(f"/r{number}", f"u{number % 100}").answered(200, 100, 0)

    async def scrape() -> tuple[int, float, float]:
        worst = 0.0

        async def watch() -> None:
            nonlocal worst
            while True:
                begun = time.process_time()
                await asyncio.sleep(0)
                worst = max(worst, time.process_time() - begun)

        watcher = asyncio.ensure_future(watch())
        begun = time.process_time()
        response = await lab.metrics.scrape(Request("GET", "/metrics"))
        size = 0
        async for piece in response.body:
            size += len(piece)
        took = time.process_time() - begun
        watcher.cancel()
        return size, took, worst

    size, took, worst = asyncio.run(scrape())
    print(f"{size} bytes, {took:.3f} s, longest turn {worst * 1000:.1f} ms")
    assert size > 4_000_000
    assert worst < took / 3, "the whole is made in one turn"
