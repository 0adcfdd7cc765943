"""Five instances of rsp on nodes of their own, whose peers are in a cluster of three etcd; everything in it fails in turn.

No client's request fails, and a change of the peers reaches all instances soon.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.many_nodes.etcd_nodes import Etcd, skewed
from tests.many_nodes.network import Network, count_of, needs_namespaces
from tests.paths import public_directory

pytestmark = [
    needs_namespaces,
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which("etcd") is None, reason="needs etcd"),
]

ROOT = Path(__file__).parents[2]
NODES = ["n1", "n2", "n3", "n4", "n5"]
MEMBERS = ["e1", "e2", "e3"]
SITE = """
listen "0.0.0.0:8080"
admin = "admin.sock"
user = "root"
workers = 1
access_log = "off"
upstream "app" { discover = "etcd://ETCD/services/app/" }
route { to = "app" }
"""


class Lab:
    def __init__(self, network: Network, directory: Path) -> None:
        self.network, self.directory = network, directory
        apps = network["apps"].start(
            sys.executable, "-m", "tests.many_nodes.backends", *range(8001, 8041), stdout=subprocess.PIPE, cwd=ROOT
        )
        assert apps.stdout.readline() == b"ready\n"
        self.etcd = Etcd(network, MEMBERS, "client", directory, {"e2": "+2h"})
        for port in (8001, 8002, 8003):
            self.etcd.put(str(port), f"{network['apps'].address}:{port}")
        for number, name in enumerate(NODES):
            self.serve(name, f"-{number}h" if number else None)
        self.clients = [self.client(name) for name in NODES]

    def serve(self, name: str, skew: str | None) -> None:
        folder = self.directory / name
        folder.mkdir()
        (folder / "site.lua").write_text(SITE.replace("ETCD", self.etcd.url))
        log = (folder / "rsp.log").open("wb")
        command = (sys.executable, "-m", "rsp", "site.lua")
        self.network[name].start(*command, cwd=folder, stdout=log, stderr=log, env=skewed(skew))
        wait_until(lambda: "Started." in self.log(name), "rsp to start")

    def log(self, name: str) -> str:
        return (self.directory / name / "rsp.log").read_text()

    def client(self, name: str) -> subprocess.Popen:
        return self.network["client"].visit(self.network[name].address, 4, 0.02)

    def peers(self, name: str) -> set[str]:
        done = subprocess.run(
            ["curl", "-sS", "-m", "5", "--unix-socket", "admin.sock", "http://rsp/peers"],
            cwd=self.directory / name, capture_output=True, text=True,
        )  # fmt: skip
        return {each["peer"].rpartition(":")[2] for each in json.loads(done.stdout)["peers"]}

    def converge(self, nodes: list[str], wanted: set[str], since: float) -> list[float]:
        """When each of them has these peers."""
        took: dict[str, float] = {}

        def all_have() -> bool:
            for name in nodes:
                if name not in took and self.peers(name) == wanted:
                    took[name] = time.monotonic() - since
            return len(took) == len(nodes)

        wait_until(all_have, "all nodes to have the change", 30)
        return list(took.values())

    def counts(self) -> tuple[int, dict]:
        results = [count_of(client) for client in self.clients]
        failed: dict[str, int] = {}
        for result in results:
            for reason, count in result["failed"].items():
                failed[reason] = failed.get(reason, 0) + count
        return sum(result["good"] for result in results), failed


@pytest.fixture
def lab():
    with public_directory() as directory, Network(*NODES, *MEMBERS, "apps", "client") as network:
        yield Lab(network, Path(directory))


def test_everything_fails_in_turn(lab):
    has = {"8001", "8002", "8003"}
    apps = lab.network["apps"].address
    figures: dict[str, list[float]] = {}

    def change(what: str, nodes: list[str] = NODES, port: str = "") -> None:
        began = time.monotonic()
        port = port or str(max(map(int, has)) + 1)
        if port in has:
            lab.etcd.delete(port)
            has.remove(port)
        else:
            lab.etcd.put(port, f"{apps}:{port}")
            has.add(port)
        figures.setdefault(what, []).extend(lab.converge(nodes, has, began))

    lab.converge(NODES, has, time.monotonic())
    for port in ("8011", "8012", "8013", "8011", "8012", "8013"):
        time.sleep(1)
        change("all is well", port=port)
    leader = lab.etcd.leader()
    lab.etcd.processes[leader].kill()
    change("the leader was killed")
    lab.etcd.start(leader)
    wait_until(lambda: lab.etcd.ask("/maintenance/status", {}, leader), "the member to be back")
    members = [lab.network[name] for name in MEMBERS]
    lab.network["n3"].lose(*members)
    time.sleep(1)
    change("a node is cut off", [name for name in NODES if name != "n3"])
    time.sleep(5)
    assert lab.peers("n3") != has
    lab.network["n3"].find(*members)
    figures["the node after the cut"] = lab.converge(["n3"], has, time.monotonic())
    for name in MEMBERS:
        lab.network[name].cut()
    time.sleep(8)
    for name in MEMBERS:
        lab.network[name].heal()
    healed = time.monotonic()
    wait_until(lab.etcd.leader, "a leader")
    figures["etcd: a leader after it was cut off"] = [time.monotonic() - healed]
    change("etcd was cut off")
    lab.etcd.limp(3)
    change("etcd was slow")
    for port in ("8021", "8022", "8023"):
        change("changes one after the other", port=port)
    good, failed = lab.counts()
    for what, times in figures.items():
        print(f"{what}: {statistics.median(times):.2f} s ({max(times):.2f})")
    print(good, failed)
    assert not failed
    assert statistics.median(figures["all is well"]) < 1.0
    assert figures["the node after the cut"][0] < 3.0
