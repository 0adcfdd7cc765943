"""`workers = "auto"` in containers: half a CPU got as many workers as the host has cores."""

import os

import pytest

from rsp.system import quota

EIGHT = set(range(8))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Writes files of a root file system, on a machine of eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: EIGHT)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def mount(point, kind, options="rw", root="/"):
    return f"31 23 0:28 {root} {point} rw,relatime shared:9 - {kind} {kind} {options}\n"


V2 = {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mount("/sys/fs/cgroup", "cgroup2")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100000 100000", 1), ("50000 100000", 1), ("1000 100000", 1), ("150000 100000", 2), ("200000 100000", 2),
        ("200001 100000", 3), ("max 100000", 8), ("9900000 100000", 8), ("50000 50000", 1),
        ("", 8), ("100000", 8), ("garbage in it", 8), ("-1 100000", 8), ("0 100000", 8), ("100000 0", 8),
    ],
)  # fmt: skip
def test_a_quota_of_version_2_is_rounded_up(tree, text, expected):
    assert quota.processors(tree({**V2, "sys/fs/cgroup/cpu.max": text + "\n"})) == expected


@pytest.mark.parametrize(("text", "expected"), [("100000", 1), ("50000", 1), ("250000", 3), ("-1", 8), ("", 8)])
@pytest.mark.parametrize("name", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_a_quota_of_version_1(tree, name, text, expected):
    place = f"sys/fs/cgroup/{name}"
    files = {
        "proc/self/cgroup": f"4:{name}:/\n2:memory:/\n",
        "proc/self/mountinfo": mount(f"/{place}", "cgroup", f"rw,{name}"),
        f"{place}/cpu.cfs_quota_us": text + "\n",
        f"{place}/cpu.cfs_period_us": "100000\n",
    }
    assert quota.processors(tree(files)) == expected


def test_nothing_is_known(tree):
    root = tree({})
    assert (quota.processors(root), quota.memory(root)) == (8, None)


def test_the_affinity_is_less_than_the_quota(tree, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert quota.processors(tree({**V2, "sys/fs/cgroup/cpu.max": "400000 100000\n"})) == 1


@pytest.mark.parametrize("limited", ["", "site.slice", "site.slice/rsp.service", "site.slice/rsp.service/inner"])
def test_a_limit_of_any_ancestor_counts(tree, limited):
    files = {**V2, "proc/self/cgroup": "0::/site.slice/rsp.service/inner\n"}
    for group in ("", "site.slice", "site.slice/rsp.service", "site.slice/rsp.service/inner"):
        files[f"sys/fs/cgroup/{group}/cpu.max"] = "300000 100000\n" if group == limited else "max 100000\n"
        files[f"sys/fs/cgroup/{group}/memory.max"] = f"{80 << 20}\n" if group == limited else "max\n"
    root = tree(files)
    assert quota.processors(root) == 3
    assert quota.memory(root) == 80 << 20


def test_a_limit_of_a_sibling_does_not_count(tree):
    files = {**V2, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/c/cpu.max": "100000 100000\n"}
    assert quota.processors(tree(files)) == 8


@pytest.mark.parametrize("path", ["/docker/abc", "/docker/abc/inner", "/../elsewhere", "/"])
def test_a_container_without_a_namespace_sees_the_path_of_its_host(tree, path):
    """Its group is mounted as the root; what /proc/self/cgroup says does not exist in here."""
    files = {
        "proc/self/cgroup": f"4:cpu,cpuacct:{path}\n",
        "proc/self/mountinfo": mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "ro,cpu,cpuacct", "/docker/abc"),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    assert quota.processors(tree(files)) == 2


def test_a_namespace_below_what_is_mounted(tree):
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": mount("/sys/fs/cgroup", "cgroup2", root="/../.."),
        "sys/fs/cgroup/cpu.max": "100000 100000",
    }
    assert quota.processors(tree(files)) == 1


def test_both_versions_at_once(tree):
    """Version 2 is there without a controller (systemd's hybrid mode); version 1 limits."""
    files = {
        "proc/self/cgroup": "4:cpu:/pod\n3:memory:/pod\n1:name=systemd:/pod\n0::/init.scope\n",
        "proc/self/mountinfo": mount("/sys/fs/cgroup/unified", "cgroup2")
        + mount("/sys/fs/cgroup/cpu", "cgroup", "rw,cpu")
        + mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
        "sys/fs/cgroup/unified/init.scope/cgroup.procs": "1",
        "sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us": "120000",
        "sys/fs/cgroup/cpu/pod/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/memory/pod/memory.limit_in_bytes": "134217728",
    }
    root = tree(files)
    assert quota.processors(root) == 2
    assert quota.memory(root) == 128 << 20


def test_a_mount_point_with_a_space(tree):
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": mount("/my\\040groups", "cgroup2"),
        "my groups/cpu.max": "100000 100000",
    }
    assert quota.processors(tree(files)) == 1


def test_files_that_stand_where_groups_usually_are(tree):
    """As container engines and tests bind them, without a mount of the kind."""
    assert quota.processors(tree({"sys/fs/cgroup/cpu.max": "100000 100000"})) == 1


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max", 64 << 20), (str(1 << 30), 64 << 20), (str(128 << 20), 16 << 20), ("9223372036854771712", 64 << 20)],
)
def test_shared_memory_is_an_eighth_of_the_limit_at_most(tree, limit, expected):
    root = tree({**V2, "sys/fs/cgroup/memory.max": limit + "\n"})
    assert quota.shared_memory(None, root) == expected
    assert quota.shared_memory(200 << 20, root) == 200 << 20
