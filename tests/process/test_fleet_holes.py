"""A site in Redis with two nodes: versions that go past a trial, orders whose author dies, versions without files."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rsp.config.engines import Access
from rsp.config.instance import Dns
from rsp.engines.kv import ABSENT
from rsp.engines.kv_stores import open_store
from rsp.nodes.bundle import pack
from rsp.nodes.record import Trial, decode, encode
from rsp.tls.material import Keyring
from tests.fleet_engines import redis
from tests.fleet_lab import Fleet, FleetNode, fleet, version_of
from tests.harness import get, wait_until

SLOW = ("--watch", "60s", "--deadline", "5s", "--first", "a")


def text(body: str, more: str = "") -> str:
    return f'route {{ respond = {{ status = 200, body = "{body}" }} }}\n{more}'


def _begin(site: Fleet) -> None:
    """Two nodes with the first version, which was confirmed without them; nodes that cannot report may serve for all
    that, so that no second one is."""
    first = site.rspctl("rollout", site.write(text("one")))
    assert first.returncode == 0, first.stderr
    said = site.rspctl("rollout", site.write(text("two")))
    assert said.returncode == 1
    assert said.stderr.startswith("rspctl: no node has reported, so the version cannot be tried")
    assert site.rspctl().stdout.startswith(f"version {version_of(first.stdout)}, confirmed")
    for name in "ab":
        site.add(name, started=False)
    for node in site.nodes.values():
        node.wait_started()
    wait_until(lambda: site.rspctl().stdout.count(" serving ") == 2, "they report")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("holes")
    with redis(directory) as server, fleet(directory, f"redis://127.0.0.1:{server.port}/0/rsp/site") as site:
        _begin(site)
        yield site


def bodies(site: Fleet) -> list[str]:
    return [get(node.port).rpartition(b"\r\n\r\n")[2].decode() for node in site.nodes.values()]


def test_only_the_first_version_is_confirmed_without_a_node_that_has_tried_it(site: Fleet) -> None:
    """:func:`_begin` has made sure of it."""
    assert site.rspctl().stdout.count(" serving ") == 2


def test_a_worker_that_dies_ends_a_roll_out(site: Fleet) -> None:
    node = site.nodes["a"]
    process = site.begin("rollout", site.write(text("dies")), *SLOW)
    wait_until(lambda: "a: loaded" in process.said, "it is watched")
    os.kill(node.admin("/status")["workers"][0]["pid"], signal.SIGKILL)
    said = process.end()
    assert "the rollout has failed: a worker of a has died; see the log of that node" in said.stdout
    wait_until(lambda: bodies(site) == ["one", "one"], "back")


def test_files_that_are_no_part_of_a_version(site: Fleet) -> None:
    """On nodes their folder is that of the local copies."""
    (site.directory / "www").mkdir()
    absolute = f'route {{ path = "/b", files = "{site.directory}" }}'
    more = f'route {{ path = "/a", files = "www" }}\n{absolute}'
    said = site.rspctl("rollout", site.write(text("x", more)), "--first", "nonesuch")
    warning = (
        f"warning: {site.directory}/www is not included in the version; use an absolute path that exists on the nodes"
    )
    assert said.stdout.splitlines()[1:] == [warning]


def test_the_control_process_dies_while_one_worker_tries_a_version(site: Fleet) -> None:
    """Its successor knows nothing of the order, so nothing may come of it."""
    node = site.nodes["a"]
    process = site.begin("rollout", site.write(text("two", 'reload = { canary = "4s" }')), *SLOW)
    wait_until(lambda: node.admin("/status")["trial"] is not None, "one worker tries it")
    os.kill(node.admin("/status")["control"]["pid"], signal.SIGKILL)
    assert process.end().returncode == 1
    wait_until(lambda: "Reload" in node.log, "its end")
    assert "Reload refused, the running configuration stays: the control process that ordered it has died" in node.log
    assert bodies(site) == ["one", "one"]


def test_what_one_worker_tries_is_called_off_by_another_roll_out(site: Fleet) -> None:
    """Even where the node has not seen the record in between, which had none."""
    node = site.nodes["a"]
    process = site.begin("rollout", site.write(text("four", 'reload = { canary = "60s" }')), *SLOW)
    wait_until(lambda: node.admin("/status")["trial"] is not None, "one worker tries it")
    version, packed = pack({"site.lua": (site.directory / site.write(text("five"))).read_bytes()})

    async def take_over() -> None:
        async with open_store(site.url, Access(), Dns(), Keyring(), 1 << 20) as keys:
            await keys.put(f"bundles/{version}", packed, ABSENT)
            done = False
            while not done:  # the other one's beats come in between
                now = await keys.get("record")
                assert now is not None
                record = decode(now.data).abort().begin(Trial("f", version, ("a",)))
                done = await keys.put("record", encode(record), now.version)

    asyncio.run(take_over())
    wait_until(lambda: get(node.port).endswith(b"five"), "it tries the other one")
    assert "Reload refused, the running configuration stays: it was cancelled" in node.log
    assert process.end().returncode == 1
    assert site.rspctl("abort").returncode == 0
    wait_until(lambda: bodies(site) == ["one", "one"], "back")


def stored(site: Fleet) -> list[str]:
    """Versions of which the engine has files."""
    port = int(site.url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), 10) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"KEYS rsp/site/bundles/*\r\n")
        count = int(answers.readline()[1:])
        lines = [answers.readline().strip().decode() for _ in range(2 * count)]
    return sorted(line.rpartition("/")[2] for line in lines[1::2])


def test_versions_that_are_refused_or_called_off_leave_nothing_in_the_engine(site: Fleet) -> None:
    process = site.begin("rollout", site.write(text("tried")), *SLOW)
    wait_until(lambda: "a: loaded" in process.said, "it is watched")
    assert site.rspctl("rollout", "--now", site.write(text("refused"))).returncode == 1
    assert len(stored(site)) == 2
    process.process.send_signal(signal.SIGSTOP)
    assert site.rspctl("abort").returncode == 0
    assert stored(site) == [site.nodes["b"].site["stable"]]
    now = site.rspctl("rollout", "--now", site.write(text("one and a half")))
    process.process.send_signal(signal.SIGCONT)
    said = process.end()
    assert "another operator has aborted it" in said.stdout
    assert said.stderr.endswith(f"all nodes have rolled back to version {version_of(now.stdout)}\n")


def test_two_nodes_of_one_name(site: Fleet, tmp_path: Path) -> None:
    twin = FleetNode(tmp_path, site.url, "a")
    try:
        wait_until(lambda: twin.site["reached"], "it follows")
        process = site.begin("rollout", site.write(text("twin")), *SLOW)
        said = process.end()
        wait_until(lambda: len(set(bodies(site))) == 1, "back")
    finally:
        twin.kill()
    assert "a was restarted, or another node uses its name" in said.stdout


def test_back_to_a_version_whose_files_are_gone(site: Fleet) -> None:
    """As Redis does it that evicts keys."""
    before = site.nodes["a"].site["stable"]
    assert site.rspctl("rollout", "--now", site.write(text("three"))).returncode == 0
    wait_until(lambda: bodies(site) == ["three", "three"], "all have it")

    async def lose() -> None:
        async with open_store(site.url, Access(), Dns(), Keyring(), 1 << 20) as keys:
            await keys.delete(f"bundles/{before}")

    asyncio.run(lose())
    said = site.rspctl("rollback")
    assert said.returncode == 1
    assert f"the site does not have version {before[:12]}" in said.stderr
    assert bodies(site) == ["three", "three"]


def test_the_record_is_deleted(site: Fleet) -> None:
    """Nodes serve on, and what comes next is tried by one of them first, as ever."""
    wait_until(lambda: site.rspctl().stdout.count(" serving ") == 2, "they report")
    before = bodies(site)

    async def lose() -> None:
        async with open_store(site.url, Access(), Dns(), Keyring(), 1 << 20) as keys:
            await keys.delete("record")

    asyncio.run(lose())
    assert site.rspctl().stdout.startswith("the record of the site is missing; nodes keep their current version")
    said = site.rspctl("rollout", site.write(text("new")), "--first", "nonesuch")
    assert said.stderr == 'rspctl: no node "nonesuch" has reported; see rspctl fleet\n'
    assert bodies(site) == before
