"""What nodes and operators agree on: bundles, records, reports, local copies, places; and roll-outs as arithmetic."""

import os
import stat
import zlib
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.instance import Reload
from rsp.engines.kv_stores import check
from rsp.nodes import bundle, record, report
from rsp.nodes.local import Local
from rsp.nodes.place import find_node, find_place
from rsp.nodes.record import Confirmed, Record, Trial
from rsp.nodes.report import Report
from rsp.terminal.fleet import _summary
from rsp.terminal.fleet_options import _step
from rsp.terminal.fleet_plan import Verdict, counts, order_of, since, trouble

VERSIONS = [letter * 64 for letter in "0123456789abcdef"]

# -- bundles


@given(st.dictionaries(st.sampled_from(["a.lua", "lib/b.lua", "lib/c d.html", "x/y/z.lua"]), st.binary(max_size=2000)))
def test_a_bundle_comes_back_as_it_was(others: dict[str, bytes]) -> None:
    files = {"site.lua": b"listen", **others}
    version, packed = bundle.pack(files)
    assert bundle.unpack(version, packed) == files
    assert bundle.pack(dict(reversed(files.items())))[0] == version
    assert bundle.pack({**files, "site.lua": b"other"})[0] != version


@given(st.binary(max_size=300))
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    for packed in (data, zlib.compress(data)):
        with pytest.raises(ValueError, match=r"^version 0{12} cannot be unpacked: "):
            bundle.unpack("0" * 64, packed)


def _packed(files: dict[str, bytes]) -> tuple[str, bytes]:
    import hashlib

    plain = msgspec.msgpack.encode({"format": 1, "files": files})
    return hashlib.sha256(plain).hexdigest(), zlib.compress(plain)


@pytest.mark.parametrize(
    "name",
    ["../x.lua", "/etc/passwd", "a/../../x", ".ssh/keys", "a/.x", "", "a//b", "a\0b", "a\nb", "b/", "x" * 200],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    version, packed = _packed({"site.lua": b"", name: b""})
    with pytest.raises(ValueError, match="files that are not allowed in a version"):
        bundle.unpack(version, packed)


def test_a_bundle_without_a_main_file_is_refused() -> None:
    with pytest.raises(ValueError, match="files that are not allowed in a version"):
        bundle.unpack(*_packed({"other.lua": b""}))


def test_a_bomb_is_not_unpacked() -> None:
    version, packed = _packed({"site.lua": bytes(40 << 20)})
    assert len(packed) < 100_000
    with pytest.raises(ValueError, match="too large"):
        bundle.unpack(version, packed)


def test_files_of_a_bundle_are_below_the_main_file() -> None:
    contents = {"conf/main.lua": b"1", "conf/lib/a.lua": b"2"}
    assert bundle.gathered("conf/main.lua", contents) == {"site.lua": b"1", "lib/a.lua": b"2"}
    with pytest.raises(ValueError, match=r"conf/\.\./x\.lua: a bundle may contain only files below the directory"):
        bundle.gathered("conf/main.lua", {**contents, "conf/../x.lua": b""})
    with pytest.raises(ValueError, match=r"on nodes the main file is called site\.lua"):
        bundle.gathered("main.lua", {"main.lua": b"", "site.lua": b""})


def test_files_that_are_too_large_for_an_engine() -> None:
    with pytest.raises(ValueError, match="too large for an engine"):
        bundle.pack({"site.lua": os.urandom(500_000)})


# -- the record


def test_confirming_keeps_what_can_be_returned_to() -> None:
    held = Record()
    for number in range(30):
        held = held.confirm(f"{number:064x}", "me", 1.0)
    assert held.stable == f"{29:064x}"
    assert [int(each.version, 16) for each in held.history] == list(range(29, 9, -1))
    assert held.serial == 30
    again = held.confirm(f"{15:064x}", "me", 1.0)
    assert [int(each.version, 16) for each in again.history][:3] == [15, 29, 28]
    assert len(again.history) == 20


def test_confirming_is_one_write() -> None:
    held = Record(stable=VERSIONS[0]).begin(Trial("1", VERSIONS[1], ("a",)))
    assert held.versions == {VERSIONS[1]}
    done = held.confirm(VERSIONS[1], "me", 1.0)
    assert (done.stable, done.trial, done.serial) == (VERSIONS[1], None, 2)


def test_a_record_comes_back_as_it_was() -> None:
    held = Record(3, 7, VERSIONS[0], (Confirmed(VERSIONS[0], 1.5, "me"),), Trial("1", VERSIONS[1], ("a", "b"), 15.0, 3))
    with pytest.raises(ValueError, match="has format 3; this version of rsp knows 1"):
        record.decode(record.encode(held))
    held = msgspec.structs.replace(held, format=1)
    assert record.decode(record.encode(held)) == held


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"stable": "../../etc"}', '{"serial": -1}', '{"trial": {"id": "1"}}', "\xff" * 9, "[" * 100_000,
        '{"trial": {"id": "1", "version": "' + VERSIONS[0] + '", "nodes": ["a/b"]}}',
        '{"trial": {"id": "1", "version": "' + VERSIONS[0] + '", "nodes": [], "deadline": 0}}',
        '{"trial": {"id": "1", "version": "' + VERSIONS[0] + '", "nodes": [], "deadline": 1e300}}',
    ],
)  # fmt: skip
def test_a_record_that_is_not_valid(text: str) -> None:
    with pytest.raises(ValueError, match="the record of the site is not valid"):
        record.decode(text.encode("latin-1"))


