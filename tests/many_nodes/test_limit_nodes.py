"""Five instances on nodes of their own, whose clocks differ, with one limit in a Redis on another node.

The way there is cut, Redis is slow, hangs and is killed: no request fails or waits, and the limit holds by then as it
did before.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.many_nodes.etcd_nodes import skewed
from tests.many_nodes.network import Network, Node, needs_namespaces
from tests.paths import public_directory

pytestmark = [
    needs_namespaces,
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
]

ROOT = Path(__file__).parents[2]
NODES = ["n1", "n2", "n3", "n4", "n5"]
SITE = """
listen "0.0.0.0:8080"
user = "root"
workers = 1
access_log = "off"
store "main" { "redis://REDIS:6379/0", timeout = "1s" }
route { path = "/free", respond = { body = "inside" } }
route { path = "/limited", respond = { body = "inside" }, rate_limit = { rate = "1000r/s", key = "all", cluster = true } }
"""
SECONDS = 5


class Lab:
    def __init__(self, network: Network, directory: Path) -> None:
        self.network, self.directory = network, directory
        self.redis = self._serve_redis()
        for number, name in enumerate(NODES):
            self._serve(name, f"{number - 2:+d}h" if number != 2 else None)

    def _serve_redis(self) -> subprocess.Popen:
        node = self.network["redis"]
        command = ("redis-server", "--bind", node.address, "--protected-mode", "no", "--save", "")
        made = node.start(*command, cwd=self.directory, stdout=subprocess.DEVNULL)
        wait_until(lambda: self._answers(node), "Redis to start")
        return made

    def _answers(self, node: Node) -> bool:
        command = node.command("redis-cli", "-h", node.address, "ping")
        return subprocess.run(command, capture_output=True).stdout == b"PONG\n"

    def _serve(self, name: str, skew: str | None) -> None:
        folder = self.directory / name
        folder.mkdir()
        (folder / "site.lua").write_text(SITE.replace("REDIS", self.network["redis"].address))
        with (folder / "rsp.log").open("wb") as log:
            command = (sys.executable, "-m", "rsp", "site.lua")
            self.network[name].start(*command, cwd=folder, stdout=log, stderr=log, env=skewed(skew))
        wait_until(lambda: "Started." in self.log(name), "rsp to start")

    def log(self, name: str) -> str:
        return (self.directory / name / "rsp.log").read_text()

    def loaded(self) -> subprocess.Popen:
        """2,000 requests a second, for five seconds."""
        places = [f"{self.network[name].address}:8080" for name in NODES]
        client = self.network["client"].start(
            sys.executable,
            "-m",
            "tests.limit_load",
            SECONDS,
            2000,
            *places,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout.readline() == "begins\n"
        return client

    def outcome(self, client: subprocess.Popen) -> dict:
        told = json.loads(client.communicate(timeout=60)[0])
        assert set(told["statuses"]) <= {"200", "429"}
        assert told["longest"] < 1.0  # on a busy machine
        return told


@pytest.fixture
def lab():
    with public_directory() as directory, Network(*NODES, "redis", "client") as network:
        yield Lab(network, Path(directory))


def test_the_limit_holds_whatever_becomes_of_its_store(lab):
    within(lab, 0.02)
    # A node that is cut off admits its fifth, beside all that the others do.
    lone = lab.network["n3"]
    client = lab.loaded()
    lone.lose(lab.network["redis"])
    told = lab.outcome(client)
    assert told["statuses"]["200"] < (1 + 1 / 5) * told["ideal"] * 1.02 + 20
    lone.find(lab.network["redis"])
    wait_until(lambda: "admits 1/5 of each limit by itself" in lab.log("n3"), "the log")
    wait_until(lambda: "hold for all instances again" in lab.log("n3"), "it is back")
    # A server that hangs, and one that is gone: each admits its fifth.
    lab.redis.send_signal(signal.SIGSTOP)
    by_shares(lab)
    lab.redis.send_signal(signal.SIGCONT)
    again(lab, 1)
    within(lab, 0.02)
    lab.redis.kill()
    lab.redis.wait()
    by_shares(lab)
    lab.redis = lab._serve_redis()
    again(lab, 2)
    within(lab, 0.02)
    assert not any("Unexpected" in lab.log(name) for name in NODES)


def within(lab, share):
    told = lab.outcome(lab.loaded())
    assert abs(told["statuses"]["200"] / told["ideal"] - 1) < share, told


def by_shares(lab):
    told = lab.outcome(lab.loaded())
    # Each bucket has 40 ms of the whole limit at first.
    assert 0.85 * told["ideal"] < told["statuses"]["200"] < 1.1 * told["ideal"] + 200, told


def again(lab, times):
    def is_back(name: str) -> bool:
        return lab.log(name).count("hold for all instances again") >= times

    wait_until(lambda: all(is_back(name) for name in NODES), "all of them to be back")
    time.sleep(0.5)
