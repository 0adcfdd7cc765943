"""Counters in shared memory over everything that may happen to them, against a model that adds up by hand."""

import os
from unittest import mock

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import rsp.ipc.series_table
from rsp.config.route_names import route_names
from rsp.ipc import peer_cells, series, series_cells, worker_cells, worker_stats
from rsp.ipc.counting import Counting
from rsp.ipc.estate import MASK, Estate
from rsp.ipc.families import Family
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.scoreboard import INHERITED_ROW, RETIRED_ROW, ROW, Scoreboard
from rsp.ipc.series_table import SeriesRegistry
from rsp.ipc.sheet import FIRST, FIXED, OTHER, REMOVED, Sheet
from rsp.supervise import heritage
from rsp.supervise.heritage import Ancestor, Heritage
from tests.property.test_twins import specification
from tests.unit.metrics_lab import config_of, upstreams

PURE = specification("ipc/series")
WORKERS = 3
NAMES = ["/a", "/b", "/c", "/d", "removed", "other"]
COUNTED = len(series_cells.ROUTE.measures[0].values)


def config(names, metrics=False):
    routes = [{"path": "/", "name": name, "to": "u0", "metrics": metrics} for name in names]
    return config_of(upstreams=upstreams(1), routes=routes)


def new_sheet(workers=WORKERS):
    board = Scoreboard()
    board.row(RETIRED_ROW)[worker_cells.ROWS] = workers
    return Sheet(board)


def requests(sheet, contents):
    """By labels, as a scrape shows them."""
    found = {}
    for family, labels, cells in sheet.blocks(contents, "route"):
        assert family is series_cells.ROUTE
        assert labels not in found
        found[labels] = sum(cells[:COUNTED])
    return found


