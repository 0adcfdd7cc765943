"""A cluster of etcd, a member on each of some nodes."""

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.many_nodes.network import Network

PREFIX = "/services/app/"


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """Asked from node ``by``, so that what is cut elsewhere does not cut the test off."""

    def __init__(self, network: Network, names: list[str], by: str, directory: Path, skew: dict[str, str]) -> None:
        self.network, self.names, self.by = network, names, network[by]
        self.url = ",".join(f"{network[name].address}:2379" for name in names)
        self.processes: dict[str, subprocess.Popen] = {}
        self._directory, self._skew = directory, skew
        for name in names:
            self.start(name)
        wait_until(lambda: self.leader(), "a leader")

    def start(self, name: str) -> None:
        address = self.network[name].address
        peers = ",".join(f"{each}=http://{self.network[each].address}:2380" for each in self.names)
        log = (self._directory / f"{name}.log").open("ab")
        self.processes[name] = self.network[name].start(
            "etcd", "--name", name, "--data-dir", self._directory / name,
            "--listen-client-urls", f"http://{address}:2379", "--advertise-client-urls", f"http://{address}:2379",
            "--listen-peer-urls", f"http://{address}:2380", "--initial-advertise-peer-urls", f"http://{address}:2380",
            "--initial-cluster", peers, "--initial-cluster-state", "new", "--log-level", "error",
            stdout=log, stderr=log, env=skewed(self._skew.get(name)),
        )  # fmt: skip

    def ask(self, path: str, body: dict, name: str = "") -> dict:
        """Of member ``name``, or else of whichever answers."""
        for each in [name] if name else self.names:
            url = f"http://{self.network[each].address}:2379/v3{path}"
            command = self.by.command("curl", "-sS", "-m", "2", "-d", json.dumps(body), url)
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
            if done.returncode == 0 and '"error"' not in done.stdout:
                return json.loads(done.stdout)
        return {}

    def leader(self) -> str | None:
        for name in self.names:
            if self.processes[name].poll() is None:
                status = self.ask("/maintenance/status", {}, name)
                if status and status.get("leader", "0") == status["header"]["member_id"]:
                    return name
        return None

    def put(self, key: str, address: str) -> None:
        wait_until(lambda: self.ask("/kv/put", {"key": _coded(PREFIX + key), "value": _coded(address)}), "a write")

    def delete(self, key: str) -> None:
        wait_until(lambda: self.ask("/kv/deleterange", {"key": _coded(PREFIX + key)}), "a write")

    def limp(self, seconds: float) -> None:
        """Each answer takes up to 0.2 s for so long: the members run for a fifth of the time."""
        running = [process for process in self.processes.values() if process.poll() is None]
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            for process in running:
                process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            for process in running:
                process.send_signal(signal.SIGCONT)
            time.sleep(0.05)


def skewed(by: str | None) -> dict[str, str] | None:
    """An environment whose clock is wrong ``by`` so much, as ``+1h``; the monotonic one is right."""
    if by is None:
        return None
    libraries = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    return dict(os.environ, LD_PRELOAD=str(libraries[0]), FAKETIME=by, FAKETIME_DONT_FAKE_MONOTONIC="1")
