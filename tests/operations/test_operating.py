"""What operators do and what happens to them: signals by name, shutdown, users, logs, full disks, no descriptors."""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.harness import (
    Backend,
    Rsp,
    accepts,
    background_load,
    free_port,
    get,
    hanging_backend,
    is_root,
    proxy_to,
    run_load,
    run_rsp,
    wait_until,
)
from tests.operations.tunnels import EchoBackend, Tunnels
from tests.soak import short_and_long


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


def tell(directory, name):
    return run_rsp(directory, "-s", name, "site.lua")


# -- signals by name, and the file that says to whom


@pytest.mark.parametrize("how", ["pid_file", "admin"])
def test_signals_by_name(tmp_path, backend, how):
    extra = f'pid_file = "{tmp_path}/rsp.pid" access_log = "access"' if how == "pid_file" else 'access_log = "access"'
    with Rsp(tmp_path, proxy_to(backend.address, extra=extra), workers=2) as rsp:
        assert tell(tmp_path, "reload").returncode == 0
        wait_until(lambda: "Reloaded: version 2" in rsp.log, "the reload")
        (tmp_path / "access").rename(tmp_path / "access.1")
        assert tell(tmp_path, "reopen").returncode == 0
        wait_until(lambda: (tmp_path / "access").exists(), "the new log")
        assert tell(tmp_path, "quit").returncode == 0
        assert rsp.process.wait(30) == 0
        done = tell(tmp_path, "stop")
        assert done.returncode == 1
        assert done.stderr.startswith("rsp: ") and "Traceback" not in done.stderr


def test_mistakes_with_signals(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=1):
        assert "invalid choice: 'relaod'" in tell(tmp_path, "relaod").stderr
    (tmp_path / "site.lua").write_text('pid_file = "none.pid" admin = "off" listen "1" upstream "a" { "h:1" }')
    assert tell(tmp_path, "stop").stderr == "rsp: none.pid contains no process id; is rsp running?\n"
    (tmp_path / "site.lua").write_text('admin = "off" listen "1" upstream "a" { "h:1" }')
    assert "neither" in tell(tmp_path, "stop").stderr


def test_a_second_master_with_the_same_pid_file(tmp_path, backend):
    path = tmp_path / "rsp.pid"
    with Rsp(tmp_path, proxy_to(backend.address, extra=f'pid_file = "{path}"'), workers=1) as rsp:
        assert path.read_text() == f"{rsp.process.pid}\n"
        assert path.stat().st_mode & 0o777 == 0o644
        (tmp_path / "two").mkdir()
        text = proxy_to(backend.address, extra=f'pid_file = "{path}"').replace("{port}", str(free_port()))
        done = run_rsp(tmp_path / "two", "site.lua", text=text)
        assert done.returncode == 1
        assert f"Cannot start: {path}: another rsp is running (pid {rsp.process.pid})" in done.stderr
        assert rsp.stop() == 0
        assert not path.exists()
    path.write_text("1\n")  # somebody else's by now
    with Rsp(tmp_path, proxy_to(backend.address, extra=f'pid_file = "{path}"'), workers=1) as rsp:
        assert path.read_text() == f"{rsp.process.pid}\n"


# -- shutdown


def test_what_is_cut_is_told(tmp_path):
    with hanging_backend() as backend:
        text = proxy_to(backend.address, extra='timeouts = { shutdown = "1s" }')
        with Rsp(tmp_path, text, workers=1) as rsp:
            clients = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(2)]
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: len(backend.heads) == 2, "the requests to run")
            assert rsp.stop() == 3
            assert "Stopped.  0 requests served.  2 requests were cut." in rsp.log
            assert "timeouts.shutdown has passed; 2 requests were cut" in rsp.log
            for client in clients:
                client.close()


def test_tunnels_that_are_cut_are_told(tmp_path):
    backend = EchoBackend()
    with Rsp(tmp_path, proxy_to(backend.address, extra='timeouts = { shutdown = "1s" }'), workers=1) as rsp:
        tunnels = Tunnels(rsp.port, 3)
        rsp.signal(signal.SIGTERM)
        wait_until(lambda: "Stopping" in rsp.log, "the shutdown")
        assert tunnels.alive() == 3
        assert rsp.process.wait(30) == 0, "no answer was cut"
        assert "3 tunnels were cut." in rsp.log
        tunnels.close()


