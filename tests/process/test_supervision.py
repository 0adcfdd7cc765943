"""Workers that die, hang and crash; masters that die; reloads, scaling, shutdown: under load, by counting."""

import os
import re
import signal
import socket
import threading
import time

import psutil
import pytest

from tests.harness import (
    Backend,
    Rsp,
    background_load,
    exchange,
    free_port,
    get,
    hanging_backend,
    is_root,
    proxy_to,
    receive,
    run_load,
    run_rsp,
    wait_until,
)
from tests.paths import ROOT


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


def test_its_end_says_what_a_worker_has_used(tmp_path, backend):
    figures = free_port()
    with Rsp(tmp_path, f'metrics = "127.0.0.1:{figures}" {proxy_to(backend.address)}', workers=1) as rsp:

        def measured() -> bool:
            get(rsp.port)
            found = re.search(
                rb'rsp_process_cpu_seconds\{process="worker 0"\} (\S+)', get(figures, "/metrics", "127.0.0.1")
            )
            return found is not None and float(found[1]) > 0.05

        wait_until(measured, "its processor time")
        os.kill(rsp.workers()[0], signal.SIGKILL)
        wait_until(lambda: "was killed by signal 9" in rsp.log, "its end")
        assert re.search(r"signal 9 \((?!0\.0)\d+\.\d s CPU, [1-9]\d* MB\)", rsp.log)


@pytest.mark.alone
def test_a_killed_worker_loses_only_what_it_was_doing(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        with background_load(rsp.port, 32) as load:
            for _ in range(3):
                before = rsp.workers()
                wait_until(lambda: len(rsp.workers()) == 2, "both workers")
                victim = rsp.workers()[0]
                time.sleep(1.1)  # longer than a worker that counts as failed at once
                os.kill(victim, signal.SIGKILL)
                start = time.monotonic()
                wait_until(lambda: rsp.workers().get(0, victim) != victim, "the next incarnation")  # noqa: B023
                assert time.monotonic() - start < 1.0
                assert rsp.workers()[1] == before[1]
        # At most one request for each connection that the dead worker held.
        assert len(load.failures) <= 3 * 32
        assert all("Reset" in failure or "Incomplete" in failure for failure in load.failures), load.failures[:3]
        assert rsp.log.count("was killed by signal 9") == 3


def test_clients_that_wait_in_the_queue_of_a_dead_worker_are_served(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=1) as rsp:
        worker = rsp.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        clients = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(50)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        os.kill(worker, signal.SIGKILL)
        for client in clients:
            with client:
                client.settimeout(30)
                assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_worker_that_hangs_is_shown_and_replaced(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra='worker_timeout = "2s"'), workers=2) as rsp:
        victim = rsp.workers()[1]
        os.kill(victim, signal.SIGSTOP)
        wait_until(lambda: "has not responded" in rsp.log, "the master to notice")
        os.kill(victim, signal.SIGCONT)
        wait_until(lambda: rsp.workers().get(1, victim) != victim, "the replacement")
        assert "Fatal Python error: Aborted" in rsp.log
        assert "worker.py" in rsp.log
        assert run_load(rsp.port, 8, 100).failures == []


def test_a_worker_that_cannot_even_abort_is_killed(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra='worker_timeout = "2s"')) as rsp:
        victim = rsp.workers()[0]
        os.kill(victim, signal.SIGSTOP)
        wait_until(lambda: rsp.workers().get(0, victim) != victim, "the replacement")
        assert run_load(rsp.port, 8, 100).failures == []


