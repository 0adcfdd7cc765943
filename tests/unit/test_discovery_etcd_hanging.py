"""Members of etcd that hang, at any moment, one or two at a time: another one is followed soon."""

import asyncio
import base64
import contextlib
import json
import random

import pytest

from rsp.config.units import Duration
from rsp.control.discovery import etcd as provider
from rsp.control.discovery.etcd import EtcdPrefix
from tests.unit.discovery_lab import Following, in_loop

PROVEN, PATIENCE, TIMEOUT = 0.02, 0.05, 0.1  # seconds: small parts of what they are by default
# A proof and its answers; a reading and a watch, of which each asks all endpoints; twice, as one may go on meanwhile.
CYCLES = 30
SOON = 2 * (1.5 * PROVEN + 3 * PATIENCE + 6 * TIMEOUT)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


class Store:
    """What the members of the cluster agree on: one key."""

    def __init__(self):
        self.revision = 1
        self.address = "10.0.0.1:1"
        self.changed = asyncio.Event()

    def put(self, address):
        self.revision, self.address = self.revision + 1, address
        self.changed.set()
        self.changed = asyncio.Event()

    @property
    def pair(self):
        key, value = (base64.b64encode(text.encode()).decode() for text in ("/app/1", self.address))
        return {"key": key, "value": value, "mod_revision": str(self.revision)}


class Member:
    """While it hangs the kernel takes connections and what comes, and nothing else happens.

    Without a leader it serves its watches, silently, and does not answer reads.
    """

    def __init__(self, store):
        self._store = store
        self._goes, self._leads = asyncio.Event(), asyncio.Event()
        self._tasks = set()
        self.goes_on()

    def hangs(self):
        self._goes.clear()

    def is_cut_off(self):
        self._leads.clear()

    def goes_on(self):
        self._goes.set()
        self._leads.set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                asked = json.loads(await reader.readexactly(length))
                await self._moment()
                if b" /v3/watch " in head:
                    await self._watch(writer, int(asked["create_request"]["start_revision"]))
                await self._leads.wait()
                await self._moment()
                found = {"header": {"revision": str(self._store.revision)}, "kvs": [self._store.pair]}
                await self._write(writer, HEAD, found, b"0\r\n\r\n")

    async def _watch(self, writer, since):
        await self._write(writer, HEAD)
        await self._moment()
        await self._write(writer, b"", {"result": {"created": True}})
        while True:
            changed = self._store.changed
            await self._leads.wait()
            if since <= self._store.revision:
                since = self._store.revision + 1
                await self._moment()
                await self._write(writer, b"", {"result": {"events": [{"kv": self._store.pair}]}})
            else:
                await changed.wait()

    async def _moment(self):
        await asyncio.sleep(random.random() * 0.005)
        await self._goes.wait()

    async def _write(self, writer, head, said=None, end=b""):
        line = json.dumps(said).encode() + b"\n" if said is not None else b""
        writer.write(head + (b"%x\r\n%s\r\n" % (len(line), line) if line else b"") + end)
        await writer.drain()
        await self._goes.wait()


@contextlib.asynccontextmanager
async def cluster(monkeypatch, size):
    monkeypatch.setattr(provider, "_PROVEN", PROVEN)
    monkeypatch.setattr(provider, "_PATIENCE", PATIENCE)
    store = Store()
    async with contextlib.AsyncExitStack() as stack:
        members = [await stack.enter_async_context(Member(store)) for _ in range(size)]
        url = f"etcd://{','.join(member.address for member in members)}/app/"
        found = await stack.enter_async_context(Following(EtcdPrefix, url, timeout=Duration(TIMEOUT)))
        await found.shows(store.address)
        yield store, members, found


@pytest.mark.parametrize("size", [2, 3])
@in_loop
async def test_members_hang_at_any_moment(monkeypatch, size):
    loop = asyncio.get_running_loop()
    slowest = 0.0
    async with cluster(monkeypatch, size) as (store, members, found):
        for number in range(CYCLES):
            for member in random.sample(members, random.randrange(1, size)):
                random.choice((member.hangs, member.is_cut_off))()
            await asyncio.sleep(random.random() * 0.05)
            store.put(f"10.0.0.1:{number + 2}")
            begun = loop.time()
            await found.shows(store.address)
            slowest = max(slowest, loop.time() - begun)
            for member in members:
                member.goes_on()
            await asyncio.sleep(random.random() * 0.05)
    assert slowest < SOON
