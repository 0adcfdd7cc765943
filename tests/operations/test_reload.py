"""Reloads: on trial, refused, again and again; and what they would change."""

import json
import os
import re
import signal
import socket
import threading
import time

import psutil
import pytest

from tests.harness import Backend, Rsp, background_load, free_port, get, proxy_to, resident, run_load, wait_until
from tests.operations.tunnels import EchoBackend, Tunnels
from tests.soak import short_and_long


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


def failing(connection, head, rest):
    connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops")
    return True


@pytest.fixture(scope="module")
def bad():
    with Backend(failing) as one:
        yield one


def on_trial(address, seconds="1s", more=""):
    return proxy_to(address, extra=f'reload = {{ canary = "{seconds}" {more} }}')


@short_and_long("reloads", 10, 400)
def test_reloads_leave_everything_as_it_was(tmp_path, reloads):
    """With 500 tunnels and a load: nothing fails, no tunnel closes, nothing grows."""
    backend = EchoBackend()
    with Rsp(tmp_path, proxy_to(backend.address, extra='access_log = "off"'), workers=2) as rsp:
        tunnels = Tunnels(rsp.port, 500)
        with background_load(rsp.port, 8) as load:
            for _ in range(20):
                rsp.reload()
            workers = rsp.workers()
            pids = [rsp.process.pid, *workers.values(), rsp.admin("/status")["control"]["pid"]]
            before = {pid: (resident(pid), psutil.Process(pid).num_fds()) for pid in pids}
            for _ in range(reloads):
                rsp.reload()
            after = {pid: (resident(pid), psutil.Process(pid).num_fds()) for pid in pids}
        assert load.failures == []
        assert tunnels.alive() == 500
        assert rsp.workers() == workers
        assert rsp.log.count("Reloaded: version") == 20 + reloads
        for pid in pids:
            assert after[pid][0] - before[pid][0] < 4 << 20, (pid, before, after)
            assert after[pid][1] - before[pid][1] < 20, (pid, before, after)
        tunnels.close()


def trying(rsp, version=2):
    """The pid of the worker that tries ``version``, when it does."""

    def canary():
        return next((one["pid"] for one in rsp.admin("/status")["workers"] if one["version"] == version), None)

    wait_until(canary, "the canary")
    return canary()


def test_a_reload_is_over_when_the_worker_that_tried_it_has_left_the_listeners_that_are_gone(tmp_path, backend):
    port = free_port()
    with Rsp(tmp_path, on_trial(backend.address) + f'listen "127.0.0.1:{port}"', workers=2) as rsp:
        rsp.write(on_trial(backend.address))
        rsp.signal(signal.SIGHUP)
        canary = trying(rsp)
        assert get(port).startswith(b"HTTP/1.1 200"), "it may be taken back"
        os.kill(canary, signal.SIGSTOP)
        wait_until(lambda: all(one["version"] == 2 for one in rsp.admin("/status")["workers"]), "the others")
        time.sleep(0.3)
        assert "Reloaded" not in rsp.log
        os.kill(canary, signal.SIGCONT)
        wait_until(lambda: "Reloaded: version 2" in rsp.log, "the end of the reload")
        with pytest.raises(ConnectionRefusedError):
            get(port)


def test_a_worker_that_starts_during_a_trial_listens_by_the_configuration_in_force(tmp_path, backend):
    port = free_port()
    with Rsp(tmp_path, on_trial(backend.address, "60s"), workers=2) as rsp:
        rsp.write(on_trial(backend.address, "60s") + f'listen "127.0.0.1:{port}"')
        rsp.signal(signal.SIGHUP)
        canary = trying(rsp)
        old = next(pid for pid in rsp.workers().values() if pid != canary)
        os.kill(old, signal.SIGKILL)
        wait_until(
            lambda: sorted(one["version"] for one in rsp.admin("/status")["workers"] if one["pid"] != old) == [1, 2],
            "the new worker",
        )
        os.kill(canary, signal.SIGKILL)
        wait_until(lambda: "has died" in rsp.log, "the refusal")
        with pytest.raises(ConnectionRefusedError):
            get(port)