def test_a_record_without_history_is_shown() -> None:
    assert _summary(record.decode(b'{"stable": "%b"}' % VERSIONS[0].encode())) == [f"version {VERSIONS[0][:12]}"]


# -- reports


def told(name: str = "a", **changes: object) -> Report:
    return Report(**{  # type: ignore[arg-type]
        "node": name, "instance": "1", "number": 1, "rsp": "0.1", "running": VERSIONS[0], "state": "serving",
        "workers": 2, "healthy": 2, **changes,
    })  # fmt: skip


def test_reports_are_of_the_node_whose_key_they_have() -> None:
    data = report.encode(told())
    assert report.decode("a", data) == told()
    assert report.decode("b", data) is None
    assert report.decode("a", data[:-1]) is None
    assert report.decode("a", b"\xff" * 100_000) is None
    assert report.decode("a", report.encode(told(requests=-1))) is None
    huge = report.encode(told()).replace(b'"requests":0', b'"requests":1' + b"0" * 400)
    assert b"0" * 400 in huge
    assert report.decode("a", huge) is None  # no share of it could be reckoned
    assert report.decode("a\n", report.encode(told("a\n"))) is None


def test_what_a_report_says_has_an_end_and_no_control_characters() -> None:
    assert report.cut("a\x1b[31m\n    b") == "a?[31m b", "one line, as rspctl shows it"
    assert report.decode("a", report.encode(told(why=report.cut("x" * 5000)))) is not None


# -- local copies


def test_local_copies(tmp_path: Path) -> None:
    local = Local(tmp_path / "state")
    local.prepare()
    assert stat.S_IMODE((tmp_path / "state" / "versions").stat().st_mode) == 0o700
    assert local.stable() is None
    local.settle(VERSIONS[0])
    assert local.stable() is None, "there is nothing to start with"
    for age, version in enumerate(VERSIONS):
        local.store(version, {"site.lua": version.encode(), "lib/a.lua": b"2"})
        if age == 0:
            local.settle(version)
        os.utime(Path(local.main(version)).parent, (age, age))
    assert local.stable() == VERSIONS[0], "what is started with is never removed"
    assert Path(local.main(VERSIONS[0])).read_bytes() == VERSIONS[0].encode()
    kept = [version for version in VERSIONS if local.has(version)]
    assert kept == [VERSIONS[0], *VERSIONS[-5:]]
    assert sorted(each.name for each in (tmp_path / "state").iterdir()) == ["stable", "versions"]
    assert not [each for each in (tmp_path / "state" / "versions").iterdir() if each.name.startswith(".")]


def test_local_copies_that_were_damaged(tmp_path: Path) -> None:
    local = Local(tmp_path)
    local.prepare()
    local.store(VERSIONS[3], {"site.lua": b"1"})
    local.settle(VERSIONS[3])
    (tmp_path / "stable").write_text("../../../etc")
    assert local.stable() is None
    (tmp_path / "stable").write_text(VERSIONS[4])
    assert local.stable() is None
    (Path(local.main(VERSIONS[3])).parent / ".version").unlink()
    assert not local.has(VERSIONS[3])
    local.store(VERSIONS[3], {"site.lua": b"2"})
    assert Path(local.main(VERSIONS[3])).read_bytes() == b"2"


