"""An address that moves between two nodes: keepalived, with deploy/keepalived.conf."""

import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.many_nodes.network import SUBNET, Network, count_of, needs_namespaces
from tests.paths import public_directory

KEEPALIVED = shutil.which("keepalived", path="/usr/sbin:/usr/bin:/sbin")
pytestmark = [
    needs_namespaces,
    pytest.mark.soak,
    pytest.mark.skipif(KEEPALIVED is None, reason="needs keepalived"),
]

ROOT = Path(__file__).parents[2]
ADDRESS = f"{SUBNET}.100"
CONNECTIONS = 8
SITE = """
listen "0.0.0.0:8080"
admin = "admin.sock"
user = "root"
workers = 1
access_log = "off"
ready = "/readyz"
drain_delay = "10s"
route { respond = { body = "NAME" } }
"""


class Two:
    """rsp and keepalived on nodes ``a`` and ``b``, of which ``a`` has the address; a client on a third."""

    def __init__(self, network, directory):
        self.network, self.directory = network, directory
        self.rsp, self.keepalived = {}, {}
        for name, priority in (("a", 100), ("b", 90)):
            (directory / name).mkdir()
            self.serve(name)
            self.guard(name, priority)
        wait_until(lambda: self.network["a"].has(ADDRESS), "node a to have the address")
        wait_until(lambda: "Entering BACKUP STATE" in self.says("b").rpartition("FAULT")[2], "node b to be healthy")

    def serve(self, name):
        folder = self.directory / name
        (folder / "site.lua").write_text(SITE.replace("NAME", name))
        log = (folder / "rsp.log").open("wb")
        command = (sys.executable, "-m", "rsp", "site.lua")
        self.rsp[name] = self.network[name].start(*command, cwd=folder, stdout=log, stderr=log)
        wait_until(lambda: "Started." in (folder / "rsp.log").read_text(), "rsp to start")

    def guard(self, name, priority):
        folder = self.directory / name
        health = folder / "health"
        health.write_text(f"#!/bin/sh\nexec {sys.executable} -m rsp.rspctl -s {folder}/admin.sock health\n")
        health.chmod(0o700)
        text = (ROOT / "deploy" / "keepalived.conf").read_text()
        text = text.replace("/opt/rsp/bin/rspctl -s /run/rsp/admin.sock health", str(health))
        text = re.sub(r"priority \d+", f"priority {priority}", text)
        (folder / "keepalived.conf").write_text(text)
        log = (folder / "keepalived.log").open("wb")
        pids = [f"--pid={folder}/k.pid", f"--vrrp_pid={folder}/v.pid", f"--checkers_pid={folder}/c.pid"]
        command = (KEEPALIVED, "-n", "-l", "-D", "-P", "-f", folder / "keepalived.conf", *pids)
        self.keepalived[name] = self.network[name].start(*command, stdout=log, stderr=log)

    def says(self, name):
        return (self.directory / name / "keepalived.log").read_text()

    def client(self):
        return self.network["client"].visit(ADDRESS, CONNECTIONS, 0.05)

    def moved(self):
        return self.network["b"].has(ADDRESS) and not self.network["a"].has(ADDRESS)


@pytest.fixture
def two():
    with public_directory() as directory, Network("a", "b", "client") as network:
        yield Two(network, Path(directory))


def test_the_address_moves_before_rsp_stops_and_requests_go_on(two):
    client = two.client()
    two.rsp["a"].send_signal(signal.SIGTERM)
    wait_until(two.moved, "the address to move")
    assert two.rsp["a"].poll() is None  # it serves still
    assert two.rsp["a"].wait(30) == 0
    result = count_of(client)
    assert set(result["after"].values()) == {"b"}
    assert sum(result["failed"].values()) <= 8, result  # at most what was under way in that moment


@pytest.mark.parametrize("how", ["cable", "rsp"])
def test_a_node_that_fails_is_replaced(two, how):
    client = two.client()
    began = time.monotonic()
    if how == "cable":
        two.network["a"].cut()
    else:
        two.rsp["a"].kill()
    wait_until(lambda: two.network["b"].has(ADDRESS), "the address to move")
    took = time.monotonic() - began
    for _ in range(CONNECTIONS):
        assert client.stdout.readline() == "b\n"
    result = count_of(client)
    assert set(result["after"].values()) == {"b"}
    print(f"{how}: {took:.2f} s, {result}")
