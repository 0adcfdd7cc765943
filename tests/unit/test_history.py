"""The dashboard's memory: rates and percentiles at falling resolution, against plain recomputation."""

from bisect import bisect_left
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.control.history import RESOLUTIONS, SHORT, Resolution, Track, Tracks, quantile

BOUNDS = (0.01, 0.1, 1.0)


@given(st.lists(st.floats(0.0001, 0.999), min_size=1), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_is_in_the_bucket_of_the_real_one(values, share):
    counts = [0] * 4
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    ranked = sorted(values)
    real = ranked[max(0, -(-round(len(ranked) * share * 1000) // 1000) - 1)]
    found = quantile(BOUNDS, counts, share)
    lower, upper = ((0.0, *BOUNDS)[bisect_left(BOUNDS, real)], BOUNDS[bisect_left(BOUNDS, real)])
    assert lower <= found <= upper


def test_percentiles_at_the_ends():
    assert isnan(quantile(BOUNDS, [0, 0, 0, 0], 0.5))
    assert quantile(BOUNDS, [0, 0, 0, 7], 0.5) == 1.0  # beyond the last bound
    assert quantile(BOUNDS, [0, 10, 0, 0], 0.5) == pytest.approx(0.055)


def test_each_level_has_the_rates_of_its_own_steps():
    track = Track(("requests", "errors"))
    for second in range(1, 1201):
        track.add(float(second), (second * 10, second))
    fine, hour = track.points(300), track.points(3600)
    assert fine["step"] == 1 and fine["columns"]["requests"] == [10.0] * len(fine["columns"]["requests"])
    assert 270 <= len(fine["columns"]["errors"]) <= 300
    assert hour["step"] == 10 and hour["columns"]["errors"] == [1.0] * 120 and hour["end"] == 1200
    assert track.points(86400)["step"] == 60 and len(track.points(86400)["columns"]["requests"]) == 20


@given(st.lists(st.integers(0, 50), min_size=1, max_size=80))
def test_what_is_counted_is_in_the_points_of_each_level(steps):
    track, total = Track(("requests",), resolutions=(Resolution(1, 100), Resolution(5, 100))), 0
    track.add(0.0, (0,))
    for second, count in enumerate(steps, 1):
        total += count
        track.add(float(second), (total,))
    for seconds, step in ((100, 1), (500, 5)):
        points = track.points(seconds)["columns"]["requests"]
        assert sum(points) * step == pytest.approx(sum(steps[: len(steps) // step * step]), abs=0.01)


def test_percentiles_are_of_the_requests_in_between():
    track = Track(("requests",), BOUNDS)
    track.add(1.0, (0,), (0, 0, 0, 0))
    track.add(2.0, (100,), (100, 0, 0, 0))
    track.add(3.0, (200,), (100, 0, 100, 0))
    track.add(4.0, (200,), (100, 0, 100, 0))
    assert track.column("p50") == [pytest.approx(0.005), pytest.approx(0.55), None]
    assert track.names == ("requests", "p50", "p90", "p99")


def test_a_pause_is_filled_and_counters_that_begin_anew_are_no_negative_rates():
    track = Track(("requests",))
    for now, count in ((1.0, 0), (2.0, 10), (7.0, 60), (8.0, 0), (9.0, 5)):
        track.add(now, (count,))
    assert track.column("requests") == [10.0] * 6 + [0.0, 5.0]


def test_memory_is_bounded():
    track = Track(("requests", "errors"), BOUNDS)
    for second in range(0, 200_000, 20):
        track.add(float(second), (second, 0), (second, 0, 0, 0))
    for level, resolution in zip(track.levels, RESOLUTIONS, strict=True):
        assert len(level.column(0)) <= resolution.points
    assert len(track.points(300)["columns"]["p99"]) <= 300


def test_only_things_with_traffic_have_tracks_where_there_are_too_many():
    tracks = Tracks(2, ("requests",), resolutions=SHORT)
    for name in ("a", "b", "c"):
        tracks.add(name, 0.0, (1,))
    assert len(tracks) == 2 and tracks.get("c") is None
    for now in range(1, 70):
        tracks.add("a", float(now), (now,))
        tracks.add("b", float(now), (1,))
        tracks.add("c", float(now), (now,))
    assert tracks.get("c") is not None and tracks.get("b") is None and len(tracks) == 2
    tracks.keep({"c"})
    assert tracks.get("a") is None and len(tracks) == 1


def test_an_idle_thing_does_not_displace():
    tracks = Tracks(1, ("requests",), resolutions=SHORT)
    tracks.add("a", 0.0, (1,))
    tracks.add("b", 100.0, (0,))
    assert tracks.get("a") is not None
