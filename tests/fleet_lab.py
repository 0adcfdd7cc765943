"""Nodes of one site as processes, and ``rspctl fleet`` for them."""

import os
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.harness import Rsp, wait_until
from tests.ports import free_port
from tests.starts import Like, start

_IMPORTED = ["rsp.terminal.fleet_rollout", "rsp.engines.kv_etcd", "rsp.engines.kv_redis", "rsp.engines.kv_consul"]


class FleetNode(Rsp):
    """``name``: the node's.  The configuration comes from the site; it listens where ``os.getenv("PORT")`` says.
    ``extra``: of the environment."""

    def __init__(
        self, directory: Path, url: str, name: str, extra: dict[str, str] | None = None, *, started: bool = True
    ) -> None:
        self._extra = extra or {}
        self._successor = 0
        self.directory = directory / name
        self.directory.mkdir(exist_ok=True)
        self.url, self.name = url, name
        self.port = free_port()
        self.stderr, self.stdout = self.directory / "stderr", self.directory / "stdout"
        self.start(started=started)

    def start(self, *, started: bool = True) -> None:
        self._starts = self.log.count("Started.") if self.stderr.exists() else 0
        environment = {
            **os.environ, "RSP_STATE": str(self.directory / "state"), "RSP_NODE": self.name, "PORT": str(self.port),
            "ADMIN": str(self.directory / "admin.sock"), **self._extra,
        }  # fmt: skip
        with self.stderr.open("ab") as stderr, self.stdout.open("ab") as stdout:
            self.process = start(self.directory, ["-w", "1", self.url], stdout, stderr, "", Like(environment))
        if started:
            self.wait_started()

    def wait_started(self) -> None:
        def is_over() -> bool:
            return self.log.count("Started.") > self._starts or self.process.poll() is not None

        wait_until(is_over, "Started")
        assert self.process.poll() is None, self.log

    def upgrade(self) -> None:
        """Its new master is no child of the test; it ends with :meth:`kill`."""
        assert self.rspctl("upgrade").returncode == 0
        self._successor = self.admin("/status")["master"]

    def kill(self) -> None:
        if self._successor:
            os.kill(self._successor, signal.SIGKILL)  # its children end by themselves
            wait_until(lambda: not psutil.pid_exists(self._successor), "the successor is gone")
            self._successor = 0
        if self.process.poll() is None:
            super().kill()

    @property
    def site(self) -> dict:
        return self.admin("/status")["site"]


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Command:
    """``rspctl`` under way."""

    def __init__(self, directory: Path, arguments: list[str], environment: dict[str, str]) -> None:
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            self._files = [os.fdopen(os.dup(file.fileno()), "rb") for file in (stdout, stderr)]
            self.process = start(directory, arguments, stdout, stderr, "", Like(environment, "rsp.rspctl", _IMPORTED))

    def poll(self) -> int | None:
        return self.process.poll()

    @property
    def said(self) -> str:
        """To its standard output, up to now."""
        return os.pread(self._files[0].fileno(), 1 << 20, 0).decode()

    def end(self, patience: float = 120) -> Done:
        """Wait for it."""
        status = self.process.wait(patience)
        texts = []
        for file in self._files:
            with file:
                file.seek(0)
                texts.append(file.read().decode())
        return Done(status, *texts)


class Fleet:
    """``url``: of the site.  ``operator`` and ``node``: more of the environment of ``rspctl`` and of nodes."""

    def __init__(self, directory: Path, url: str, operator: dict[str, str], node: dict[str, str]) -> None:
        self.directory, self.url = directory, url
        self._operator, self._node = operator, node
        self.nodes: dict[str, FleetNode] = {}

    def write(self, text: str, name: str = "site.lua") -> str:
        lines = 'listen("127.0.0.1:" .. os.getenv("PORT"))\nadmin = os.getenv("ADMIN")\n'
        (self.directory / name).write_text(lines + text)
        return name

    def add(self, name: str, *, started: bool = True) -> FleetNode:
        self.nodes[name] = FleetNode(self.directory, self.url, name, self._node, started=started)
        return self.nodes[name]

    def rspctl(self, *arguments: str) -> Done:
        return self.begin(*arguments).end()

    def begin(self, *arguments: str) -> "Command":
        environment = {"RSP_SITE": self.url, "PORT": "1", "ADMIN": "unused.sock", **self._operator}
        return Command(self.directory, ["fleet", *arguments], environment)

    def running(self) -> dict[str, str]:
        """The version that each node runs, by what it says itself."""
        return {name: node.site["running"][:12] for name, node in self.nodes.items()}

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()


def version_of(said: str) -> str:
    """Of what ``rollout`` has printed."""
    found = re.match(r"version ([0-9a-f]{12}):", said)
    assert found, said
    return found[1]


@contextmanager
def fleet(
    directory: Path, url: str, operator: dict[str, str] | None = None, node: dict[str, str] | None = None
) -> Iterator[Fleet]:
    made = Fleet(directory, url, operator or {}, node or {})
    try:
        yield made
    finally:
        for name, node in made.nodes.items():  # shown by pytest where a test has failed
            print(f"-- {name}", node.log, sep="\n")
        made.close()
        for name, node in made.nodes.items():
            assert "Unexpected" not in node.log, (name, node.log)
