"""USR2: a new master takes over, or does not; either way nobody notices."""

import contextlib
import os
import signal
import socket

import psutil
import pytest

from tests.harness import Backend, Rsp, background_load, get, proxy_to, run_load, run_rsp, wait_until
from tests.operations.tunnels import EchoBackend, Tunnels
from tests.soak import short_and_long


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


class Upgradable(Rsp):
    """Its master changes; ``pid`` is the one that serves."""

    def __init__(self, directory, text, workers=2):
        super().__init__(directory, text + f' pid_file = "{directory}/rsp.pid"', workers)

    @property
    def pid(self):
        return int((self.directory / "rsp.pid").read_text())

    def upgrade(self):
        before = self.pid
        os.kill(before, signal.SIGUSR2)
        wait_until(lambda: self.pid != before, "the new master")
        return before

    def __exit__(self, *given):
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            master = psutil.Process(self.pid)
            for one in (*master.children(recursive=True), master):
                one.kill()
        super().__exit__(*given)


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@short_and_long("upgrades", 3, 10)
def test_upgrades_under_load_lose_nothing(tmp_path, backend, upgrades):
    with Upgradable(tmp_path, proxy_to(backend.address, extra="timeouts = { shutdown = 5 }")) as rsp:
        with background_load(rsp.port, 16, at_least=500) as load:
            old = [rsp.upgrade() for _ in range(upgrades)]
            wait_until(lambda: all(is_gone(pid) for pid in old), "the old masters to leave")
        assert load.failures == []
        assert rsp.log.count("Upgraded: the new master") == upgrades
        assert len(psutil.Process(rsp.pid).children()) == 3
        assert rsp.process.wait(30) == 0
        assert run_load(rsp.port, 8, 100).failures == []
        os.kill(rsp.pid, signal.SIGTERM)
        wait_until(lambda: not (tmp_path / "rsp.pid").exists(), "the last one to stop")
        assert not (tmp_path / "admin.sock").exists()


def test_tunnels_stay_until_the_deadline(tmp_path):
    backend = EchoBackend()
    with Upgradable(tmp_path, proxy_to(backend.address, extra='timeouts = { shutdown = "60s" }')) as rsp:
        tunnels = Tunnels(rsp.port, 50)
        first = rsp.upgrade()
        assert tunnels.alive() == 50
        assert get(rsp.port).endswith(b"ok")
        tunnels.close()
        wait_until(lambda: is_gone(first), "the old master, which has nothing left to do")
        assert rsp.process.wait(30) == 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [("x = = 1", "it ended with status 1"), ('listen "192.0.2.1:80" upstream "a" { "h:1" }', "it ended with status 1")],
)
def test_a_new_master_that_does_not_come_up_changes_nothing(tmp_path, backend, damage, said):
    with Upgradable(tmp_path, proxy_to(backend.address)) as rsp:
        with background_load(rsp.port, 8) as load:
            rsp.file.write_text(damage)
            done = rsp.rspctl("upgrade")
            assert done.returncode == 1
            assert f"Upgrade failed: {said}.  The running master continues." in done.stderr
            assert rsp.pid == rsp.process.pid
        assert load.failures == []
        assert not rsp.admin("/status")["last"]["good"]
        rsp.write(proxy_to(backend.address) + f' pid_file = "{tmp_path}/rsp.pid"')
        done = rsp.rspctl("upgrade")
        assert done.returncode == 0 and f"Upgraded: the new master (pid {rsp.pid}) has taken over." in done.stdout
        wait_until(lambda: rsp.process.poll() == 0, "the old one to leave")


def test_a_new_master_that_hangs_or_is_killed_changes_nothing(tmp_path, backend):
    with Upgradable(tmp_path, proxy_to(backend.address)) as rsp:
        with background_load(rsp.port, 8) as load:
            rsp.signal(signal.SIGUSR2)
            wait_until(lambda: "starting a new master" in rsp.log, "the start")
            known = {*rsp.workers().values(), rsp.admin("/status")["control"]["pid"]}
            for child in psutil.Process(rsp.process.pid).children():
                if child.pid not in known:
                    child.kill()
            wait_until(lambda: "Upgrade failed: it was killed by signal 9" in rsp.log, "the failure")
        assert load.failures == []
        assert get(rsp.port).endswith(b"one")


