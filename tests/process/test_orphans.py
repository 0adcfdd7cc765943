"""rsp as process 1 of a container, or started by ``exec`` in a script: it has children that it did not start."""

import subprocess
import sys

import psutil

from tests.harness import Backend, free_port, get, proxy_to, wait_until


def test_children_that_the_master_did_not_start_are_reaped(tmp_path):
    """A subreaper, as process 1 is: orphans become its children."""
    port = free_port()
    with Backend() as backend:
        (tmp_path / "site.lua").write_text(
            'admin = "admin.sock" ' + proxy_to(backend.address).replace("{port}", str(port))
        )
        script = 'for i in 1 2 3 4 5; do sleep 0.$i & (sleep 0.$i &) done; exec "$@"'
        become = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
        command = [
            sys.executable,
            "-c",
            become,
            "sh",
            "-c",
            script,
            "sh",
            sys.executable,
            "-m",
            "rsp",
            "-w",
            "1",
            "site.lua",
        ]
        with (tmp_path / "stderr").open("wb") as stderr:
            process = subprocess.Popen(command, cwd=tmp_path, stderr=stderr)
        try:
            wait_until(
                lambda: b"Started." in (tmp_path / "stderr").read_bytes() or process.poll() is not None, "Started"
            )
            wait_until(lambda: all("rsp" in title for title in _titles(process.pid)), "no child but its own")
            assert len(_titles(process.pid)) == 2, "a worker and the control process are not taken for strangers"
            assert get(port).startswith(b"HTTP/1.1 200")
        finally:
            process.terminate()
            assert process.wait(30) == 0


def _titles(pid: int) -> list[str]:
    """Of its children; empty for one that has ended and was not reaped."""
    titles = []
    for child in psutil.Process(pid).children():
        try:
            titles.append(" ".join(child.cmdline()))
        except psutil.ZombieProcess:
            titles.append("")
        except psutil.NoSuchProcess:
            pass
    return titles
