"""Five nodes that follow a site in etcd: roll-outs, and whatever goes wrong in the middle of one.

Each test begins with whatever version the nodes have: pytest-xdist may give part of the file to another process.
"""

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rsp.config.engines import Access
from rsp.config.instance import Dns
from rsp.engines.kv import ABSENT, KeyValue
from rsp.engines.kv_stores import open_store
from rsp.nodes.bundle import pack
from rsp.nodes.record import Record, encode
from rsp.tls.material import Keyring
from tests.fleet_engines import Server, etcd
from tests.fleet_lab import Fleet, fleet, version_of
from tests.harness import get, wait_until

NAMES = "abcde"
SLOW = ("--watch", "60s", "--deadline", "5s", "--first", "c")


def text(body: str, status: int = 200, more: str = "") -> str:
    rules = "reload = { requests = 20 }"
    return f'{rules}\nroute {{ respond = {{ status = {status}, body = "{body}" }} }}\n{more}'


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Server]]:
    directory = tmp_path_factory.mktemp("fleet")
    with etcd(directory) as server, fleet(directory, f"etcd://127.0.0.1:{server.port}/rsp/site") as site:
        said = site.rspctl("rollout", site.write(text("one")))
        assert said.returncode == 0, said.stderr
        for name in NAMES:
            site.add(name, started=False)
        for node in site.nodes.values():
            node.wait_started()
        yield site, server


@pytest.fixture
def site(parts: tuple[Fleet, Server]) -> Fleet:
    return parts[0]


def bodies(site: Fleet) -> list[str]:
    return [get(node.port).rpartition(b"\r\n\r\n")[2].decode() for node in site.nodes.values()]


def stable(site: Fleet) -> str:
    """The version that all nodes run; they say so a moment after their workers have it."""
    wait_until(lambda: len(set(site.running().values())) == 1, "all run the same")
    return site.running()["a"]


@contextmanager
def load(site: Fleet) -> Iterator[dict[str, Counter[str]]]:
    """Requests at every node, one after the other; their statuses by node."""
    over = threading.Event()
    seen: dict[str, Counter[str]] = {name: Counter() for name in site.nodes}

    def ask() -> None:
        while not over.wait(0.02):
            for name, node in site.nodes.items():
                try:
                    seen[name][get(node.port)[9:12].decode()] += 1
                except OSError as error:
                    seen[name][repr(error)] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_version_goes_from_node_to_node(site: Fleet) -> None:
    before = stable(site)
    with load(site) as seen:
        said = site.rspctl("rollout", site.write(text("two")), "--watch", "1s", "--step", "40%", "--first", "d")
    assert said.returncode == 0, said.stderr
    version = version_of(said.stdout)
    assert said.stdout.splitlines()[1] == "d: loaded"
    assert "4 of 5 nodes: " in said.stdout
    assert said.stdout.endswith(f"version {version} is confirmed\n")
    wait_until(lambda: set(site.running().values()) == {version}, "all have it")
    assert bodies(site) == ["two"] * 5
    assert all(set(each) == {"200"} for each in seen.values()), seen
    listed = site.rspctl()
    assert f"version {version}, confirmed " in listed.stdout
    rows = [line.split() for line in listed.stdout.splitlines()[2:]]
    assert [(row[0], row[1]) for row in rows] == [(name, version) for name in NAMES]
    history = site.rspctl("history").stdout
    assert history.index(version) < history.index(before)


def test_the_same_version_again(site: Fleet) -> None:
    assert site.rspctl("rollout", "--now", site.write(text("same"))).returncode == 0
    wait_until(lambda: bodies(site) == ["same"] * 5, "all have it")
    said = site.rspctl("rollout", site.write(text("same")))
    assert (said.returncode, said.stderr) == (1, f"rspctl: version {stable(site)} is already in use\n")


