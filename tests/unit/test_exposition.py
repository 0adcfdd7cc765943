"""Metrics as text: prometheus_client's parsers and promtool read back what was written, whatever the labels say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.utils import floatToGoString

from rsp.control.exposition import Family, labels, number, pieces, wants_openmetrics
from tests.promtool import promtool

TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from('\\"\n\r\0{},= #\x1b\x85\u2028'), max_size=20)
BOUNDS = (0.001, 0.5, 1, 60, 100, 1e5, 1e6, 1e8)


def families(texts: list[str], values: list[int | float], about: str = "What it is.") -> list[Family]:
    names = [labels(("route", text), ("n", str(index))) for index, text in enumerate(texts)]
    given = list(zip(names, values, strict=False))
    return [
        Family("rsp_requests", "counter", about, series=[(name, abs(value)) for name, value in given]),
        Family("rsp_age_seconds", "gauge", about, "seconds", series=given),
        Family("rsp_plain", "gauge", about, series=[("", 1)]),
        Family("rsp_none", "gauge", about),
        Family("rsp_wait_seconds", "summary", about, "seconds", summaries=[(names[0], 3, 1.5)]),
        Family(
            "rsp_took_seconds", "histogram", about, "seconds",
            histograms=[(names[0], BOUNDS, range(9), 1.25), ("", BOUNDS, [0] * 9, 0)],
        ),
    ]  # fmt: skip


def read(given: list[Family], *, om: bool) -> dict[str, list]:
    text = b"".join(pieces(given, openmetrics=om)).decode()
    parse = openmetrics.text_string_to_metric_families if om else text_string_to_metric_families
    return {family.name: [(one.name, one.labels, one.value) for one in family.samples] for family in parse(text)}


@pytest.mark.parametrize("om", [False, True])
@given(
    st.lists(TEXT, min_size=1, max_size=5), st.lists(st.integers(0, 1 << 53) | st.floats(-1e9, 1e9), min_size=5), TEXT
)
def test_what_is_written_is_read_back(om: bool, texts: list[str], values: list[int | float], about: str) -> None:
    found = read(families(texts, values, about), om=om)
    expected = [
        ({"route": text, "n": str(index)}, value)
        for index, (text, value) in enumerate(zip(texts, values, strict=False))
    ]
    assert found["rsp_age_seconds"] == [("rsp_age_seconds", given, float(value)) for given, value in expected]
    assert found["rsp_requests"] == [("rsp_requests_total", given, float(abs(value))) for given, value in expected]
    assert "rsp_none" not in found
    first = expected[0][0]
    assert found["rsp_wait_seconds"] == [("rsp_wait_seconds_sum", first, 1.5), ("rsp_wait_seconds_count", first, 3.0)]
    took = found["rsp_took_seconds"]
    buckets = [(one[1]["le"], one[2]) for one in took if one[0].endswith("_bucket") and "route" in one[1]]
    assert buckets == [
        (floatToGoString(float(bound)), float(sum(range(index + 1))))
        for index, bound in enumerate((*BOUNDS, float("inf")))
    ]
    assert ("rsp_took_seconds_count", first, 36.0) in took and ("rsp_took_seconds_sum", {}, 0.0) in took


@given(st.floats(0, 1e30) | st.sampled_from(BOUNDS))
def test_numbers_are_as_go_writes_them(value: float) -> None:
    assert float(number(value)) == value
    if value in BOUNDS:
        assert number(float(value)) == floatToGoString(float(value))


def test_pieces_are_bounded() -> None:
    many = [Family("rsp_a", "gauge", "A.", series=[(labels(("n", str(n))), n) for n in range(5000)])]
    found = list(pieces(many, openmetrics=False))
    assert len(found) == 11 and max(map(len, found)) < 20_000


def test_promtool_finds_nothing() -> None:
    text = b"".join(pieces(families(['"\\\n\x1bx', "", "ü"], [1, 2.5, 3]), openmetrics=False)).decode()
    assert promtool("check", "metrics", text=text) == ""


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("application/openmetrics-text; version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0, */*", False),
        ("application/openmetrics-text;q=0, text/plain", False),
        ("application/openmetrics-text;q=0.5, text/plain", False),
        ("Application/OpenMetrics-Text ; Version=1.0.0 ; q=1.0", True),
        (",;=,;;q=x", False),
    ],
)  # fmt: skip
def test_formats_by_accept(accept: str, wanted: bool) -> None:
    assert wants_openmetrics(accept) is wanted
