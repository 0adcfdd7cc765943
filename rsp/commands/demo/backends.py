"""The processes of the demo's backends: one for each, so that the page can kill it while the others go on."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from rsp.commands.demo import ports
from rsp.commands.demo.parents import ends_with_parent

NAMES: Final = ("ada", "bob", "eve")
PORTS: Final = (9001, 9002, 9003)


class Backends:
    """``ports``: of those that are to run, by name."""

    def __init__(self, chosen: Sequence[int]) -> None:
        self.ports = dict(zip(NAMES, chosen, strict=True))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._arrange = ends_with_parent(signal.SIGKILL)

    def start(self) -> list[str]:
        """The names of those whose port another program has; rsp will send its requests there."""
        taken = []
        for name in list(self.ports):
            try:
                self.revive(name)
            except OSError:
                taken.append(name)
                del self.ports[name]
        return taken

    def runs(self, name: str) -> bool:
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def kill(self, name: str) -> None:
        """As ``kill -9`` does: requests that it is answering get no answer from it."""
        if self.runs(name):
            self._processes[name].kill()
            self._processes[name].wait()

    def revive(self, name: str) -> None:
        """It accepts connections from now on.  Raises :class:`OSError` where another program has its port."""
        if self.runs(name):
            return
        port = self.ports[name]
        with ports.listening(port) as sock:
            descriptor = sock.fileno()
            self._processes[name] = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "rsp.commands.demo.backend", name, str(port), str(descriptor)],
                stdin=subprocess.DEVNULL,
                pass_fds=[descriptor],
                process_group=0,
                preexec_fn=self._arrange,
            )

    def end(self) -> None:
        for name in self._processes:
            self.kill(name)

    def __str__(self) -> str:
        return ", ".join(f"{name} on port {port}" for name, port in self.ports.items()) or "none"