class Registry(RuleBasedStateMachine):
    """Reloads, workers that are behind, time, and too little room."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        sizes = [series_cells.ROUTE.size, series_cells.UPSTREAM.size, series_cells.LISTENER.size]
        few = FIRST + sizes[0] * 6 + sizes[1] + sizes[2]
        self.patches = [
            mock.patch.object(rsp.ipc.series_table, "ARENA", few),
            mock.patch.object(rsp.ipc.series_table.time, "monotonic", lambda: self.now),
        ]
        for patch in self.patches:
            patch.start()

    def teardown(self):
        for patch in self.patches:
            patch.stop()

    @initialize(names=st.lists(st.sampled_from(NAMES), unique=True))
    def begin(self, names):
        self.sheet = new_sheet()
        self.registry = SeriesRegistry(self.sheet)
        self.total, self.gone = 0, 0
        self.before = {}
        self.known = [(names, self.registry.arrange(config(names)), self.now)]

    @rule(
        names=st.lists(st.sampled_from(NAMES), unique=True, max_size=4),
        tried=st.none() | st.lists(st.sampled_from(NAMES), unique=True, max_size=4),
    )
    def reload(self, names, tried):
        configs = [config(names)] if tried is None else [config(names), config(tried)]
        contents = self.registry.arrange(*configs)
        self.before = {
            labels: count for labels, count in self.before.items() if ("route", labels) in self.registry.blocks
        }
        self.known.append((names, contents, self.now))

    @rule(seconds=st.sampled_from([1.0, 4.0, 30.0]))
    def wait(self, seconds):
        self.now += seconds
        last = self.known[-1]
        self.known = [each for each in self.known if each[2] > self.now - 10] or [last]

    @rule(chance=st.randoms(use_true_random=False), row=st.integers(0, WORKERS - 1), status=st.integers(100, 599))
    def count(self, chance, row, status):
        """A worker that may not have heard of the last reloads."""
        names, contents, _ = chance.choice(self.known)
        name = chance.choice([*names, ""])
        Counting(self.sheet, row, contents).route(name, "u0" if name else "").answered(status, 1, 1)
        self.total += 1

    @invariant()
    def adds_up(self):
        if not hasattr(self, "registry"):
            return
        found = requests(self.sheet, self.registry.contents)
        assert sum(found.values()) == self.total
        gone = found[REMOVED, REMOVED]
        assert gone >= self.gone
        self.gone = gone
        for labels, count in self.before.items():
            assert found[labels] >= count
        self.before = {labels: count for labels, count in found.items() if labels[0] not in (REMOVED, OTHER)}

    @invariant()
    def no_cell_has_two_owners(self):
        if not hasattr(self, "registry"):
            return
        used = set()
        live = [(at, name) for (name, _), at in self.registry.blocks.items() if at >= FIRST]
        for at, name in live + self.registry.removed:
            cells = set(range(at, at + series_cells.FAMILIES[name].size))
            assert not cells & used
            used |= cells


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=60, stateful_step_count=30)


def test_a_block_is_kept_over_reloads_and_another_one_begins_when_its_route_comes_back():
    sheet = new_sheet()
    registry = SeriesRegistry(sheet)
    first = registry.arrange(config(["/a", "/b"]))
    Counting(sheet, 0, first).route("/a", "u0").answered(200, 1, 1)
    second = registry.arrange(config(["/b", "/a"]))
    assert requests(sheet, second)["/a", "u0"] == 1
    third = registry.arrange(config(["/b"]))
    assert requests(sheet, third)[REMOVED, REMOVED] == 1
    Counting(sheet, 1, first).route("/a", "u0").answered(200, 1, 1)  # a request that took long
    fourth = registry.arrange(config(["/a", "/b"]))
    found = requests(sheet, fourth)
    assert (found[REMOVED, REMOVED], found["/a", "u0"]) == (2, 0)


def test_the_same_configurations_need_no_work():
    registry = SeriesRegistry(new_sheet())
    one = config(["/a"])
    assert registry.arrange(one) is registry.arrange(one)


def test_what_has_no_room_is_counted_together(monkeypatch):
    sheet = new_sheet()
    monkeypatch.setattr(rsp.ipc.series_table, "ARENA", FIRST + 4 * series_cells.ROUTE.size)
    registry = SeriesRegistry(sheet)
    contents = registry.arrange(config([f"/{number}" for number in range(20)]))
    assert registry.overflow > 0
    for number in range(20):
        Counting(sheet, 0, contents).route(f"/{number}", "u0").answered(200, 1, 1)
    found = requests(sheet, contents)
    assert found[OTHER, OTHER] > 10 and sum(found.values()) == 20


# -- names of routes


@given(st.lists(st.tuples(st.sampled_from([None, "x", "/a", "h/a", "/a#2"]), st.sampled_from(["/", "/a"]))))
def test_every_route_has_another_name(routes):
    made = config_of(upstreams=upstreams(1), routes=[{"to": "u0", "path": path, "name": name} for name, path in routes])
    names = route_names(made)
    assert len(set(names)) == len(names) == len(routes)
    first = {}
    for (name, path), found in zip(routes, names, strict=True):
        wanted = name or path
        assert found == wanted or found.startswith(f"{wanted}#")
        first.setdefault((bool(name), wanted), found)
    for (given_name, wanted), found in first.items():
        if given_name:
            assert found == wanted


def test_names_as_documented():
    routes = [
        {"to": "u0"}, {"to": "u0", "host": "a.example", "path": "/api"}, {"to": "u0", "path": "/api"},
        {"to": "u0", "path": "/api"}, {"to": "u0", "path": "/x", "name": "shop"},
    ]  # fmt: skip
    made = config_of(upstreams=upstreams(1), routes=routes)
    assert route_names(made) == ["/", "a.example/api", "/api", "/api#2", "shop"]


# -- the compiled twin

SECONDS = st.floats(-1, 1e12) | st.sampled_from([0.0, *series_cells.SECONDS]) | st.sampled_from(
    [bound + 1e-7 for bound in series_cells.SECONDS]
)  # fmt: skip
SIZES = st.integers(0, 2**62) | st.sampled_from([int(bound) + more for bound in series_cells.BYTES for more in (0, 1)])
VERSIONS = st.sampled_from([b"", b"1.0", b"1.1", b"2", b"TLSv1.2", b"TLSv1.3", b"TLSv1.1"])
HTTP_VERSIONS = st.sampled_from([b"", b"1.0", b"1.1", b"2.0"])
CALLS = st.lists(
    st.tuples(st.just("RouteSeries"), st.just("answered"), st.tuples(st.integers(0, 999), SIZES, SIZES))
    | st.tuples(st.just("ListenerSeries"), st.just("answered"), st.tuples(st.integers(0, 999), HTTP_VERSIONS))
    | st.tuples(st.just("ListenerSeries"), st.just("shaken"), st.tuples(VERSIONS, st.booleans()))
    | st.tuples(st.just("ListenerSeries"), st.sampled_from(["accepted", "failed", "spoke_http2"]), st.just(()))
    | st.tuples(st.just("TimesSeries"), st.just("took"), st.tuples(SECONDS, SECONDS, SECONDS, SIZES)),
    min_size=1,
)


@given(CALLS)
@example([("TimesSeries", "took", (0.001, 1e300, 60.0, 100))])
@example([("RouteSeries", "answered", (200, 2**63 - 1, 2**63 - 1))] * 3)
def test_the_twin_counts_the_same(calls):
    written = []
    for module in (PURE, series):
        cells = memoryview(bytearray(3 * 64 * 8)).cast("Q")
        for name, method, arguments in calls:
            getattr(getattr(module, name)(cells, 64), method)(*arguments)
        written.append(cells.tolist())
    assert written[0] == written[1]
    assert not any(written[1][:64] + written[1][128:])


@given(st.lists(st.tuples(st.integers(0, 999), SIZES)), st.integers(-(2**63), 2**63 - 1))
def test_the_twin_of_worker_stats_counts_the_same(answers, amount):
    written = []
    for module in (specification("ipc/worker_stats"), worker_stats):
        board = new_sheet().board
        stats = module.WorkerStats(board, 1)
        for status, sent in answers:
            stats.answered(status, sent)
        stats.add(worker_cells.IN_FLIGHT, amount)
        stats.put(worker_cells.HEARTBEAT, MASK)
        assert stats.get(worker_cells.IN_FLIGHT) == amount & MASK
        written.append(board.cells[: 3 * ROW].tolist())
    assert written[0] == written[1]
    assert not any(written[1][:ROW] + written[1][2 * ROW :])


@given(SECONDS)
def test_a_histogram_has_its_value_in_the_first_bucket_that_is_large_enough(seconds):
    cells = memoryview(bytearray(64 * 8)).cast("Q")
    series.TimesSeries(cells, 0).took(seconds, 0.0, 0.0, 0)
    start = series_cells.TIMES_DURATION
    buckets = cells[start : start + len(series_cells.SECONDS) + 1].tolist()
    if seconds <= 0:
        assert not any(buckets)
    else:
        bounds = [*series_cells.SECONDS, float("inf")]
        assert buckets.index(1) == next(index for index, bound in enumerate(bounds) if seconds <= bound)
        assert sum(buckets) == 1


@pytest.mark.parametrize("family", series_cells.FAMILIES.values(), ids=lambda family: family.name)
def test_measures_of_a_family_share_no_cell(family):
    cells = [cell for each in family.measures for cell in range(each.cell, each.cell + each.width)]
    assert cells == list(range(len(cells)))
    assert len(family.names) == len(cells) <= family.size
    assert all(len(list(measure.names())) == measure.width for measure in family.measures)


def test_histograms_of_routes_lie_as_those_of_upstreams():
    layout = [
        [(measure.cell, measure.width, measure.bounds, measure.scale) for measure in family.measures]
        for family in (series_cells.UPSTREAM, series_cells.ROUTE_TIMES)
    ]
    assert layout[0] == layout[1]


# -- what is handed over


class Instance:
    """An instance without processes, and what it hands to its successor."""

    def __init__(self, names, before=None):
        self.sheet = new_sheet()
        self.names = names
        self.registry = SeriesRegistry(self.sheet)
        self.table = PeerRegistry(self.sheet.board)
        kept = []
        if before is not None:
            estates, descriptors = before.heritage.hand_over()
            copies = list(map(os.dup, descriptors))
            kept = heritage.ancestors(estates, copies)
        self.heritage = Heritage(self.sheet, kept)
        self.reload(names)
        self.heritage.link(self.registry, self.table)

    def reload(self, names):
        self.names = names
        made = config(names)
        self.contents = self.registry.arrange(made)
        self.table.arrange(made)

    def count(self, chance):
        name = chance.choice([*self.names, ""])
        row = chance.randrange(WORKERS)
        Counting(self.sheet, row, self.contents).route(name, "u0" if name else "").answered(200, 5, 5)
        board = self.sheet.board
        board.row(row)[worker_cells.REQUESTS] += 1
        ((_, _, place),) = self.table.peers
        PeerStats(board, place, row).answered(10, 10, 200)

    def end(self):
        """All its processes are gone."""
        self.heritage._alive.close()

    def close(self):
        self.end()
        self.heritage._life.close()
        for generation in list(self.heritage._kept):
            self.heritage._forget(generation)

    def totals(self):
        board = self.sheet.board
        peers = sum(board.total(place, peer_cells.REQUESTS) for _, _, place in self.table.peers)
        peers += board.removed(peer_cells.REQUESTS)
        found = requests(self.sheet, self.contents)
        return sum(found.values()), board.worker_total(worker_cells.REQUESTS), peers


class Upgrades(RuleBasedStateMachine):
    """Upgrade after upgrade, while those before finish; reloads; deaths of workers."""

    def teardown(self):
        for instance in getattr(self, "running", ()):
            instance.close()

    @initialize()
    def begin(self):
        self.running = [Instance(["/a", "/b"])]
        self.total = 0
        self.finishing = []

    @rule(chance=st.randoms(use_true_random=False))
    def count(self, chance):
        chance.choice([self.running[-1], *self.finishing]).count(chance)
        self.total += 1

    @rule(names=st.lists(st.sampled_from(NAMES), unique=True))
    def upgrade(self, names):
        if len(self.finishing) < heritage.MOST - 1:
            before = self.running[-1]
            self.running.append(Instance(names, before))
            self.finishing.append(before)

    @rule(names=st.lists(st.sampled_from(NAMES), unique=True), chance=st.randoms(use_true_random=False))
    def reload(self, names, chance):
        """Perhaps of one that a successor has been started for."""
        chance.choice([self.running[-1], *self.finishing]).reload(names)

    @rule(row=st.integers(0, WORKERS - 1), chance=st.randoms(use_true_random=False))
    def a_worker_dies(self, row, chance):
        instance = chance.choice([self.running[-1], *self.finishing])
        instance.sheet.board.retire(row, instance.table.places)

    @rule(chance=st.randoms(use_true_random=False))
    def one_has_finished(self, chance):
        if self.finishing:
            instance = chance.choice(self.finishing)
            self.finishing.remove(instance)
            instance.end()

    @rule()
    def take_over(self):
        self.running[-1].heritage.look_after()

    @invariant()
    def adds_up(self):
        if hasattr(self, "running"):
            assert self.running[-1].totals() == (self.total, self.total, self.total)


TestUpgrades = Upgrades.TestCase
TestUpgrades.settings = settings(max_examples=25, stateful_step_count=20)


def test_counters_of_another_version_are_found_by_their_names():
    before = Instance(["/a"])
    Counting(before.sheet, 0, before.contents).route("/a", "u0").answered(404, 7, 9)
    before.sheet.board.row(1)[worker_cells.RETRIES] = 3
    estates, descriptors = before.heritage.hand_over()
    other = Family("route", "route", "upstream")  # the same in another order, with more and less
    other.counter("rsp_response_bytes", "")
    other.counter("rsp_new", "")
    other.counters("rsp_requests", "", "status_class", "5xx", "4xx")
    with mock.patch.dict(series_cells.FAMILIES, {"route": other}):
        after = Instance.__new__(Instance)
        after.sheet = new_sheet()
        after.registry, after.table = SeriesRegistry(after.sheet), PeerRegistry(after.sheet.board)
        after.heritage = Heritage(after.sheet, heritage.ancestors(estates, list(map(os.dup, descriptors))))
        after.reload(["/a"])
        after.heritage.link(after.registry, after.table)
        for _ in range(2):  # while the other runs, and when it is gone
            found = {labels: cells for _, labels, cells in after.sheet.blocks(after.contents, "route")}
            assert found["/a", "u0"][:4] == [7, 0, 0, 1]
            assert after.sheet.board.worker_total(worker_cells.RETRIES) == 3
            before.end()
            after.heritage.look_after()
        assert after.sheet.board.cells[INHERITED_ROW * ROW + worker_cells.RETRIES] == 3


@given(st.data())
def test_an_estate_that_is_wrong_is_left_alone(data):
    before = Instance(["/a"])
    estates, descriptors = before.heritage.hand_over()
    group = data.draw(st.sampled_from(estates[0].groups))
    wrong = data.draw(st.integers(0, (1 << 40) - 1))
    change = data.draw(st.sampled_from(["columns", "blocks", "cells", "less", "sequence"]))
    estate = estates[0]
    if change == "sequence":
        estate = Estate(wrong, estate.groups)
    else:
        values = {
            "columns": [wrong],
            "blocks": [(labels, wrong) for labels, _ in group.blocks],
            "cells": dict.fromkeys(group.cells, wrong),
            "less": wrong,
        }
        changed = msgspec.structs.replace(group, **{change: values[change]})
        estate = Estate(estate.sequence, [changed])
    after = Instance(["/a"])
    kept = heritage.ancestors([estate], list(map(os.dup, descriptors)))
    after.heritage = Heritage(after.sheet, kept)
    after.heritage.link(after.registry, after.table)
    assert all(0 <= total <= MASK for total in after.totals())
    before.end()
    after.heritage.look_after()
    assert all(0 <= total <= MASK for total in after.totals())


def test_descriptors_that_are_missing_cost_the_counters_only():
    before = Instance(["/a"])
    estates, descriptors = before.heritage.hand_over()
    assert heritage.ancestors(estates, list(map(os.dup, descriptors[:2]))) == []
    assert isinstance(heritage.ancestors(estates, list(map(os.dup, descriptors)))[0], Ancestor)


def test_nothing_is_taken_over_while_a_successor_reads_it():
    one = Instance(["/a"])
    two = Instance(["/a"], one)
    three = Instance(["/a"], two)
    one.end()
    two.heritage.look_after()  # it has handed over, so it is not its business any more
    three.heritage.look_after()
    Counting(one.sheet, 0, one.contents)  # nothing counts there any more
    assert [two.sheet.board.row(RETIRED_ROW)[worker_cells.FOLDED + number] for number in (0, 1)] == [0, 0]
    assert three.sheet.board.row(RETIRED_ROW)[worker_cells.FOLDED] == 0
    assert three.sheet.board.row(RETIRED_ROW)[worker_cells.FOLDED + 1] > 0
    two.heritage.keep()
    two.heritage.look_after()
    assert two.sheet.board.row(RETIRED_ROW)[worker_cells.FOLDED] > 0


def test_of_more_predecessors_than_are_kept_no_total_falls():
    instances = [Instance(["/a"])]
    for _ in range(heritage.MOST + 3):
        last = instances[-1]
        Counting(last.sheet, 0, last.contents).route("/a", "u0").answered(200, 1, 1)
        instances.append(Instance(["/a"], last))
        assert instances[-1].totals()[0] == len(instances) - 1
    for instance in instances:
        instance.end()
    instances[-1].heritage.look_after()
    assert instances[-1].totals()[0] == len(instances) - 1
    for instance in instances:
        instance.close()


def test_removed_blocks_are_read_in_runs_as_each_by_itself():
    sheet = new_sheet()
    registry = SeriesRegistry(sheet)
    first = registry.arrange(config([f"/{number}" for number in range(10)]))
    counting = Counting(sheet, 2, first)
    for number in range(10):
        counting.route(f"/{number}", "u0").answered(200 + number, number, 1)
    contents = registry.arrange(config(["/3"]))
    assert sorted(contents.removed["route"])[0][1] == 3
    found = {labels: cells for _, labels, cells in sheet.blocks(contents, "route")}
    assert found[REMOVED, REMOVED][series_cells.ROUTE_SENT] == 45 - 3
    assert sum(found[REMOVED, REMOVED][:COUNTED]) == 9
    assert FIXED["route"][0] < FIRST
