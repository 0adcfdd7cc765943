"""A node follows a record: here with an engine and a master that take their time."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from rsp.config.engines import Access
from rsp.control import fleet
from rsp.control.fleet import Follower
from rsp.engines.failures import Unreachable
from rsp.ipc.channel import Outcome
from rsp.logs import log
from rsp.nodes.node import Node, Place
from rsp.nodes.record import Record, Trial
from rsp.nodes.report import Report
from rsp.nodes.site import Held
from rsp.tls.material import Keyring

STABLE, FIRST, SECOND = "a" * 64, "b" * 64, "c" * 64


class Lab:
    """An engine whose files come when ``files`` says so, and a master that answers orders when the test does."""

    def __init__(self) -> None:
        self.record = Record(serial=1, stable=STABLE)
        self.seen = asyncio.Event()
        self.files = {version: asyncio.Event() for version in (STABLE, FIRST, SECOND)}
        self.asked: list[str] = []
        self.orders: list[tuple[str, str, asyncio.Future[Outcome]]] = []
        self.told: list[Report] = []
        self.is_mute = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def read(self) -> Held:
        return Held(self.record, str(self.record.serial))

    async def changed(self, held: Held, within: float) -> None:
        del within
        while self.record.serial == held.record.serial:
            await asyncio.sleep(0.01)

    async def packed(self, version: str) -> bytes:
        self.asked.append(version)
        await self.files[version].wait()
        return b"files"

    async def tell(self, told: Report) -> None:
        if self.is_mute:
            raise Unreachable("permission denied")
        self.told.append(told)

    def order(self, what: str, version: str, packed: bytes) -> Awaitable[Outcome]:
        del packed
        self.orders.append((what, version, asyncio.get_running_loop().create_future()))
        return self.orders[-1][2]

    @property
    def ordered(self) -> list[tuple[str, str]]:
        return [(what, version) for what, version, _ in self.orders]

    def answer(self, number: int, *, good: bool) -> None:
        what, version, future = self.orders[number]
        future.set_result(Outcome([number], what, good, "", 1, version, 0.0))

    def begin(self, version: str) -> None:
        self.record = self.record.begin(Trial(version[:4], version, ("me",)))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def follow(patch: pytest.MonkeyPatch, play: Callable[[Lab, Follower], Awaitable[None]]) -> None:
    async def main() -> None:
        lab = Lab()
        patch.setattr(fleet, "Site", lambda _place: lab)
        patch.setattr(fleet, "BUSY", 0.01)
        patch.setattr(fleet, "_PAUSES", (0.01, 0.01))
        board = SimpleNamespace(row=lambda _: defaultdict(int), worker_total=lambda _: 0, totals=lambda *_: [])
        state: Any = SimpleNamespace(scoreboard=board, workers=list, serve_file=lambda _: None)
        node = Node(Place("etcd://x/y", Access(), Keyring()), "me", Path("/nowhere"), STABLE, STABLE)
        follower = Follower(node, state, lab.order, lambda _: None)
        follower.start()
        try:
            await until(lambda: lab.told and lab.told[-1].serial == 1)
            await play(lab, follower)
        finally:
            await follower.finish()

    asyncio.run(main())


def test_a_version_whose_files_come_after_the_end_of_its_roll_out_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(lab: Lab, _: Follower) -> None:
        lab.begin(FIRST)
        await until(lambda: lab.asked == [FIRST])
        lab.record = lab.record.abort()
        await until(lambda: lab.orders)
        lab.answer(0, good=True)
        lab.files[FIRST].set()
        lab.files[SECOND].set()
        lab.begin(SECOND)
        await until(lambda: ("version", SECOND) in lab.ordered)
        assert lab.ordered == [("version-now", STABLE), ("version", SECOND)]

    follow(monkeypatch, play)


def test_a_version_that_is_in_force_too_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The master was done with it before the order to go back came, and that one is refused."""

    async def play(lab: Lab, follower: Follower) -> None:
        for files in lab.files.values():
            files.set()
        lab.begin(FIRST)
        await until(lambda: lab.orders)
        lab.record = lab.record.abort()
        await until(lambda: len(lab.orders) == 2)
        lab.answer(0, good=True)
        lab.answer(1, good=False)
        await until(lambda: len(lab.orders) == 3)  # once more, with its files
        lab.answer(2, good=False)
        await until(lambda: follower.status()["state"] == "refused")
        assert follower.status()["running"] == FIRST

    follow(monkeypatch, play)


def test_a_node_that_may_not_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(log, "line", lambda text, _level=0: said.append(text))

    async def play(lab: Lab, _: Follower) -> None:
        lab.is_mute = True
        lab.begin(FIRST)
        await until(lambda: any("cannot write its report" in each for each in said))
        assert (
            "Site etcd://x/y: this node cannot write its report, so rspctl does not show it: permission denied" in said
        )

    follow(monkeypatch, play)
