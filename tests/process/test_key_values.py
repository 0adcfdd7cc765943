"""The same promises of keys and versions by etcd, Redis and Consul."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from rsp.config.engines import Access
from rsp.config.instance import Dns
from rsp.engines.failures import Unreachable
from rsp.engines.kv import ABSENT, KeyValue
from rsp.engines.kv_stores import open_store
from rsp.tls.material import Keyring
from tests.fleet_engines import Server, etcd, redis

Play = Callable[[KeyValue], Awaitable[None]]


@pytest.fixture(scope="module", params=["etcd", "redis"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp(request.param)
    run: Callable[[Path], object] = {"etcd": etcd, "redis": redis}[request.param]
    with run(directory) as server:
        yield f"{request.param}://127.0.0.1:{server.port}{'/0' if request.param == 'redis' else ''}"


def play(url: str, name: str, *steps: Play) -> None:
    """Each step has a client of its own."""

    async def main() -> None:
        for step in steps:
            async with open_store(f"{url}/rsp/{name}", Access(), Dns(), Keyring(), 1 << 20) as keys:
                await step(keys)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_write_is_conditional(url: str) -> None:
    async def writes(keys: KeyValue) -> None:
        assert await keys.get("a") is None
        assert await keys.put("a", b"one", ABSENT)
        assert not await keys.put("a", b"other", ABSENT)
        first = await keys.get("a")
        assert first is not None and first.data == b"one"
        assert await keys.put("a", b"two", first.version)
        assert not await keys.put("a", b"three", first.version)
        second = await keys.get("a")
        assert second is not None and second.data == b"two" and second.version != first.version
        await keys.delete("a")
        assert await keys.get("a") is None
        assert not await keys.put("a", b"three", second.version)
        assert await keys.put("a", b"four", ABSENT)

    play(url, "conditional", writes)


def test_of_many_writers_one_wins(url: str) -> None:
    async def race(keys: KeyValue) -> None:
        for _ in range(5):
            now = await keys.get("key")
            version = now.version if now is not None else ABSENT
            done = await asyncio.gather(*(keys.put("key", b"%d" % each, version) for each in range(20)))
            after = await keys.get("key")
            assert done.count(True) == 1
            assert after is not None and after.data == b"%d" % done.index(True)

    play(url, "race", race)


def test_large_and_binary_values(url: str) -> None:
    async def writes(keys: KeyValue) -> None:
        large = bytes(range(256)) * 1400
        assert await keys.put("large", large, ABSENT)
        found = await keys.get("large")
        assert found is not None and found.data == large

    play(url, "large", writes)


def test_keys_that_vanish(url: str) -> None:
    async def writes(keys: KeyValue) -> None:
        await keys.put_for("nodes/short", b"s", 1)
        await keys.put_for("nodes/long", b"l\n \xff", 60)
        assert await keys.below("nodes", 100) == {"short": b"s", "long": b"l\n \xff"}

    async def kept(keys: KeyValue) -> None:
        await keys.put_for("nodes/short", b"again", 60)
        await keys.put_for("nodes/gone", b"g", 60)
        await keys.leave("nodes/gone")
        assert await keys.below("nodes", 100) == {"short": b"again", "long": b"l\n \xff"}

    async def vanishing(keys: KeyValue) -> None:
        await keys.put_for("nodes/last", b"x", 1)
        while "last" in await keys.below("nodes", 100):
            await asyncio.sleep(0.1)

    play(url, "vanish", writes, vanishing)
    play(url, "stay", writes, kept)


def test_changes_are_told_at_once(url: str) -> None:
    async def watch(keys: KeyValue) -> None:
        assert await keys.put("key", b"1", ABSENT)
        held = await keys.get("key")
        assert held is not None
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await keys.changed("key", held.version, 0.3)
        assert loop.time() - begun >= 0.29
        waiting = asyncio.ensure_future(keys.changed("key", held.version, 20))
        await asyncio.sleep(0.05)
        assert await keys.put("key", b"2", held.version)
        await asyncio.wait_for(waiting, 3)
        await asyncio.wait_for(keys.changed("key", held.version, 20), 3)  # it has happened before

    play(url, "changes", watch)


def test_a_key_that_comes_is_told(url: str) -> None:
    async def watch(keys: KeyValue) -> None:
        waiting = asyncio.ensure_future(keys.changed("key", ABSENT, 20))
        await asyncio.sleep(0.05)
        assert await keys.put("key", b"2", ABSENT)
        await asyncio.wait_for(waiting, 3)

    play(url, "comes", watch)


def test_an_engine_that_is_gone_or_hangs(tmp_path: Path) -> None:
    """Each call ends in time, and works again afterwards."""

    async def main(server: Server, url: str) -> None:
        access = Access(timeout=1.0)  # type: ignore[arg-type]
        async with open_store(url, access, Dns(), Keyring(), 1 << 20) as keys:
            assert await keys.put("a", b"1", ABSENT)
            server.pause()
            for call in (keys.get("a"), keys.below("b", 10), keys.put_for("b/c", b"", 10), keys.put("a", b"", "1")):
                with pytest.raises(Unreachable):
                    await asyncio.wait_for(call, 5)
            server.resume()
            while True:
                try:
                    assert await keys.get("a") is not None
                    break
                except Unreachable:
                    await asyncio.sleep(0.05)

    for name, run, path in (("etcd", etcd, "/rsp"), ("redis", redis, "/0/rsp")):
        directory = tmp_path / name
        directory.mkdir()
        with run(directory) as server:
            asyncio.run(asyncio.wait_for(main(server, f"{name}://127.0.0.1:{server.port}{path}"), 30))