def test_a_bad_version_is_seen_by_the_first_node_only(site: Fleet) -> None:
    before, had = stable(site), bodies(site)
    with load(site) as seen:
        begun = time.monotonic()
        said = site.rspctl("rollout", site.write(text("bad", 503)), "--watch", "30s", "--first", "b")
        assert time.monotonic() - begun < 30
    assert said.returncode == 1
    assert "the error rate is 100.0%, compared with 0.0% for the others" in said.stdout
    assert said.stderr == f"rspctl: the rollout has failed; all nodes have rolled back to version {before}\n"
    assert seen["b"]["503"] > 0
    assert all(set(seen[name]) == {"200"} for name in "acde"), seen
    assert bodies(site) == had
    assert stable(site) == before


def test_mistakes_never_leave_the_machine(site: Fleet) -> None:
    (site.directory / "bad.lua").write_text('listen "127.0.0.1:1"\nroute { respnd = 200 }\n')
    said = site.rspctl("rollout", "bad.lua")
    assert said.returncode == 1
    assert said.stderr.startswith('rspctl: bad.lua:2: route: unknown key "respnd" (did you mean "respond"?)')


def test_a_node_that_cannot_load_it(site: Fleet) -> None:
    before = stable(site)
    said = site.rspctl("rollout", site.write(text("x", more='if os.getenv("RSP_NODE") then error("not here") end')))
    assert said.returncode == 1
    assert "rejects version " in said.stdout
    assert "site.lua:5: not here" in said.stdout
    assert str(site.directory) not in said.stdout, "names are those of the version"
    assert stable(site) == before
    wait_until(lambda: all(node.site["state"] == "serving" for node in site.nodes.values()), "nothing is left of it")


def begin(site: Fleet, body: str, *more: str):
    """A roll-out that is watched for long, once its first node has the version."""
    process = site.begin("rollout", site.write(text(body)), *SLOW, *more)
    wait_until(lambda: process.poll() is not None or site.nodes["c"].site["state"] == "trying", "it is tried")
    assert process.poll() is None, process.end()
    assert get(site.nodes["c"].port).endswith(body.encode())
    return process


def test_rspctl_is_killed(site: Fleet) -> None:
    """The node goes back by itself; another roll-out takes over."""
    before = stable(site)
    process = begin(site, "three")
    process.process.kill()
    killed = time.monotonic()
    process.end()
    wait_until(lambda: site.nodes["c"].site["running"][:12] == before, "it goes back")
    assert time.monotonic() - killed < 20
    assert site.nodes["c"].site["state"] == "returned"
    wait_until(lambda: "no sign of life from its rspctl for 5 s" in site.rspctl().stdout, "it says why")
    said = site.rspctl("rollout", site.write(text("four")), "--watch", "0s", "--step", "100%")
    assert said.returncode == 0, said.stderr
    assert "waiting 5 s for a sign of life from it" in said.stdout
    assert "took over the abandoned rollout by" in said.stdout
    wait_until(lambda: bodies(site) == ["four"] * 5, "all have it")


def test_two_operators(site: Fleet) -> None:
    before = stable(site)
    first = begin(site, "five")
    second = site.rspctl("rollout", site.write(text("six")))
    assert second.returncode == 1
    assert "is in progress" in second.stderr
    assert site.rspctl("rollback").returncode == 1
    assert first.poll() is None
    assert site.rspctl("abort").returncode == 0
    said = "".join(first.end()[1:])
    assert first.poll() == 1
    assert "another operator has aborted it" in said
    wait_until(lambda: stable(site) == before, "back")
    assert site.nodes["c"].site["state"] == "serving"
    assert site.rspctl("abort").stderr == "rspctl: no rollout is in progress\n"


@pytest.mark.soak
def test_it_is_interrupted(site: Fleet) -> None:
    before = stable(site)
    process = begin(site, "seven")
    process.process.send_signal(signal.SIGINT)
    said = "".join(process.end()[1:])
    assert process.poll() == 1
    assert f"all nodes have rolled back to version {before}" in said
    assert stable(site) == before


