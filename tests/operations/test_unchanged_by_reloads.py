"""Settings that a reload cannot change: the answer, the log and --dry-run say so, and nothing of them is half in force."""

import os
import shutil
import subprocess

import psutil
import pytest

from tests.harness import Rsp, free_port, get, wait_until

SITE = """
listen "127.0.0.1:{port}"
route { respond = { status = 200, body = "%s" } }
"""


def lines_of(log):
    return [line.partition("] ")[2] for line in log.splitlines() if "a reload does not change this" in line]


def test_settings_that_a_reload_does_not_change_are_named(tmp_path):
    with Rsp(tmp_path, 'pid_file = "rsp.pid"' + SITE % "one") as rsp:
        rsp.file.write_text(
            'admin = "other.sock"\npid_file = "other.pid"\nlua = {\n  shared = "1MB",\n}\n'
            + SITE.replace("{port}", str(rsp.port)) % "two"
        )
        expected = [
            "site.lua:1: admin: a reload does not change this; upgrade or restart rsp",
            "site.lua:2: pid_file: a reload does not change this; upgrade or restart rsp",
            "site.lua:4: lua.shared: a reload does not change this; upgrade or restart rsp",
        ]
        dry = rsp.rspctl("reload", "--dry-run")
        assert [line for line in dry.stdout.splitlines() if line.startswith("site.lua")] == expected
        assert lines_of(rsp.log) == []
        answer = rsp.rspctl("reload")
        assert answer.returncode == 0
        assert answer.stdout.splitlines()[1:] == expected
        assert lines_of(rsp.log) == expected
        assert get(rsp.port).endswith(b"two")
        assert sorted(path.name for path in tmp_path.glob("*.pid")) == ["rsp.pid"]
        # As long as the file differs from what runs, each reload says so; a setting that is left out has no line.
        rsp.reload(SITE % "three")
        assert lines_of(rsp.log)[3:] == ["site.lua: pid_file: a reload does not change this; upgrade or restart rsp"]
        rsp.reload('pid_file = "rsp.pid"' + SITE % "four")
        assert len(lines_of(rsp.log)) == 4
        assert get(rsp.port).endswith(b"four")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users")
def test_after_a_reload_a_new_worker_has_the_rights_of_the_others(tmp_path):
    with Rsp(tmp_path, SITE % "one", workers=2) as rsp:
        rsp.reload('user = "root"' + SITE % "two")
        assert lines_of(rsp.log) == ["site.lua:1: user: a reload does not change this; upgrade or restart rsp"]
        before = rsp.workers()
        psutil.Process(before[0]).kill()
        wait_until(lambda: rsp.workers().get(0) not in (None, before[0]), "a new worker")

        def users():
            return {psutil.Process(pid).uids().real for pid in rsp.workers().values()}

        wait_until(lambda: users() == {psutil.Process(before[1]).uids().real}, "it has given up the rights of root")


@pytest.mark.skipif(shutil.which("ss") is None, reason="ss shows the lengths of queues")
def test_the_length_of_a_queue_is_changed_by_a_reload(tmp_path):
    text = 'listen { "127.0.0.1:{port}", backlog = %d } route { respond = { status = 200, body = "x" } }'
    with Rsp(tmp_path, text % 100) as rsp:
        assert backlog(rsp.port) == 100
        rsp.reload(text % 37)
        assert backlog(rsp.port) == 37
        other = free_port()
        rsp.reload(text % 50 + f' listen "127.0.0.1:{other}"')
        assert backlog(rsp.port) == 50


def backlog(port):
    """As the kernel has it."""
    listed = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return int(listed.split()[2])
