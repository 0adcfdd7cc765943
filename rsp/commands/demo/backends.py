"""The processes of the demo's backends: one for each, so that the page can kill it while the others go on."""

import signal
import subprocess
import sys
from errno import EADDRINUSE
from typing import Final

from rsp.commands.demo import ports
from rsp.system.parents import ends_with_parent

PORTS: Final = {"ada": 9001, "bob": 9002, "eve": 9003}


class Backends:
    """``ports``: of those that have been started, by name."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._arrange = ends_with_parent(signal.SIGKILL)

    def start_anywhere(self) -> None:
        """On the usual ports where these are free, else on others."""
        for name, usual in PORTS.items():
            if not any(self._starts(name, port) for port in ports.candidates(usual)):
                raise OSError(EADDRINUSE, f"no port from {usual} on is free")

    def start(self) -> list[str]:
        """On the usual ports.  The names of those whose port another program has; rsp sends its requests there."""
        return [name for name, port in PORTS.items() if not self._starts(name, port)]

    def _starts(self, name: str, port: int) -> bool:
        self.ports[name] = port
        try:
            self.revive(name)
        except OSError:
            del self.ports[name]
            return False
        return True

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
