"""Five nodes of one site, a cluster of three etcd, an operator; everything fails in turn while versions are rolled out.

Clocks differ by hours.  No client's request fails but at the node that tries a bad version.
"""

import http.client
import json
import os
import shutil
import socket
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
DEADLINE = 5
SITE = """
listen "0.0.0.0:8080"
admin = os.getenv("ADMIN") or "admin.sock"
user = "root"
workers = 1
access_log = "off"
route {{ respond = {{ status = {status}, body = "{body}" }} }}
"""


class Lab:
    def __init__(self, network: Network, directory: Path) -> None:
        self.network, self.directory = network, directory
        self.etcd = Etcd(network, MEMBERS, "client", directory, {"e2": "+2h"})
        self.url = f"etcd://{self.etcd.url}/rsp/site"
        self.count = 0
        self.stable = self.rolled("--now")  # the version that is confirmed
        for number, name in enumerate(NODES):
            self.serve(name, f"-{number}h" if number else None)
        self.clients = {name: self.client(name) for name in NODES}

    def serve(self, name: str, skew: str | None) -> None:
        folder = self.directory / name
        folder.mkdir()
        own = {"RSP_NODE": name, "RSP_STATE": str(folder / "state"), "ADMIN": str(folder / "admin.sock")}
        with (folder / "rsp.log").open("wb") as log:
            self.network[name].start(
                sys.executable, "-m", "rsp", self.url, cwd=folder, stdout=log, stderr=log,
                env={**(skewed(skew) or os.environ), **own},
            )  # fmt: skip
        wait_until(lambda: "Started." in (folder / "rsp.log").read_text(), "rsp to start")

    def client(self, name: str) -> subprocess.Popen:
        return self.network["client"].visit(self.network[name].address, 4, 0.02)

    # -- the operator

    def begin(self, *options: str, status: int = 200) -> subprocess.Popen:
        """A new version on its way."""
        self.count += 1
        file = self.directory / f"v{self.count}.lua"
        file.write_text(SITE.format(status=status, body=f"v{self.count}"))
        command = (sys.executable, "-m", "rsp.rspctl", "fleet", "--site", self.url, "rollout", *options, file)
        return self.network["desk"].start(
            *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def rolled(self, *options: str) -> str:
        return self.confirmed(self.begin(*options))

    def confirmed(self, process: subprocess.Popen) -> str:
        """Its version."""
        self.stable = self.ended(process).split()[1].rstrip(":")
        return self.stable

    def ended(self, process: subprocess.Popen, *, good: bool = True) -> str:
        said = process.communicate(timeout=120)[0]
        assert (process.returncode == 0) == good, said
        return said

    # -- nodes

    def site(self, name: str) -> dict:
        connection = http.client.HTTPConnection("rsp", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.directory / name / "admin.sock"))
        connection.request("GET", "/status")
        with connection.getresponse() as response:
            return json.loads(response.read())["site"]

    def converge(self, names: list[str], version: str, since: float) -> list[float]:
        """When each of them runs it."""
        took: dict[str, float] = {}

        def all_have() -> bool:
            for name in names:
                if name not in took and self.site(name)["running"].startswith(version):
                    took[name] = time.monotonic() - since
            return len(took) == len(names)

        wait_until(all_have, "all nodes to run it", 60)
        return list(took.values())

    def counts(self) -> dict[str, dict]:
        return {name: count_of(client) for name, client in self.clients.items()}


@pytest.fixture
def lab():
    with public_directory() as directory, Network(*NODES, *MEMBERS, "desk", "client") as network:
        yield Lab(network, Path(directory))


def test_everything_fails_in_turn(lab: Lab) -> None:
    watched = ("--watch", "60s", "--deadline", f"{DEADLINE}s", "--first")
    members = [lab.network[name] for name in MEMBERS]
    figures: dict[str, list[float]] = {}

    def back(what: str, names: list[str], since: float) -> None:
        figures[what] = lab.converge(names, lab.stable, since)

    for _ in range(4):
        version = lab.rolled("--now")
        figures.setdefault("a version for all", []).extend(lab.converge(NODES, version, time.monotonic()))

    rollout = lab.begin("--watch", "2s", "--step", "1")
    wait_until(lambda: any(lab.site(name)["state"] == "trying" for name in NODES), "the first node")
    leader = lab.etcd.leader()
    lab.etcd.processes[leader].kill()
    lab.converge(NODES, lab.confirmed(rollout), time.monotonic())
    lab.etcd.start(leader)

    rollout = lab.begin(*watched, "n3")
    wait_until(lambda: lab.site("n3")["state"] == "trying", "it is tried")
    lab.network["n3"].lose(*members)
    back("the node that tries it is cut off: it is back", ["n3"], time.monotonic())
    lab.ended(rollout, good=False)
    version = lab.rolled("--now")
    lab.network["n3"].find(*members)
    figures["after the cut it has the new version"] = lab.converge(["n3"], version, time.monotonic())

    rollout = lab.begin(*watched, "n2")
    wait_until(lambda: lab.site("n2")["state"] == "trying", "it is tried")
    lab.network["desk"].lose(*members)
    back("the operator is cut off: nodes are back", NODES, time.monotonic())
    lab.network["desk"].find(*members)
    lab.ended(rollout, good=False)

    rollout = lab.begin(*watched, "n1")
    wait_until(lambda: lab.site("n1")["state"] == "trying", "it is tried")
    for name in MEMBERS:
        lab.network[name].cut()
    back("etcd is cut off: nodes are back", NODES, time.monotonic())
    for name in MEMBERS:
        lab.network[name].heal()
    lab.ended(rollout, good=False)

    rollout = lab.begin("--watch", "1s", "--step", "2")
    lab.etcd.limp(5)
    lab.converge(NODES, lab.confirmed(rollout), time.monotonic())

    began = time.monotonic()
    said = lab.ended(lab.begin(*watched, "n5", status=503), good=False)
    figures["a bad version: rspctl has aborted it"] = [time.monotonic() - began]
    back("a bad version: nodes are back", NODES, time.monotonic())
    assert "%, compared with 0.0% for the others" in said
    counts = lab.counts()
    for what, times in figures.items():
        print(f"{what}: {statistics.median(times):.2f} s ({max(times):.2f})")
    print(json.dumps(counts))
    assert not any(counts[name]["failed"] for name in NODES if name != "n5")
    assert counts["n5"]["failed"]
    assert all(" 503 " in reason for reason in counts["n5"]["failed"])
    assert statistics.median(figures["a version for all"]) < 1.0
    assert figures["after the cut it has the new version"][0] < 3.0
