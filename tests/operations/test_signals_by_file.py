"""``rsp -s`` reaches the master that serves the file that it is given, and no other one."""

import subprocess
import sys

import pytest

from tests.harness import free_port, wait_until

SITE = 'access_log = "off" listen "127.0.0.1:{port}" upstream "app" {{ "127.0.0.1:1" }} route {{ to = "app" }}\n'


# The place by default is one for the whole machine where root runs the tests, so this is another one.
RSP = """
import pathlib, sys
import rsp.ipc.admin_socket
rsp.ipc.admin_socket.directory = lambda: pathlib.Path("sockets").absolute()
from rsp.cli import main
sys.exit(main())
"""


class Instance:
    """An instance whose admin socket is at the place by default."""

    def __init__(self, directory, name):
        self.directory = directory
        self.log = directory / f"{name}.log"
        (directory / name).write_text(SITE.format(port=free_port()))
        with self.log.open("wb") as log:
            command = [sys.executable, "-c", RSP, "-w", "1", name]
            self.process = subprocess.Popen(command, cwd=directory, stderr=log)
        wait_until(lambda: b"Started." in self.log.read_bytes() or self.process.poll() is not None, "the start")
        assert self.process.poll() is None, self.log.read_text()

    def tell(self, name, file):
        command = [sys.executable, "-c", RSP, "-s", name, file]
        return subprocess.run(command, cwd=self.directory, capture_output=True, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


@pytest.mark.soak
def test_a_signal_goes_to_the_master_of_the_file_and_to_no_other(tmp_path):
    with Instance(tmp_path, "site.lua") as site:
        (tmp_path / "p.lua").write_text(SITE.format(port=free_port()))
        done = site.tell("stop", "p.lua")
        assert done.returncode == 1
        assert done.stderr == (
            f"rsp: the running instance (pid {site.process.pid}) serves {tmp_path}/site.lua, not p.lua; "
            "use rspctl -s SOCKET ..., or set pid_file\n"
        )
        (tmp_path / "link.lua").symlink_to("site.lua")
        for name in ("site.lua", "link.lua", str(tmp_path / "site.lua")):  # by any path to it
            done = site.tell("reload", name)
            assert (done.returncode, done.stderr) == (0, f"rsp: sent reload to the master (pid {site.process.pid})\n")
        wait_until(lambda: b"Reloaded: version 2" in site.log.read_bytes(), "the reload")
        with Instance(tmp_path, "other.lua") as other:
            assert "the running instances serve" in site.tell("quit", "p.lua").stderr
            assert site.tell("quit", "other.lua").returncode == 0
            assert other.process.wait(30) == 0
        assert site.process.poll() is None


@pytest.mark.parametrize("title", ["site.lua", "other.lua"])
def test_a_master_that_does_not_say_its_file_is_known_by_its_title(tmp_path, monkeypatch, title):
    from rsp.commands import signals
    from rsp.terminal.instance import Failure

    monkeypatch.chdir(tmp_path)
    script = f"import setproctitle, time; setproctitle.setproctitle('rsp: master {title}'); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as master:
        master.stdout.readline()
        monkeypatch.setattr(signals, "sockets", lambda: ["a.sock"])
        monkeypatch.setattr(signals, "ask", lambda *_: {"master": master.pid, "configuration": {"version": 1}})
        if title == "site.lua":
            assert signals._serving("site.lua") == master.pid
        else:
            with pytest.raises(Failure, match=r"other\.lua, not site\.lua"):
                signals._serving("site.lua")
        master.kill()