def test_idle_connections_are_closed_and_running_ones_told(tmp_path):
    backend = EchoBackend()
    backend.delay = 1.0
    with Rsp(tmp_path, proxy_to(backend.address), workers=1) as rsp:
        idle = socket.create_connection(("127.0.0.1", rsp.port))
        busy = socket.create_connection(("127.0.0.1", rsp.port))
        busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: backend.requests == 1, "the request to run")
        rsp.signal(signal.SIGTERM)
        idle.settimeout(10)
        assert idle.recv(10) == b""
        busy.settimeout(10)
        assert b"connection: close" in busy.recv(1000).lower()
        assert rsp.process.wait(30) == 0


# -- users


@pytest.mark.skipif(not is_root(), reason="needs root")
def test_workers_are_never_root_unless_told(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra='access_log = "access"'), workers=2) as rsp:
        children = psutil.Process(rsp.process.pid).children()
        wait_until(lambda: {child.username() for child in children} == {"nobody"}, "all of them to give it up")
        for child in children:
            status = Path(f"/proc/{child.pid}/status").read_text()
            assert "CapEff:\t0000000000000000" in status
        get(rsp.port)
        (tmp_path / "access").rename(tmp_path / "access.1")
        rsp.signal(signal.SIGUSR1)
        wait_until(lambda: (tmp_path / "access").exists(), "the new log, which the master opens")
        wait_until(lambda: get(rsp.port) and (tmp_path / "access").read_text(), "a line in it, when a worker has it")
        rsp.reload(proxy_to(backend.address, extra='access_log = "other"'))
        get(rsp.port)
        wait_until(lambda: (tmp_path / "other").read_text(), "a line in the next one")
    with Rsp(tmp_path, proxy_to(backend.address, extra='user = "root"'), workers=1) as rsp:
        assert psutil.Process(rsp.workers()[0]).username() == "root"


def test_descriptors_are_raised_to_the_hard_limit(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address), workers=1) as rsp:
        limits = Path(f"/proc/{rsp.workers()[0]}/limits").read_text()
        soft, hard = re.search(r"Max open files +(\d+) +(\d+)", limits).groups()
        assert int(soft) == int(hard) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


# -- scarcity


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra='access_log = "/dev/full"'), workers=1) as rsp:
        assert run_load(rsp.port, 8, 500).failures == []
        wait_until(lambda: "Cannot write the access log /dev/full: No space left on device" in rsp.log, "a line")


def test_lines_that_a_pipe_does_not_take_yet_outlive_a_reload(tmp_path, backend):
    port = free_port()
    text = f'admin = "off" listen "127.0.0.1:{port}" upstream "a" {{ "{backend.address}" }} route {{ to = "a" }}'
    (tmp_path / "site.lua").write_text(text)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rsp", "-w", "1", "site.lua"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=log
        )
    try:
        wait_until(lambda: "Started." in (tmp_path / "log").read_text(), "the start")
        assert run_load(port, 8, 2000).good == 2000  # more lines than a pipe holds
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "Reloaded: version 2" in (tmp_path / "log").read_text(), "the reload")
        lines = 0
        while lines < 2000:
            lines += process.stdout.readline().count(b'"GET /load HTTP/1.1" 200')
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize("closed", ["stderr", "all"])
def test_closed_standard_descriptors(tmp_path, backend, closed):
    port = free_port()
    (tmp_path / "site.lua").write_text(
        f'admin = "off" listen "127.0.0.1:{port}" upstream "a" {{ "{backend.address}" }} route {{ to = "a" }}'
    )
    redirections = "2>&-" if closed == "stderr" else "0<&- 1>&- 2>&-"
    process = subprocess.Popen(
        ["sh", "-c", f"exec {sys.executable} -m rsp -w 2 site.lua {redirections}"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: accepts(port), "rsp")
        assert run_load(port, 8, 200).failures == []
        process.send_signal(signal.SIGHUP)
        assert run_load(port, 8, 200).failures == []
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_without_descriptors_it_waits_and_does_not_spin(tmp_path, backend):
    """New clients wait until there is room; one line a second at most says so."""
    extra = "limits = { connections = 1000 }" + (' user = "root"' if is_root() else "")
    with Rsp(tmp_path, proxy_to(backend.address, extra=extra), workers=1) as rsp:
        worker = psutil.Process(rsp.workers()[0])
        assert get(rsp.port).startswith(b"HTTP/1.1 200")
        worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds() + 8, 4096))
        clients = [socket.create_connection(("127.0.0.1", rsp.port)) for _ in range(40)]
        wait_until(lambda: "Cannot accept connections for now: Too many open files" in rsp.log, "the line")
        before, since = worker.cpu_times(), time.monotonic()
        wait_until(lambda: rsp.log.count("Cannot accept") >= 2, "it to try again")
        after = worker.cpu_times()
        assert after.user + after.system - before.user - before.system < 0.3 * (time.monotonic() - since) + 0.1
        assert rsp.log.count("Cannot accept") <= time.monotonic() - since + 3
        worker.rlimit(psutil.RLIMIT_NOFILE, (4096, 4096))
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for client in clients:
            client.settimeout(30)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            client.close()


