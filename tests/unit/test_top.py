"""``rspctl top``: rates between two snapshots, and what of them is on the screen."""

import io

import pytest
from rich.console import Console

from rsp.terminal.rates import Loads, Rates
from rsp.terminal.top import duration, number, screen, size

BOUNDS = [0.01, 0.1, 1.0]


def snapshot(at, requests, *, times=(0, 0, 0, 0), cpu=0.0, state="up", name="app", errors=(), pid=7):
    process = {"version": 1, "uptime": at, "silent": 0.0, "cpu": cpu, "memory": 30 << 20}
    worker = {**process, "slot": 0, "pid": pid, "connections": 3, "in_flight": 2, "requests": requests}
    totals = dict.fromkeys(("retries", "hedges", "handshakes", "status_4xx"), 0)
    counted = {"requests": requests, "status_4xx": 0, "status_5xx": requests // 10, "bytes_sent": requests * 1000}
    peer = {"upstream": name, "peer": "10.0.0.1:80", "name": None, "state": state, "reason": None, "in_flight": 2,
            "requests": requests, "errors": 0, "failures": 0, "retries": 0, "latency_now_ms": 5.0}  # fmt: skip
    return {
        "at": at,
        "status": {
            "rsp": "0.1.0", "configuration": {"version": 1, "digest": "ab" * 32, "file": "site.lua"},
            "listeners": ["127.0.0.1:80"], "totals": {**totals, **counted}, "workers": [worker],
            "now": {"connections": 3, "in_flight": 2, "queued": 0}, "control": {**process, "pid": 8},
        },
        "routes": [{"route": "a.example/", "upstream": name, **counted}],
        "bounds": BOUNDS,
        "upstreams": [{"upstream": name, **counted, "times": list(times)}],
        "peers": [peer],
        "errors": list(errors),
    }  # fmt: skip


def shown(before, after, width=140, height=40):
    loads = Loads()
    loads.note(before)
    loads.note(after)
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, highlight=False)
    console.print(screen(Rates(before, after), loads, width, height))
    return out.getvalue()


def test_rates_are_differences_in_time():
    rates = Rates(snapshot(10.0, 100), snapshot(12.0, 300, times=(0, 100, 0, 0)))
    assert rates.total("requests") == 100.0
    route, upstream = rates.routes()[0], rates.upstreams()[0]
    assert (route.name, route.requests, route.status_5xx, route.total) == ("a.example/", 100.0, 10.0, 300)
    assert upstream.median == pytest.approx(0.055) and 0.09 < upstream.slow < 0.1
    assert rates.percentile(0.5) == pytest.approx(0.055)
    assert [rate for _, rate, _ in rates.peers()] == [100.0]


def test_what_was_not_there_before_counts_from_nothing():
    before = {**snapshot(10.0, 0), "routes": [], "upstreams": [], "peers": []}
    rates = Rates(before, snapshot(11.0, 50))
    assert rates.routes()[0].requests == 50.0 and rates.upstreams()[0].requests == 50.0


def test_counters_that_begin_anew_are_no_negative_rates():
    rates = Rates(snapshot(10.0, 100), snapshot(11.0, 3))
    assert rates.total("requests") == 0.0 and rates.routes()[0].requests == 0.0
    assert rates.percentile(0.5) is None


def test_processor_time_is_measured_every_few_seconds():
    loads = Loads()
    for at, cpu in ((0.0, 0.0), (1.0, 0.0), (5.0, 9.0), (6.0, 9.0), (10.0, 11.5)):
        assert loads.share(7) is None
        loads.note(snapshot(at, 0, cpu=cpu))
    assert loads.share(7) == pytest.approx(0.5) and loads.share(99) is None
    for at, share in ((11.0, 0.5), (20.0, 0.5), (21.5, 0.0), (40.0, 0.0)):
        loads.note(snapshot(at, 0, cpu=11.5))
        assert loads.share(7) == share
    loads.note(snapshot(7.0, 0, pid=9))
    assert loads.share(9) is None and loads.share(7) is None


@pytest.mark.parametrize("width", [60, 80, 140, 250])
@pytest.mark.parametrize("height", [10, 24, 60])
def test_it_fits_a_terminal_of_any_size(width, height):
    text = shown(snapshot(10.0, 100), snapshot(11.0, 300), width, height)
    assert "a.example/" in text and "10.0.0.1:80" in text and "200" in text


def test_a_peer_that_is_out_and_the_last_error_are_seen():
    error = {"level": 3, "at": 0.0, "text": "it broke\nsecond line"}
    text = shown(snapshot(10.0, 1), snapshot(11.0, 1, state="ejected", errors=[error]))
    assert "ejected" in text and "it broke" in text and "second line" not in text and "0 of 1 up" in text


def test_no_name_and_no_line_of_the_log_reaches_the_terminal_as_a_sequence():
    evil = "\x1b]0;x\x07\x1b[31m[bold]a\u202eb\r\n"
    error = {"level": 3, "at": 0.0, "text": f"it {evil}"}
    text = shown(snapshot(10.0, 1, name=evil), snapshot(11.0, 1, name=evil, errors=[error]), width=300)
    assert "\x1b]" not in text and "\x07" not in text and "\u202e" not in text and "\r" not in text
    assert "\\x1b]0;x\\x07\\x1b[31m[bold]a" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (7, "7"), (1.25, "1.2"), (999, "999"), (9999, "9999"), (12345, "12.3k"), (5e6, "5M")]
)
def test_numbers(value, text):
    assert number(value) == text


def test_units():
    assert (size(0), size(1536), size(5 << 30)) == ("0 B", "1.5 KB", "5 GB")
    assert (duration(None), duration(0.0123), duration(2.5)) == ("-", "12.3 ms", "2.5 s")
