"""Nodes with addresses of their own on one machine: network namespaces on one switch (Linux, root)."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUBNET = "192.0.2"


def _possible() -> bool:
    """A bridge can be made in a namespace: containers often lack the rights, and small kernels the module."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    bridge = ["unshare", "-nm", "ip", "link", "add", "switch", "type", "bridge"]
    return subprocess.run(bridge, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not _possible(), reason="needs root, network namespaces and iproute2")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


class Node:
    """``address``: of its only interface, eth0."""

    def __init__(self, network: "Network", name: str, number: int) -> None:
        self.name, self.address = name, f"{SUBNET}.{number}"
        self.namespace = f"{network.prefix}{name}"
        self._network = network
        self._port = f"p{number}"
        _ip("netns", "add", self.namespace)
        _ip("-n", network.switch, "link", "add", self._port, "type", "veth", "peer", "eth0", "netns", self.namespace)
        _ip("-n", network.switch, "link", "set", self._port, "master", "switch", "up")
        _ip("-n", self.namespace, "link", "set", "lo", "up")
        _ip("-n", self.namespace, "link", "set", "eth0", "up")
        _ip("-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")

    def command(self, *command: object) -> list[str]:
        """``command``, run on this node."""
        return ["ip", "netns", "exec", self.namespace, *map(str, command)]

    def start(self, *command: object, **options: object) -> subprocess.Popen:
        process = subprocess.Popen(self.command(*command), **options)
        self._network.processes.append(process)
        return process

    def visit(self, address: str, connections: int, pause: float) -> subprocess.Popen:
        """A client (``client.py``) on this node, each of whose connections has been answered."""
        command = (sys.executable, "-m", "tests.many_nodes.client", address, 8080, connections, pause)
        client = self.start(*command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while client.stdout.readline() != "begins\n":
            pass
        return client

    def run(self, *command: object) -> str:
        return subprocess.run(self.command(*command), check=True, capture_output=True, text=True, timeout=60).stdout

    def cut(self) -> None:
        """The cable is out."""
        _ip("-n", self._network.switch, "link", "set", self._port, "down")

    def heal(self) -> None:
        _ip("-n", self._network.switch, "link", "set", self._port, "up")

    def lose(self, *others: "Node") -> None:
        """Nothing gets from here to ``others``, nor back."""
        for other in others:
            _ip("-n", self.namespace, "route", "add", "blackhole", f"{other.address}/32")
            _ip("-n", other.namespace, "route", "add", "blackhole", f"{self.address}/32")

    def find(self, *others: "Node") -> None:
        for other in others:
            _ip("-n", self.namespace, "route", "delete", "blackhole", f"{other.address}/32")
            _ip("-n", other.namespace, "route", "delete", "blackhole", f"{self.address}/32")

    def has(self, address: str) -> bool:
        return f" {address}/" in self.run("ip", "-4", "address", "show", "dev", "eth0")


def count_of(client: subprocess.Popen) -> dict:
    """What has become of the requests of a client, which ends."""
    return json.loads(client.communicate("\n", timeout=60)[0].splitlines()[-1])


class Network:
    """Nodes by their names; what runs on them ends with it."""

    def __init__(self, *names: str) -> None:
        self.prefix = f"rsp-{uuid.uuid4().hex[:6]}-"
        self.switch = f"{self.prefix}switch"
        self.processes: list[subprocess.Popen] = []
        self.nodes: dict[str, Node] = {}
        self._names: Sequence[str] = names

    def __enter__(self) -> "Network":
        _ip("netns", "add", self.switch)
        _ip("-n", self.switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", self.switch, "link", "set", "switch", "up")
        for number, name in enumerate(self._names, 1):
            self.nodes[name] = Node(self, name, number)
        return self

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for namespace in (*(node.namespace for node in self.nodes.values()), self.switch):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", namespace)