def test_a_working_directory_that_is_gone(tmp_path, backend):
    place = tmp_path / "gone"
    place.mkdir()
    port = free_port()
    site = tmp_path / "site.lua"
    site.write_text(
        f'admin = "{tmp_path}/admin.sock" listen "127.0.0.1:{port}" upstream "a" {{ "{backend.address}" }} route {{ to = "a" }}'
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "rsp", "-w", "2", str(site)], cwd=place, stderr=log)
    try:
        wait_until(lambda: "Started." in (tmp_path / "log").read_text(), "the start")
        shutil.rmtree(place)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "Reloaded: version 2" in (tmp_path / "log").read_text(), "the reload")
        assert run_load(port, 4, 50).failures == []
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_machine_that_was_asleep(tmp_path, backend):
    """The clock jumps for everybody: nobody is taken for hung."""
    with Rsp(tmp_path, proxy_to(backend.address, extra='worker_timeout = "2s"'), workers=2) as rsp:
        everybody = [psutil.Process(rsp.process.pid), *psutil.Process(rsp.process.pid).children()]
        workers = rsp.workers()
        for one in everybody:
            one.suspend()
        time.sleep(4)  # what is waited for is time itself
        for one in everybody:
            one.resume()
        assert run_load(rsp.port, 8, 200).failures == []
        assert rsp.workers() == workers
        assert "has not responded" not in rsp.log


# -- coming and going under load


@short_and_long("kills", 4, 20)
def test_killed_workers_lose_what_ran_in_them(tmp_path, backend, kills):
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        with background_load(rsp.port, 8, at_least=500) as load:
            for kill in range(kills):
                wait_until(lambda: len(rsp.workers()) == 2, "both workers")
                victim = rsp.workers()[kill % 2]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                wait_until(lambda: victim not in rsp.workers().values(), "its end")  # noqa: B023
                time.sleep(0.7)  # each lives longer than one that dies at once: that is another test
        assert len(load.failures) <= kills * 8
        assert all("Reset" in failure or "Incomplete" in failure for failure in load.failures), load.failures[:3]


def test_from_one_worker_to_eight_and_back(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra="timeouts = { shutdown = 5 }"), workers=1) as rsp:
        with background_load(rsp.port, 16) as load:
            for count in range(2, 9):
                rsp.signal(signal.SIGTTIN)
                wait_until(lambda count=count: len(rsp.workers()) == count, f"{count} workers")
            for count in range(7, 0, -1):
                rsp.signal(signal.SIGTTOU)
                wait_until(lambda count=count: len(rsp.workers()) == count, f"{count} workers")
        assert load.failures == []
        assert all(get(rsp.port).startswith(b"HTTP/1.1 200") for _ in range(50))


# -- no more processes

FORK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
pid_t fork(void) {
  if (access(getenv("NO_FORK"), F_OK) == 0) { errno = EAGAIN; return -1; }
  pid_t (*real)(void) = dlsym(RTLD_NEXT, "fork");
  return real();
}
"""


def test_forks_that_fail_are_tried_again(tmp_path, backend, program, monkeypatch):
    (tmp_path / "fork.c").write_text(FORK)
    library = tmp_path / "fork.so"
    subprocess.run([program("cc"), "-shared", "-fPIC", "-o", library, tmp_path / "fork.c", "-ldl"], check=True)
    flag = tmp_path / "no-fork"
    monkeypatch.setenv("NO_FORK", str(flag))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    with Rsp(tmp_path, proxy_to(backend.address), workers=2) as rsp:
        monkeypatch.delenv("LD_PRELOAD")
        flag.touch()
        rsp.reload()
        assert "Reload refused, the running configuration stays: Resource temporarily unavailable" in rsp.log
        os.kill(rsp.workers()[1], signal.SIGKILL)
        os.kill(rsp.admin("/status")["control"]["pid"], signal.SIGKILL)
        wait_until(lambda: "Worker 1 cannot be started: Resource temporarily unavailable" in rsp.log, "the worker")
        wait_until(lambda: "The control process cannot be started" in rsp.log, "the control process")
        assert all(get(rsp.port).startswith(b"HTTP/1.1 200") for _ in range(20)), "a sibling answers meanwhile"
        flag.unlink()
        wait_until(lambda: len(rsp.workers()) == 2, "the worker to be back")
        wait_until(lambda: (tmp_path / "admin.sock").exists() and rsp.admin("/status")["workers"], "control, too")
        assert run_load(rsp.port, 8, 100).failures == []