def test_the_trial_of_one_worker_is_called_off(site: Fleet) -> None:
    """The end of a roll-out is not held up by it."""
    before, had, node = stable(site), bodies(site), site.nodes["c"]
    canary = text("slow").replace("requests = 20", 'requests = 20, canary = "60s"')
    process = site.begin("rollout", site.write(canary), *SLOW)
    wait_until(lambda: node.admin("/status")["trial"] is not None, "one worker tries it")
    assert site.rspctl("abort").returncode == 0
    wait_until(lambda: "Reload refused, the running configuration stays: it was cancelled" in node.log, "its end")
    assert process.end().returncode == 1
    wait_until(lambda: node.site["state"] == "serving" and node.admin("/status")["trial"] is None, "all is well")
    assert stable(site) == before
    assert bodies(site) == had


def test_back_to_the_version_before(site: Fleet) -> None:
    for body in ("older", "newer"):
        assert site.rspctl("rollout", "--now", site.write(text(body))).returncode == 0
        wait_until(lambda body=body: bodies(site) == [body] * 5, "all have it")
    now = stable(site)
    said = site.rspctl("rollback")
    assert said.returncode == 0, said.stderr
    wait_until(lambda: bodies(site) == ["older"] * 5, "back")
    assert site.rspctl("rollback", now).returncode == 0
    wait_until(lambda: bodies(site) == ["newer"] * 5, "and again")
    assert site.rspctl("rollback", "zz").stderr == 'rspctl: no version begins with "zz"; see rspctl fleet history\n'
    assert site.rspctl("fetch", "stable", "fetched").returncode == 0
    assert 'body = "newer"' in (site.directory / "fetched" / "site.lua").read_text()


NONSENSE = (b"", b"nonsense", b"\xff" * 200_000, b"[" * 100_000, b'{"format": 2}', b'{"stable": "../../etc/passwd"}')


def test_nonsense_in_the_engine(parts: tuple[Fleet, Server]) -> None:
    """Nodes go on with what they have, and say what is wrong; rspctl, too."""
    site, _ = parts
    node, version, had = site.nodes["b"], stable(site), bodies(site)
    known = Record(serial=900).confirm("e" * 64, "x", 1.0)
    forged = Record(serial=901).confirm("f" * 64, "x", 1.0)

    async def play() -> None:
        async with open_store(site.url, Access(), Dns(), Keyring(), 1 << 20) as keys:
            right = await keys.get("record")
            assert right is not None
            for data in NONSENSE:
                await replace(keys, data)
                await until(lambda: not node.site["reached"])
                assert (await asyncio.to_thread(site.rspctl)).returncode == 1
                await replace(keys, right.data)
                await until(lambda: node.site["reached"])
            assert "the record of the site is not valid" in node.log
            assert "has format 2; this version of rsp knows 1" in node.log
            assert await keys.put("bundles/" + "f" * 64, pack({"site.lua": b"listen(1)"})[1], ABSENT)
            for record, said in ((known, "does not have version eeeeeeeeeeee"), (forged, "does not match its name")):
                await replace(keys, encode(record))
                await until(lambda said=said: said in node.log)
            await keys.delete("record")
            await until(lambda: "its record has gone back from write 902 to 0" in node.log)
            await keys.put("record", right.data, ABSENT)

    async def until(condition: Callable[[], object]) -> None:
        await asyncio.to_thread(wait_until, condition)

    async def replace(keys: KeyValue, data: bytes) -> None:
        now = await keys.get("record")
        assert now is not None
        assert await keys.put("record", data, now.version)

    asyncio.run(play())
    assert stable(site) == version
    assert bodies(site) == had
    wait_until(lambda: all(each.site["state"] == "serving" for each in site.nodes.values()), "nothing is left of it")


def test_the_first_node_is_killed(site: Fleet) -> None:
    before = stable(site)
    process = begin(site, "eight")
    site.nodes["c"].kill()
    site.nodes["c"].start()
    said = "".join(process.end()[1:])
    assert process.poll() == 1
    assert "c was restarted" in said or "c has rolled back: it was started in the middle" in said
    wait_until(lambda: stable(site) == before, "it runs what is confirmed")