def test_a_trial_that_goes_well(tmp_path, backend):
    with Backend(name="two") as two, Rsp(tmp_path, on_trial(backend.address), workers=3) as rsp:
        with background_load(rsp.port, 40) as load:  # so many that the kernel gives some to every worker
            rsp.write(on_trial(two.address, more=", max_latency_increase = 0"))  # a busy machine is no fault
            rsp.signal(signal.SIGHUP)
            wait_until(lambda: rsp.admin("/status")["trial"], "the trial")
            assert rsp.admin("/status")["trial"]["version"] == 2
            assert rsp.admin("/status")["configuration"]["version"] == 1
            wait_until(lambda: two.heads and backend.heads, "requests by both")
            wait_until(lambda: "Reloaded: version 2" in rsp.log, "the end of the trial")
            seen = len(backend.heads)
        assert load.failures == []
        assert len(backend.heads) - seen <= 40
        assert re.search(r"Canary for 1 s: \d+ requests, 0.0% errors, .* ms; the others: \d+", rsp.log)
        status = rsp.admin("/status")
        assert status["trial"] is None
        assert status["last"]["good"] and status["last"]["version"] == 2
        assert status["last"]["digest"] == status["configuration"]["digest"]


def test_a_trial_that_goes_wrong_is_taken_back(tmp_path, backend, bad):
    with Rsp(tmp_path, on_trial(backend.address), workers=3) as rsp:
        with background_load(rsp.port, 40) as load:
            wait_until(lambda: rsp.admin("/status")["totals"]["requests"] > 100, "load")
            rsp.write(on_trial(bad.address, "60s"))
            done = rsp.rspctl("reload", "--json")
            stop = rsp.admin("/status")["totals"]["requests"]
            wait_until(lambda: rsp.admin("/status")["totals"]["requests"] > stop + 100, "more load")
        assert done.returncode == 1
        assert "%, compared with 0.0% for the others" in json.loads(done.stdout)["message"]
        assert "Reload refused, the running configuration stays: with the new configuration" in rsp.log
        assert set(load.failures) == {"HTTP/1.1 500 Oops"}
        assert run_load(rsp.port, 12, 200).failures == []
        status = rsp.admin("/status")
        assert not status["last"]["good"] and status["last"]["version"] == 2
        assert status["configuration"]["version"] == 1
        assert {worker["version"] for worker in status["workers"]} == {1}
        assert "Reload refused" in rsp.rspctl("status").stdout


def test_a_trial_in_a_single_worker_is_compared_with_what_was_before(tmp_path, backend, bad):
    with Rsp(tmp_path, on_trial(backend.address), workers=1) as rsp:
        run_load(rsp.port, 4, 200)
        wait_until(lambda: rsp.admin("/status")["totals"]["requests"] == 200, "the counters")
        with background_load(rsp.port, 4):
            rsp.write(on_trial(bad.address, "60s"))
            assert rsp.rspctl("reload").returncode == 1
        assert get(rsp.port).endswith(b"one")


def test_a_refusal_shows_what_the_trial_has_logged(tmp_path, backend):
    with Rsp(tmp_path, on_trial(backend.address), workers=1) as rsp:
        run_load(rsp.port, 4, 200)
        wait_until(lambda: rsp.admin("/status")["totals"]["requests"] == 200, "the counters")
        with background_load(rsp.port, 4):
            rsp.write(on_trial(backend.address, "60s") + "\nfunction on_request(req) return nosuch.field end")
            done = rsp.rspctl("reload")
        assert done.returncode == 1
        assert "Meanwhile, the log says:\n  A hook failed: " in done.stderr
        assert "attempt to index global 'nosuch'" in done.stderr


def test_a_slow_configuration_is_refused(tmp_path, backend):
    def slow(connection, head, rest):
        threading.Event().wait(0.05)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
        return True

    with Backend(slow) as snail, Rsp(tmp_path, on_trial(backend.address), workers=2) as rsp:
        with background_load(rsp.port, 40) as load:
            wait_until(lambda: rsp.admin("/status")["totals"]["requests"] > 100, "load")
            rsp.write(on_trial(snail.address, "60s"))
            assert rsp.rspctl("reload").returncode == 1
        assert load.failures == []
        assert re.search(r"the latency of peers is \d{2,}\.\d ms", rsp.log)


def test_without_traffic_nothing_is_concluded(tmp_path, backend):
    with Rsp(tmp_path, on_trial(backend.address, "100ms"), workers=2) as rsp:
        done = rsp.rspctl("reload")
        assert done.returncode == 0
        assert "too few requests for a comparison" in done.stdout


def test_now_is_without_a_trial(tmp_path, backend):
    with Rsp(tmp_path, on_trial(backend.address, "60s"), workers=2) as rsp:
        assert rsp.rspctl("reload", "--now").returncode == 0
        assert "Tried by" not in rsp.log