def test_a_worker_that_dies_at_once_does_not_spin(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        seen = set()
        stop = threading.Event()

        def assassin():
            while not stop.is_set():
                pid = rsp.workers().get(1)
                if pid:
                    seen.add(pid)
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                time.sleep(0.01)

        thread = threading.Thread(target=assassin)
        thread.start()
        try:
            wait_until(lambda: "restarted in 1.6 s" in rsp.log, "the fifth failure")
            before = psutil.Process(rsp.process.pid).cpu_times()
            # A sibling answers meanwhile whoever the kernel queues at the dead worker's socket.
            started = time.monotonic()
            for _ in range(40):
                assert get(rsp.port).startswith(b"HTTP/1.1 200")
            after = psutil.Process(rsp.process.pid).cpu_times()
            assert after.user - before.user < 0.5 + (time.monotonic() - started) / 2
        finally:
            stop.set()
            thread.join()
        assert len(seen) < 12
        wait_until(lambda: len(rsp.workers()) == 2, "both workers", 60)
        assert run_load(rsp.port, 32, 500).failures == []


def test_workers_end_with_their_master_and_a_new_start_works_at_once(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        workers = list(rsp.workers().values())
        rsp.process.kill()
        rsp.process.wait()
        (tmp_path / "again").mkdir()
        again = Rsp(tmp_path / "again", proxy_to(backend.address).replace("{port}", str(rsp.port)), workers=2)
        with again:
            assert get(rsp.port).startswith(b"HTTP/1.1 200")
            wait_until(lambda: not any(psutil.pid_exists(pid) for pid in workers), "the orphans to leave")
        assert "the master is gone" in rsp.log


def test_ten_reloads_under_load_lose_nothing(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        workers = rsp.workers()
        with background_load(rsp.port, 32, at_least=500) as load:
            for _ in range(10):
                rsp.reload()
        assert load.failures == []
        assert rsp.workers() == workers
        assert rsp.log.count("Reloaded: version") == 10


def test_a_reload_changes_routes_and_listeners(tmp_path, backend):
    other_port = free_port()
    with Backend(name="other") as other, Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        with background_load(rsp.port, 8) as load:
            rsp.reload(proxy_to(other.address) + f'listen "127.0.0.1:{other_port}"')
            assert get(other_port).endswith(b"other")
            assert get(rsp.port).endswith(b"other")
            rsp.reload(proxy_to(backend.address))
        assert load.failures == []
        with pytest.raises(ConnectionRefusedError):
            get(other_port)
        rsp.reload(proxy_to(backend.address) + f'listen "127.0.0.1:{other_port}"')
        old = rsp.workers()
        for victim in old.values():  # those that start later know the new configuration only
            os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: len(rsp.workers()) == 2 and not set(old.values()) & set(rsp.workers().values()), "new workers"
        )
        assert get(rsp.port).endswith(b"one")
        rsp.reload(proxy_to(backend.address))
        with pytest.raises(ConnectionRefusedError):
            get(other_port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x = = 1", "site.lua:1: unexpected symbol"), ('listen "{port}" upstream "a" {}', "no peers"),
     (None, "cannot open site.lua"), ("while true do end", "runs too long")],
)  # fmt: skip
def test_a_bad_reload_keeps_the_old_configuration(tmp_path, backend, text, reason):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        with background_load(rsp.port, 8) as load:
            if text is None:
                rsp.file.unlink()
            rsp.reload(text)
        assert load.failures == []
        assert "Reload refused, the running configuration stays" in rsp.log
        assert reason in rsp.log
        assert get(rsp.port).endswith(b"one")


def test_a_reload_onto_a_busy_port_or_an_impossible_log_is_refused(tmp_path, backend):
    with socket.socket() as busy, Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        rsp.reload(proxy_to(backend.address) + f'listen "127.0.0.1:{busy.getsockname()[1]}"')
        assert "another program listens there" in rsp.log
        rsp.reload(proxy_to(backend.address, extra='access_log = "/no/such/place"'))
        assert "Reload refused, the running configuration stays: access_log: /no/such/place" in rsp.log
        assert get(rsp.port).endswith(b"one")
        rsp.reload(proxy_to(backend.address))
        assert "Reloaded: version 4" in rsp.log


def test_scaling_up_and_down_under_load_loses_nothing(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra="timeouts = { shutdown = 5 }"), workers=1) as rsp:
        with background_load(rsp.port, 16) as load:
            for count in (2, 3, 4):
                rsp.signal(signal.SIGTTIN)
                wait_until(lambda count=count: len(rsp.workers()) == count, f"{count} workers")
            for count in (3, 2, 1):
                rsp.signal(signal.SIGTTOU)
                wait_until(lambda count=count: len(rsp.workers()) == count, f"{count} workers")
            rsp.signal(signal.SIGTTIN)
            wait_until(lambda: len(rsp.workers()) == 2, "2 workers")
        assert load.failures == []
        # New connections reach every socket, that of the workers that have left included.
        assert all(get(rsp.port).startswith(b"HTTP/1.1 200") for _ in range(50))


def test_adopted_sockets_survive_the_death_of_the_worker_that_adopted_them(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=1) as rsp:
        rsp.signal(signal.SIGTTIN)
        wait_until(lambda: len(rsp.workers()) == 2, "2 workers")
        rsp.signal(signal.SIGTTOU)
        wait_until(lambda: list(rsp.workers()) == [0], "1 worker")
        old = rsp.workers()[0]
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: rsp.workers().get(0, old) != old, "the next incarnation")
        assert all(get(rsp.port).startswith(b"HTTP/1.1 200") for _ in range(40))