def test_what_operators_order_during_an_upgrade_is_not_lost(tmp_path, backend):
    with Backend() as two, Upgradable(tmp_path, proxy_to(backend.address, two.address)) as rsp:
        rsp.admin("/drain", {"peer": backend.address})
        rsp.admin("/weight", {"peer": backend.address, "weight": 3})
        before = rsp.pid
        os.kill(before, signal.SIGUSR2)
        wait_until(lambda: "Upgrading: starting a new master" in rsp.log, "the upgrade")
        rsp.admin("/drain", {"peer": two.address})
        rsp.admin("/weight", {"peer": two.address, "weight": 7})
        rsp.admin("/enable", {"peer": backend.address})
        rsp.admin("/weight", {"peer": backend.address})
        assert "Started" not in rsp.log.partition("Upgrading:")[2]  # else nothing is tested
        wait_until(lambda: rsp.pid != before and is_gone(before), "the new master")
        peers = {address: (each["state"], each["weight"]) for address, each in rsp.peers().items()}
        assert peers == {backend.address: ("up", 1), two.address: ("drained", 7)}


def test_what_is_known_outlives_the_code(tmp_path, backend):
    """An operator's drain and weight, a sticky client's peer, and the file of a unix socket."""
    with Backend(name="two") as two:
        text = proxy_to(backend.address, two.address).replace(
            f'"{two.address}" }}', f'"{two.address}", sticky = true }}'
        )
        text += f' listen "unix:{tmp_path}/web.sock"'
        with Upgradable(tmp_path, text, workers=1) as rsp:
            first = get(rsp.port)
            cookie = next(line for line in first.split(b"\r\n") if line.lower().startswith(b"set-cookie"))
            pair = cookie.split(b":", 1)[1].split(b";")[0].strip()
            assert rsp.rspctl("weight", two.address, "7").returncode == 0
            assert rsp.rspctl("drain", two.address, "--within", "1h").returncode == 0
            old = rsp.upgrade()
            wait_until(lambda: is_gone(old), "the old master")
            peers = rsp.peers()
            assert peers[two.address]["state"] == "drained" and peers[two.address]["weight"] == 7
            request = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: %b\r\nConnection: close\r\n\r\n" % pair
            for _ in range(4):
                with socket.create_connection(("127.0.0.1", rsp.port)) as client:
                    client.sendall(request)
                    client.settimeout(30)
                    answer = b""
                    while data := client.recv(1000):
                        answer += data
                assert answer.endswith(first[-3:])
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / "web.sock"))
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
            os.kill(rsp.pid, signal.SIGTERM)
            wait_until(lambda: not (tmp_path / "web.sock").exists(), "its end")


def test_a_predecessor_that_is_none(tmp_path, backend, monkeypatch):
    (tmp_path / "site.lua").write_text('listen "127.0.0.1:0" upstream "a" { "h:1" }')
    for number in ("99", "1"):
        monkeypatch.setenv("RSP_UPGRADE", number)
        done = run_rsp(tmp_path, "site.lua")
        assert done.returncode == 1
        assert "Cannot start: cannot take over from the running master: " in done.stderr
        assert "Traceback" not in done.stderr


def test_more_or_fewer_workers_after_it(tmp_path, backend):
    with Upgradable(tmp_path, proxy_to(backend.address, extra="workers = 4"), workers=None) as rsp:
        with background_load(rsp.port, 16) as load:
            for count in (1, 3):
                rsp.write(proxy_to(backend.address, extra=f"workers = {count}") + f' pid_file = "{tmp_path}/rsp.pid"')
                old = rsp.upgrade()
                wait_until(lambda: is_gone(old), "the old master")  # noqa: B023
                assert len(psutil.Process(rsp.pid).children()) == count + 1
                assert all(get(rsp.port).startswith(b"HTTP/1.1 200") for _ in range(40))
        assert load.failures == []
