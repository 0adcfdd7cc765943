"""A worker or a control process that was taken over: the master outlives whatever it sends, and replaces it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import Backend, Rsp, get, proxy_to, wait_until

WORKER = {
    "garbage": "sent a malformed packet",
    "empty": "sent a message that it may not send",
    "cut": "sent a message that it may not send",
    "nested": "sent a message that it may not send",
    "long": "sent a message of more than 1024 bytes",
    "large-packet": "sent a malformed packet",
    "order": "sent a message that it may not send (Invalid value 'Order' - at `$.type`)",
    "upgrade": "sent a message that it may not send (Invalid value 'Order' - at `$.type`)",
    "found": "sent a message that it may not send (Invalid value 'Found' - at `$.type`)",
    "to-child": "sent a message that it may not send (Invalid value 'Drain' - at `$.type`)",
    "unasked": "sent that it runs version 9223372036854775808 of the configuration, which it was not given",
    "ready-flood": "sent that it runs version 1 of the configuration, which it was not given",
    "part-flood": "sent too many messages",
    "descriptors": "sent a malformed packet",
    "close": "was killed by signal 9",
}
CONTROL = {
    "garbage": "sent a malformed packet",
    "nested": "sent a message that it may not send",
    "to-child": "sent a message that it may not send (Invalid value 'Drain' - at `$.type`)",
    "unasked": "sent a message that it may not send (Invalid value 'Ready' - at `$.type`)",
    "found-flood": "sent too many messages",
    "order-flood": "sent too many",
    "descriptors": "sent a malformed packet",
    "close": "was killed by signal 9",
}


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


class Hostile(Rsp):
    """``role`` ("worker" for worker 1, or "control") has these turns before it does what it should."""

    def __init__(self, directory: Path, text: str, role: str, turns: list[str]) -> None:
        shutil.copy(Path(__file__).with_name("hostile.py"), directory)
        (directory / f"{role}.turns").write_text("\n".join(turns) + "\n")
        super().__init__(directory, text, workers=2, program="hostile", started=False)


@pytest.mark.parametrize(
    ("role", "name", "turns"), [("worker", "Worker 1", WORKER), ("control", "The control process", CONTROL)]
)
def test_a_child_that_was_taken_over_does_not_end_the_master(tmp_path, backend, role, name, turns):
    with Hostile(tmp_path, proxy_to(backend.address), role, list(turns)) as rsp:
        wait_until(lambda: not (tmp_path / f"{role}.turns").read_text().strip(), "all turns")
        assert rsp.admin("/status")["control"]["pid"], "the real one answers"
        wait_until(lambda: "Started." in rsp.log and len(rsp.workers()) == 2, "all workers")
        lines = [line for line in rsp.log.splitlines() if f"{name} (pid" in line]
        for turn, said in turns.items():
            found = next((line for line in lines if said in line), None)
            assert found is not None, (turn, rsp.log)
            lines.remove(found)
        assert get(rsp.port).startswith(b"HTTP/1.1 200")
        if role == "worker":
            assert "Reload" not in rsp.log and "Upgrad" not in rsp.log, "orders are the operator's alone"
        rsp.reload()
        assert "Reloaded: version" in rsp.log
        assert rsp.stop() == 0


def test_a_scoreboard_that_a_worker_overwrote_ends_neither_master_nor_control_process(tmp_path, backend):
    with Hostile(tmp_path, proxy_to(backend.address), "worker", ["overwrite"]) as rsp:
        wait_until(lambda: "Worker 1" in rsp.log and "has ended with status 7" in rsp.log, "its end")
        wait_until(lambda: "Started." in rsp.log, "all workers")
        assert rsp.admin("/peers")["http_status"] == 200
        assert rsp.rspctl("status").returncode == rsp.rspctl("peers").returncode == 0
        assert rsp.rspctl("enable", backend.address).returncode == 0
        assert get(rsp.port).startswith(b"HTTP/1.1 200"), "the other worker can count on"
        assert rsp.rspctl("reload").returncode in (0, 1)
        assert rsp.process.poll() is None
        assert "The control process (pid" not in rsp.log, "it has not ended"
        assert not any(word in rsp.log for word in ("Unexpected", "Traceback", "cannot go on"))


def test_a_sheet_that_a_worker_spoils_delays_no_scrape_and_no_reload(tmp_path, backend):
    with Hostile(tmp_path, proxy_to(backend.address), "worker", ["sheet"]) as rsp:
        wait_until(lambda: (tmp_path / "admin.sock").exists(), "the control process")
        before = rsp.admin("/status")["control"]["pid"]
        scrape = ["curl", "-sf", "-m", "5", "--unix-socket", "admin.sock", "http://rsp/metrics"]
        for _ in range(5):
            assert b"rsp_requests_total" in subprocess.run(scrape, cwd=tmp_path, capture_output=True, check=True).stdout
        wait_until(lambda: "Worker 1" in rsp.log and "has ended with status 7" in rsp.log, "its end")
        wait_until(lambda: "Started." in rsp.log, "all workers")
        assert get(rsp.port).startswith(b"HTTP/1.1 200"), "workers can count on"
        assert rsp.rspctl("reload").returncode in (0, 1)
        subprocess.run(scrape, cwd=tmp_path, capture_output=True, check=True)
        assert rsp.admin("/status")["control"]["pid"] == before
        assert not any(word in rsp.log for word in ("Unexpected", "Traceback", "cannot go on"))


def test_a_worker_that_spoils_the_watches_ends_no_other_process_and_reaches_no_terminal(tmp_path, backend):
    with Hostile(tmp_path, proxy_to(backend.address, extra="worker_timeout = 120"), "worker", ["watches"]) as rsp:
        wait_until(lambda: (tmp_path / "admin.sock").exists(), "the control process")
        asked = [sys.executable, "-m", "rsp.rspctl", "-s", "admin.sock"]
        with (tmp_path / "log").open("wb") as log, (tmp_path / "trace").open("wb") as trace:
            watching = [
                subprocess.Popen([*asked, "log"], cwd=tmp_path, stdout=log, stderr=log),
                subprocess.Popen([*asked, "trace"], cwd=tmp_path, stdout=trace, stderr=trace),
            ]
        before = rsp.admin("/status")["control"]["pid"]

        def is_shown(path: str) -> bool:
            get(rsp.port, path)
            return all(path.encode() in (tmp_path / name).read_bytes() for name in ("log", "trace"))

        wait_until(lambda: is_shown("/before"), "both to watch")
        (tmp_path / "watched").touch()
        wait_until(lambda: "Worker 1" in rsp.log and "has ended with status 7" in rsp.log, "its end")
        wait_until(lambda: "Started." in rsp.log, "all workers")
        assert get(rsp.port).startswith(b"HTTP/1.1 200")
        assert rsp.admin("/status")["control"]["pid"] == before
        assert not any(word in rsp.log for word in ("Unexpected", "Traceback", "cannot go on"))
        wait_until(lambda: is_shown("/seen"), "it to be seen")
        for one in watching:
            one.terminate()
            one.wait()
        for name in ("log", "trace"):
            said = (tmp_path / name).read_bytes()
            assert b"\\x1b[31m" in said, "it was shown, as text"
            assert b"\x1b" not in said and b"Traceback" not in said