def test_local_copies_that_were_edited_are_stored_anew(tmp_path: Path) -> None:
    files = {"site.lua": b"1", "lib/a.lua": b"2"}
    version, local = bundle.pack(files)[0], Local(tmp_path)
    local.prepare()
    local.store(version, files)
    assert local.is_intact(version)
    (Path(local.main(version)).parent / "lib" / "a.lua").write_bytes(b"3")
    assert local.has(version)
    assert not local.is_intact(version)
    local.store(version, files)
    assert local.is_intact(version)


def test_errors_show_names_as_the_operator_knows_them(tmp_path: Path) -> None:
    local = Local(tmp_path)
    text = f"Error parsing config file: {local.main(VERSIONS[1])}:3: unknown key"
    assert local.shown(text, VERSIONS[1]) == "Error parsing config file: site.lua:3: unknown key"


# -- places


@pytest.mark.parametrize(
    ("url", "engine", "prefix"),
    [
        ("etcd://h/rsp/site", "etcd://h:2379", "/rsp/site"),
        ("etcds://h1,h2:99/x/", "etcds://h1:2379,h2:99", "/x"),
        ("consul://h/x", "consul://h:8500", "/x"),
        ("redis://h/3/rsp/site", "redis://h:6379/3", "rsp/site"),
        ("redis+sentinel://h,i/main/0/x", "redis+sentinel://h:26379,i:26379/main/0", "x"),
    ],
)
def test_urls_of_sites(url: str, engine: str, prefix: str) -> None:
    assert check(url) == (engine, prefix)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("etcd://h", "prefix of the site's keys is missing, as in etcd://h:2379/rsp/site"),
        ("redis://h/rsp/site", "number of the database before the prefix, as in redis://...*/0/rsp/site"),
        ("redis://h/0", "prefix of the site's keys is missing"),
        ("etcd://me:secret@h/x", "a URL may not contain credentials"),
        ("zk://h/x", "expected a URL that begins with one of etcd://"),
        ("etcd://h/x?timeout=1", "options are environment variables"),
    ],
)
def test_urls_that_are_none(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        find_place(url, {})
    assert str(error.value).startswith("the URL of the site: ")
    assert "secret" not in str(error.value)


def test_credentials_come_from_files_and_are_not_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    environment = {"RSP_SITE_USERNAME": "rsp", "RSP_SITE_PASSWORD_FILE": str(secret)}
    place = find_place("etcd://h/x", environment)
    assert place.access.password == "hush"
    assert "hush" not in repr(place) + str(place) + repr(place.access)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RSP_SITE_PASSWORD_FILE": "/none"}, '^RSP_SITE_PASSWORD_FILE: "/none": there is no such file'),
        ({"RSP_SITE_PASSWORD_FILE": "{full}"}, "RSP_SITE_USERNAME is not"),
        ({"RSP_SITE_TOKEN_FILE": "{two}"}, "RSP_SITE_TOKEN_FILE: expected one line"),
        ({"RSP_SITE_TOKEN_FILE": "/"}, 'RSP_SITE_TOKEN_FILE: "/": it is a directory'),
        ({"RSP_SITE_CA": "{full}"}, r"require a URL with TLS \(etcds://"),
        ({"RSP_SITE_CERTIFICATE": "{full}"}, "only valid together"),
        ({"RSP_NODE": "a/b"}, 'RSP_NODE: the name of a node may contain letters, digits and "._-"'),
    ],
)
def test_mistakes_in_the_environment(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    (tmp_path / "full").write_text("x")
    (tmp_path / "two").write_text("x\ny")
    given = {name: value.format(full=tmp_path / "full", two=tmp_path / "two") for name, value in environment.items()}
    with pytest.raises(ValueError, match=said):
        find_node("etcd://h/x", given)


def test_where_local_copies_are(tmp_path: Path) -> None:
    names = {"RSP_NODE": "a"}
    assert find_node("etcd://h/rsp/site", {**names, "RSP_STATE": "/s"}).folder == Path("/s/rsp-site@a")
    assert find_node("redis://h/0/x", {**names, "STATE_DIRECTORY": "/s:/t"}).folder == Path("/s/x@a")


# -- roll-outs as arithmetic


@given(st.integers(1, 300), st.one_of(st.integers(1, 20), st.floats(0.01, 1.0)))
def test_shares_begin_with_one_and_end_with_all(total: int, step: float | int) -> None:
    found = list(counts(total, step))
    assert found[0] == 1
    assert found[-1] == total
    assert found == sorted(set(found))
    more = [after - before for before, after in pairwise(found[1:])]
    assert all(each <= max(1, -(-total * step // 1)) for each in more)


def test_shares() -> None:
    assert list(counts(1, 0.1)) == [1]
    assert list(counts(5, 0.1)) == [1, 2, 3, 4, 5]
    assert list(counts(20, 0.1)) == [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert list(counts(100, 0.25)) == [1, 25, 50, 75, 100]
    assert list(counts(7, 3)) == [1, 3, 6, 7]


def test_steps_as_they_are_written() -> None:
    assert _step("10%") == 0.1
    assert _step("3") == 3
    for text in ("0", "0%", "101%", "x", "-1", "1.5", ""):
        with pytest.raises(Exception, match="expected a share"):
            _step(text)


def test_another_node_begins_each_time() -> None:
    nodes = [f"n{number}" for number in range(10)]
    assert len({order_of(nodes, None, f"{salt}")[0] for salt in range(50)}) > 5
    assert order_of(nodes, "n7", "x")[0] == "n7"
    assert sorted(order_of(nodes, "n7", "x")) == nodes


def test_nodes_with_the_version_are_compared_with_the_others() -> None:
    started = {name: told(name, requests=1000, errors=10) for name in "abc"}
    verdict = Verdict(Reload(), started)
    verdict.joined["a"] = told("a", requests=1100, errors=11)
    later = {name: told(name, requests=2000, errors=20) for name in "abc"}
    assert verdict.compare(later) == (
        None,
        "900 requests, 1.0% errors, 0.0 ms; the others: 2000 requests, 1.0% errors, 0.0 ms",
    )
    later["a"] = told("a", requests=2000, errors=200)
    wrong, _ = verdict.compare(later)
    assert wrong is not None
    assert "the error rate is 21.0%, compared with 1.0% for the others" in wrong


def test_without_others_the_time_before_counts() -> None:
    verdict = Verdict(Reload(), {"a": told("a", requests=1000, errors=10)})
    verdict.joined["a"] = told("a", requests=1000, errors=10)
    wrong, _ = verdict.compare({"a": told("a", requests=2000, errors=500)})
    assert wrong is not None
    assert verdict.compare({"a": told("a", requests=1010, errors=20)})[0] is None, "too few"


def test_nodes_that_start_anew_do_not_count() -> None:
    before = {"a": told("a", requests=1000), "b": told("b", requests=500)}
    now = {"a": told("a", requests=3, instance="2"), "b": told("b", requests=600), "c": told("c", requests=9)}
    assert since(before, now, "abc").requests == 100


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (None, "a has stopped reporting"),
        ({"trial": "t", "state": "refused", "why": "site.lua:1: no"}, "a rejects version 111111111111: site.lua:1: no"),
        ({"trial": "t", "state": "returned", "why": "late"}, "a has rolled back: late"),
        ({"instance": "2", "running": VERSIONS[1]}, "a was restarted, or another node uses its name"),
        ({"running": VERSIONS[0]}, "a no longer runs version 111111111111: it runs 000000000000"),
        ({"running": VERSIONS[1], "healthy": 0}, "a no longer runs version 111111111111: none of its workers is"),
        ({"running": VERSIONS[1], "deaths": 1}, "a worker of a has died"),
        ({"running": VERSIONS[1], "state": "trying"}, None),
    ],
)
def test_what_ends_a_roll_out(now: dict[str, object] | None, said: str | None) -> None:
    joined = told(running=VERSIONS[1], trial="t", state="trying")
    found = trouble("a", VERSIONS[1], "t", told(**now) if now is not None else None, joined, 1.0, 15.0)
    assert (found is None) == (said is None)
    assert said is None or (found is not None and found.startswith(said))


def test_a_node_that_is_silent_ends_a_roll_out() -> None:
    joined = told(running=VERSIONS[1], trial="t", state="trying")
    assert trouble("a", VERSIONS[1], "t", joined, joined, 14.0, 15.0) is None
    assert trouble("a", VERSIONS[1], "t", joined, joined, 16.0, 15.0) == "a has not reported for 16 s"