def test_workers_leave_and_come_back(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=3) as rsp:
        rsp.signal(signal.SIGWINCH)
        wait_until(lambda: not rsp.workers(), "all workers to leave")
        assert rsp.process.poll() is None
        with socket.create_connection(("127.0.0.1", rsp.port)) as waiting:
            waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            rsp.reload()
            waiting.settimeout(30)
            assert waiting.recv(1000).startswith(b"HTTP/1.1 200")
        wait_until(lambda: len(rsp.workers()) == 3, "3 workers")
        assert all(get(rsp.port).startswith(b"HTTP/1.1 200") for _ in range(40))


def test_workers_that_come_back_with_another_configuration_listen_by_it(tmp_path, backend):
    port = free_port()
    with Rsp(tmp_path, proxy_to(backend.address) + f'listen "127.0.0.1:{port}"', workers=2) as rsp:
        rsp.signal(signal.SIGWINCH)
        wait_until(lambda: not rsp.workers(), "all workers to leave")
        rsp.reload(proxy_to(backend.address))
        assert get(rsp.port).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionRefusedError):
            get(port)


def test_a_worker_that_grows_too_large_is_replaced_without_loss(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=1) as rsp:
        before = rsp.workers()[0]
        with background_load(rsp.port, 8) as load:
            rsp.reload(proxy_to(backend.address, extra='max_memory = "1MB"'))
            wait_until(lambda: "more than max_memory" in rsp.log, "the master to notice")
            wait_until(lambda: rsp.workers().get(0, before) != before, "the replacement")
            rsp.reload(proxy_to(backend.address))
        assert load.failures == []


def test_term_finishes_what_runs(tmp_path):
    release = threading.Event()

    def slow(connection, head, rest):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        release.wait(30)
        connection.sendall(b"lf")
        return True

    with Backend(slow) as backend, Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b""
            while not received.endswith(b"ha"):
                received += receive(client, 1000)
            rsp.signal(signal.SIGTERM)
            wait_until(lambda: "Stopping" in rsp.log, "the shutdown to begin")
            release.set()
            while more := client.recv(1000):
                received += more
            assert received.endswith(b"half")
        assert rsp.process.wait(30) == 0
        assert "Stopped." in rsp.log


def test_term_twice_and_int_stop_at_once(tmp_path):
    with hanging_backend() as backend:
        for numbers in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT,)):
            directory = tmp_path / str(len(numbers))
            directory.mkdir()
            with Rsp(directory, proxy_to(backend.address), workers=2) as rsp:
                with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    wait_until(lambda: backend.heads, "the request to run")
                    backend.heads.clear()
                    for number in numbers:
                        rsp.signal(number)
                        wait_until(lambda: "Stopping" in rsp.log, "the first signal")
                    assert rsp.process.wait(10) == 0


