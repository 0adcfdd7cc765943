"""`cpu_affinity`: which CPUs each worker runs on, also when workers, configurations and masters are replaced."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.harness import Rsp, wait_until

ALLOWED = sorted(os.sched_getaffinity(0))
pytestmark = pytest.mark.skipif(len(ALLOWED) < 2, reason="needs two CPUs")
SITE = 'listen "127.0.0.1:{port}" route { respond = { status = 200 } } '
FIRST, SECOND = ALLOWED[:2]
NO_CPU = 8191


def cpus(pid: int) -> set[frozenset[int]]:
    """Those of every thread of the process: one element where all have the same."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {frozenset(os.sched_getaffinity(int(thread.name))) for thread in threads}


def of_workers(rsp: Rsp) -> list[set[frozenset[int]]]:
    return [cpus(pid) for _, pid in sorted(rsp.workers().items())]


def only(*numbers: int) -> set[frozenset[int]]:
    return {frozenset(numbers)}


def test_auto_gives_each_worker_a_cpu_and_its_successor_the_same(tmp_path):
    with Rsp(tmp_path, SITE + 'cpu_affinity = "auto"', workers=3) as rsp:
        third = ALLOWED[2 % len(ALLOWED)]
        wanted = [only(FIRST), only(SECOND), only(third)]
        assert of_workers(rsp) == wanted
        status = rsp.admin("/status")
        assert [worker["cpus"] for worker in status["workers"]] == [str(FIRST), str(SECOND), str(third)]
        assert cpus(status["control"]["pid"]) == cpus(status["master"]) == only(*ALLOWED)
        assert f"{SECOND} " in rsp.rspctl("status").stdout

        before = rsp.workers()
        time.sleep(1.1)  # longer than a worker that counts as failed at once
        os.kill(before[1], signal.SIGKILL)
        wait_until(lambda: rsp.workers().get(1, before[1]) != before[1], "the next worker 1")
        wait_until(lambda: of_workers(rsp) == wanted, "its CPU")


def test_a_reload_changes_the_cpus_of_running_workers(tmp_path):
    with Rsp(tmp_path, SITE, workers=3) as rsp:
        pids, anywhere = rsp.workers(), only(*ALLOWED)
        assert of_workers(rsp) == [anywhere] * 3
        rsp.reload(SITE + f'cpu_affinity = {{ "{SECOND}", {FIRST} }}')  # which repeats
        assert of_workers(rsp) == [only(SECOND), only(FIRST), only(SECOND)]
        rsp.reload(SITE + f'cpu_affinity = {{ "{FIRST},{SECOND}" }}')
        assert of_workers(rsp) == [only(FIRST, SECOND)] * 3
        rsp.reload(SITE)
        assert of_workers(rsp) == [anywhere] * 3
        assert rsp.workers() == pids


def test_a_reload_that_is_refused_changes_no_cpus(tmp_path):
    text = SITE + f'cpu_affinity = {{ "{SECOND}" }}'
    with Rsp(tmp_path, text, workers=2) as rsp:
        rsp.reload(SITE + f'\ncpu_affinity = {{\n"{FIRST}",\n"{NO_CPU}" }}')
        assert f'site.lua:4: cpu_affinity: "{NO_CPU}": rsp may not run on CPU {NO_CPU}; allowed: ' in rsp.log
        assert of_workers(rsp) == [only(SECOND)] * 2


def test_an_upgrade_keeps_the_cpus(tmp_path):
    with Rsp(tmp_path, SITE + f'cpu_affinity = {{ "{SECOND}" }}', workers=1) as rsp:
        before = rsp.workers()[0]
        rsp.signal(signal.SIGUSR2)
        wait_until(lambda: "Upgraded" in rsp.log and "Stopped." in rsp.log, "the upgrade")
        status = rsp.admin("/status")
        (worker,) = status["workers"]
        assert worker["pid"] != before
        assert cpus(worker["pid"]) == only(SECOND)
        assert cpus(status["master"]) == only(*ALLOWED)
        os.kill(status["master"], signal.SIGTERM)
        wait_until(lambda: rsp.log.count("Stopped.") == 2, "its end")


@pytest.fixture
def confined():
    """As taskset does: what this process starts may use its second CPU only."""
    os.sched_setaffinity(0, {SECOND})
    yield
    os.sched_setaffinity(0, ALLOWED)


@pytest.mark.usefixtures("confined")
def test_auto_uses_only_what_is_allowed(tmp_path):
    with Rsp(tmp_path, SITE + 'cpu_affinity = "auto"', workers=2, program="rsp") as rsp:
        assert of_workers(rsp) == [only(SECOND)] * 2


@pytest.mark.usefixtures("confined")
def test_a_cpu_that_is_not_allowed_stops_the_start(tmp_path):
    with Rsp(tmp_path, SITE + f"\ncpu_affinity = {{ {FIRST} }}", started=False, program="rsp") as rsp:
        assert rsp.process.wait(30) == 1
        assert f'site.lua:2: cpu_affinity: "{FIRST}": rsp may not run on CPU {FIRST}; allowed: {SECOND} ' in rsp.log