def test_who_tries_it_and_dies_has_failed(tmp_path, backend):
    with Rsp(tmp_path, on_trial(backend.address, "60s"), workers=2) as rsp:
        rsp.signal(signal.SIGHUP)
        wait_until(lambda: rsp.admin("/status")["trial"], "the trial")
        wait_until(lambda: any(one["version"] == 2 for one in rsp.admin("/status")["workers"]), "the canary")
        victim = next(one["pid"] for one in rsp.admin("/status")["workers"] if one["version"] == 2)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: "Reload refused, the running configuration stays: the canary worker has died" in rsp.log)
        wait_until(lambda: {one["version"] for one in rsp.admin("/status")["workers"]} == {1}, "the old version")


def test_listeners_of_a_trial(tmp_path, backend, bad):
    """A new one is there at once, and gone when it is refused; one that is to go stays until all have agreed."""
    new = free_port()
    with Rsp(tmp_path, on_trial(backend.address), workers=3) as rsp:
        text = on_trial(bad.address, "60s").replace('listen "127.0.0.1:{port}"', f'listen "127.0.0.1:{new}"')
        run_load(rsp.port, 8, 200)
        wait_until(lambda: rsp.admin("/status")["totals"]["requests"] == 200, "the counters")
        rsp.write(text)
        rsp.signal(signal.SIGHUP)
        wait_until(lambda: rsp.admin("/status")["trial"], "the trial")
        wait_until(lambda: any(one["version"] == 2 for one in rsp.admin("/status")["workers"]), "the canary")
        for _ in range(12):  # the kernel gives nobody to workers that do not accept there
            assert get(new).startswith(b"HTTP/1.1 500")
        assert {get(rsp.port)[9:12] for _ in range(30)} <= {b"200", b"500"}
        run_load(new, 4, 100)
        wait_until(lambda: "Reload refused" in rsp.log, "the refusal")
        wait_until(lambda: refuses(new), "the new listener to go")
        assert all(get(rsp.port).endswith(b"one") for _ in range(20))


def refuses(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_dry_run_shows_what_would_change(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=1) as rsp:
        assert rsp.rspctl("reload", "--dry-run").stdout == "No changes.\n"
        rsp.write(proxy_to(backend.address, extra='via = "edge"') + 'upstream "more" { "127.0.0.1:1" }')
        done = rsp.rspctl("reload", "--dry-run")
        assert done.returncode == 0
        assert '+via = "edge"' in done.stdout and '+upstream "more" {' in done.stdout
        rsp.write(proxy_to(backend.address) + "\nfunction on_request(req) end")
        lines = rsp.rspctl("reload", "--dry-run").stdout.splitlines()
        assert [line[:10] for line in lines if line.startswith("+") and "+++" not in line] == ["+-- hook: "]
        rsp.write(proxy_to(backend.address, extra='listen "nowhere"'))
        done = rsp.rspctl("reload", "--dry-run")
        assert done.returncode == 1
        assert "A reload would be refused" in done.stderr and '"nowhere": expected' in done.stderr
        assert "Reload" not in rsp.log
        assert rsp.admin("/status")["configuration"]["version"] == 1


def test_names_are_known_before_anybody_serves_them(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        rsp.reload(proxy_to(backend.address.replace("127.0.0.1", "localhost"), extra='reload = { canary = "100ms" }'))
        assert "Reloaded: version 2" in rsp.log
        assert run_load(rsp.port, 4, 50).failures == []


def test_a_file_that_is_replaced_all_the_time(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        good, half = rsp.file.read_text(), "listen"
        stop = threading.Event()

        def writer():
            while not stop.is_set():
                for text in (good, half):
                    other = tmp_path / "other.lua"
                    other.write_text(text)
                    other.replace(rsp.file)

        thread = threading.Thread(target=writer)
        thread.start()
        with background_load(rsp.port, 4) as load:
            for _ in range(30):
                rsp.reload()
        stop.set()
        thread.join()
        assert load.failures == []
        assert rsp.log.count("Reloaded:") + rsp.log.count("Reload refused") == 30


def test_a_trial_ends_when_rsp_stops(tmp_path):
    """It would end in workers that cannot follow, and are killed for that with what they still have to finish."""
    told = threading.Event()

    def late(connection, head, rest):
        told.wait(30)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        return True

    with Backend(late) as backend, Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: backend.heads, "the request")
            rsp.write(on_trial(backend.address) + f' listen "127.0.0.1:{free_port()}"')
            rsp.signal(signal.SIGHUP)
            wait_until(lambda: rsp.admin("/status")["workers"][0]["version"] == 2, "the trial")
            rsp.signal(signal.SIGQUIT)
            wait_until(lambda: "the running configuration stays: rsp is stopping" in rsp.log, "the end of the trial")
            told.set()
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
            assert rsp.process.wait(30) == 0
            assert "failed" not in rsp.log
