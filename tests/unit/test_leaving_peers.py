"""Thousands of peers that leave and come back, while some still have requests: each is seen off once, none early."""

import asyncio
import random
from math import inf

import pytest

from rsp.config.units import Peer as Address
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.exchange.forward.directory import PeerDirectory
from rsp.exchange.forward.upstream import Upstream
from rsp.ipc.peer_cells import IN_FLIGHT
from rsp.ipc.peer_table import Changes, PeerEntry
from tests.unit.lone_worker import LoneWorker

COUNT = 2000
ENTRIES = [PeerEntry(Address(f"127.0.0.1:{place + 1}"), place, 0, 1, False, 0) for place in range(COUNT)]


@pytest.fixture
def worker():
    made = LoneWorker()
    yield made
    made.close()


async def settle(directory: PeerDirectory, now: float) -> None:
    for _ in range(2):  # the first may still be at what was begun before
        directory.tick(now)
        await turns(COUNT)


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(3))
def test_each_is_seen_off_once_and_none_that_is_needed(worker, seed):
    chance, context, directory = random.Random(seed), worker.context, PeerDirectory(worker.context)

    async def play() -> None:
        upstream = Upstream(context, directory, UpstreamConfig(name="app", peers=()), 0.0)
        upstream.arrange(ENTRIES, ())
        there, busy = set(range(COUNT)), set()
        for _ in range(30):
            for place in chance.sample(sorted(there), 20):
                peer = directory.peers[place]
                assert peer.begin()
                busy.add(peer)
            gone = set(chance.sample(sorted(there), len(there) // 2))
            come = {place for place in range(COUNT) if place not in there and chance.random() < 0.5}
            upstream.change(Changes([ENTRIES[place] for place in come], list(gone)))
            directory.retire(gone)
            there = there - gone | come
            directory.tick(context.now)
            await turns(chance.randrange(3))
            assert there <= set(directory.peers)
            assert {directory.peers[place] for place in there} == set(upstream.peers)
            assert all(peer.leaving_at == inf and peer.scoreboard is context.scoreboard for peer in upstream.peers)
            assert busy <= set(directory.peers.values())
        await settle(directory, context.now)
        assert set(directory.peers) == there | {peer.stats.number for peer in busy}
        for peer in busy:
            peer.stats.set_own(IN_FLIGHT, 0)
        await settle(directory, context.now)
        assert set(directory.peers) == there
        assert all(peer.scoreboard is directory.limbo for peer in busy if peer.leaving_at < inf)

    worker.loop.run_until_complete(play())