@pytest.mark.soak
def test_the_control_process_of_a_node_dies(site: Fleet) -> None:
    """Its successor knows nothing of the trial, and begins with what is confirmed."""
    before, had = stable(site), bodies(site)
    process = begin(site, "nine")
    node = site.nodes["c"]
    os.kill(node.admin("/status")["control"]["pid"], signal.SIGKILL)
    said = "".join(process.end()[1:])
    assert process.poll() == 1, said
    wait_until(lambda: stable(site) == before, "back")
    assert bodies(site) == had


def test_an_upgrade_in_the_middle(site: Fleet) -> None:
    before = stable(site)
    process = begin(site, "ten")
    site.nodes["c"].upgrade()
    said = "".join(process.end()[1:])
    assert process.poll() == 1, said
    wait_until(lambda: stable(site) == before, "back")
    assert "c" in site.rspctl().stdout


def test_the_engine_hangs_for_longer_than_the_deadline(parts: tuple[Fleet, Server]) -> None:
    """Nodes go back without it, on their own clocks."""
    site, server = parts
    before = stable(site)
    process = begin(site, "eleven")
    with load(site) as seen:
        server.pause()
        paused = time.monotonic()
        wait_until(lambda: site.nodes["c"].site["running"][:12] == before, "it goes back")
        assert time.monotonic() - paused < 20
        wait_until(lambda: not any(node.site["reached"] for node in site.nodes.values()), "nodes notice")
        server.resume()
        said = "".join(process.end()[1:])
    assert process.poll() == 1
    assert "the engine accepted no write for 5 s" in said or "c has rolled back" in said, said
    assert all(set(each) == {"200"} for each in seen.values()), seen
    wait_until(lambda: all(node.site["reached"] for node in site.nodes.values()), "nodes find it again")
    assert site.rspctl("rollout", "--now", site.write(text("twelve"))).returncode == 0
    wait_until(lambda: bodies(site) == ["twelve"] * 5, "all follow")


def test_the_engine_is_gone(parts: tuple[Fleet, Server]) -> None:
    """Nodes serve on, start from their local copies, and follow again when it is back."""
    site, server = parts
    version, had = stable(site), bodies(site)
    server.kill()
    node = site.nodes["a"]
    assert node.stop() == 0
    node.start()
    assert node.site["running"][:12] == version
    assert f"node a starts with version {version}" in node.log
    assert bodies(site) == had
    assert site.rspctl().returncode == 1
    server.start()
    wait_until(lambda: all(each.site["reached"] for each in site.nodes.values()), "nodes find it again")
    assert site.rspctl("rollout", "--now", site.write(text("thirteen"))).returncode == 0
    wait_until(lambda: bodies(site) == ["thirteen"] * 5, "all follow")


def test_a_confirmed_version_that_one_node_cannot_load(site: Fleet) -> None:
    """It keeps what it has, over a start too, and follows as soon as there is something that it can load."""
    node, before, had = site.nodes["a"], stable(site), bodies(site)[0]
    broken = 'if os.getenv("RSP_NODE") == "a" then error("not on this one") end'
    assert site.rspctl("rollout", "--now", site.write(text("fourteen", more=broken))).returncode == 0
    wait_until(lambda: bodies(site) == [had, *["fourteen"] * 4], "the others have it")
    wait_until(lambda: node.site["state"] == "refused", "it says so")
    assert "site.lua:5: not on this one" in node.site["why"]
    assert "refused (Reload refused" in node.rspctl("status").stdout
    assert node.stop() == 0
    node.start()
    assert f"node a starts with version {before}" in node.log
    assert "site.lua:5: not on this one" in node.log.rpartition("node a starts")[0].splitlines()[-2]
    wait_until(lambda: node.site["state"] == "refused", "it says so again")
    assert get(node.port).endswith(had.encode())
    assert site.rspctl("rollout", "--now", site.write(text("fifteen"))).returncode == 0
    wait_until(lambda: bodies(site) == ["fifteen"] * 5, "all follow")
    wait_until(lambda: node.site["state"] == "serving", "all is well")