def test_a_stop_under_load_cuts_nobody_off(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        with background_load(rsp.port, 16) as load:
            wait_until(lambda: len(backend.heads) > 200, "load")
            assert rsp.stop() == 0
        # Clients were told to close, reconnected, and found nobody.  The kernel resets whoever connects between a
        # worker's last accept and its close; no answer that had begun may be cut.
        cut = [failure for failure in load.failures if "ConnectionRefused" not in failure]
        assert len(cut) <= 2, cut
        assert not any("Incomplete" in failure for failure in cut), cut


@pytest.mark.parametrize(
    ("arguments", "text", "status", "expected"),
    [
        (["site.lua"], "x = = 1", 1, "Error parsing config file: site.lua:1: unexpected symbol"),
        (["/x"], None, 1, "Error parsing config file: cannot open /x: No such file or directory"),
        (["site.lua"], 'listenPort = {} backendAddress = "a" backendPort = "1"', 1, "listenPort must be a string"),
        (["-t", "site.lua"], 'listen "1" upstream "a" { "h:1" }', 0, "site.lua is ok"),
        (["-t", "site.lua"], 'listen "1"', 1, "no upstream"),
        (["site.lua"], 'listen "192.0.2.1:80" upstream "a" { "h:1" }', 1, "cannot listen on 192.0.2.1:80: cannot assign"),
        (["site.lua"], 'listen "unix:/no/such/dir/x" upstream "a" { "h:1" }', 1, "cannot listen on unix:/no/such/dir/x: no such"),
        (["site.lua"], 'listen "127.0.0.1:0" user = "nobody-here" upstream "a" { "h:1" }', 1, 'there is no user "nobody-here"'),
        (["site.lua"], 'listen "127.0.0.1:0" access_log = "/no/x" upstream "a" { "h:1" }', 1, "Cannot start: access_log: /no/x: No such file"),
        (["-w", "0", "site.lua"], "", 2, "expected a number from 1 to 128"),
        ([], None, 2, "no configuration file given; for example: rsp site.lua "),
        (["-s", "reload"], None, 2, "no configuration file given; for example: rsp -s reload site.lua "),
        (["-v"], None, 0, ""),
    ],
)  # fmt: skip
def test_mistakes_at_the_start(tmp_path, arguments, text, status, expected):
    done = run_rsp(tmp_path, *arguments, text=text)
    assert done.returncode == status, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_the_effective_configuration_is_printed(tmp_path):
    done = run_rsp(
        tmp_path, "-T", "site.lua", text='listenPort = "8000" backendAddress = "127.0.0.1" backendPort = "80"'
    )
    assert done.returncode == 0
    assert 'listen { "0.0.0.0:8000"' in done.stdout
    assert 'idle = "75s"' in done.stdout


def test_a_port_in_use(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        (tmp_path / "two").mkdir()
        done = run_rsp(tmp_path / "two", "site.lua", text=rsp.file.read_text())
        assert done.returncode == 1
        said = f"cannot listen on 127.0.0.1:{rsp.port}: another program listens there"
        assert f"Cannot start: site.lua:1: {said}" in done.stderr


def test_unreachable_peers_at_the_start_are_told_and_waited_for(tmp_path):
    port = free_port()
    with Rsp(tmp_path, proxy_to(f"127.0.0.1:{port}", "no-such-host.invalid:80")) as rsp:
        wait_until(lambda: "cannot be reached" in rsp.log and "no-such-host" in rsp.log, "a line for each")
        assert f"Peer 127.0.0.1:{port} cannot be reached: Connection refused" in rsp.log.replace(
            "connection r", "Connection r"
        )
        assert "Peer no-such-host.invalid:80: host name" in rsp.log
        assert get(rsp.port).startswith(b"HTTP/1.1 502")


@pytest.mark.skipif(not is_root(), reason="needs root")
def test_workers_run_as_the_configured_user(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra='user = "nobody"'), workers=2) as rsp:
        for pid in rsp.workers().values():
            assert psutil.Process(pid).username() == "nobody"
        assert get(rsp.port).endswith(b"one")


def test_the_ancestors_form_and_its_started_line(tmp_path, backend):
    text = f'listenPort = "{{port}}"  backendAddress = "127.0.0.1"  backendPort = "{backend.port}"'
    with Rsp(tmp_path, text, workers=None) as rsp:
        assert rsp.log.count(f"Started.  Listening on port {rsp.port}.") == 1
        assert exchange(rsp.port, b"GET / HTTP/1.0\r\n\r\n").endswith(b"one")
        title = " ".join(psutil.Process(rsp.process.pid).cmdline())
        assert title.startswith("rsp: master site.lua")
        assert len(rsp.workers()) == len(os.sched_getaffinity(0))


def test_it_says_whether_it_runs_compiled(tmp_path, monkeypatch):
    monkeypatch.setenv("RSP_PURE", "1")
    assert "data plane: pure Python (RSP_PURE is set)" in run_rsp(tmp_path, "-V").stdout
    monkeypatch.delenv("RSP_PURE")
    built = any((ROOT / "rsp").glob("_compiled.*.so"))
    said = run_rsp(tmp_path, "-V").stdout
    assert ("data plane: compiled" if built else "data plane: pure Python (no compiled modules") in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('listen "127.0.0.1:1" { backlog = 7 }', "backlog = 7"),
        ('listen "127.0.0.1:1" route "/x" { to = "a", strip = true }', 'path = "/x", strip = true'),
        ('listen "127.0.0.1:1" { baklog = 7 }', 'site.lua:1: listen: unknown key "baklog" (did you mean "backlog"?)'),
        ('listen "127.0.0.1:1" "x"', 'site.lua:1: listen: expected a table after "127.0.0.1:1"'),
    ],
)
def test_a_string_and_a_table_behind_a_word(tmp_path, text, expected):
    done = run_rsp(tmp_path, "-T", "site.lua", text=text + ' upstream "a" { "h:1" }')
    assert expected in done.stdout + done.stderr


def test_requests_that_ended_with_a_worker_made_a_later_stop_a_failure(tmp_path):
    with hanging_backend() as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        with socket.create_connection(("127.0.0.1", rsp.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: rsp.admin("/status")["now"]["in_flight"] == 1, "the request")
            victim = rsp.workers()[0]
            os.kill(victim, signal.SIGKILL)
            assert client.recv(1) == b""
        wait_until(lambda: rsp.workers().get(0, victim) != victim, "the next incarnation")
        assert rsp.stop() == 0
        assert "cut" not in rsp.log
