"""A source at work: a provider that fails is followed again, and what it says comes into force."""

import asyncio

import pytest

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.config.units import Duration, Peer
from rsp.control.discovery import source as module
from rsp.control.discovery.provider import MOST_MEMBERS, Member, Provider, written
from rsp.control.discovery.source import Source
from rsp.engines.failures import Unreachable
from rsp.ipc.peer_table import Target
from rsp.logs import log
from rsp.net.lookup import Lookup
from rsp.tls.material import Keyring
from tests.unit.discovery_lab import in_loop

NAME = Peer.discovered("app#0123456789abcdef")


class Scripted(Provider):
    """Each try takes the next of ``steps``: lists of addresses are told, an exception is raised, ``None``: it waits."""

    def __init__(self, discover, steps):
        super().__init__(discover, Dns(), Keyring())
        self.steps = steps
        self.tries = 0

    async def follow(self, tell):
        self.tries += 1
        while True:
            step = await self.steps.get()
            if isinstance(step, Exception):
                raise step
            if step == "end":
                return
            tell([each if isinstance(each, Member) else Member(each) for each in step])


class Lab:
    """async with Lab(minimum=2) as lab: lab.say([...]); await lab.until(lambda: ...)"""

    def __init__(self, before=None, make=None, **settings):
        self.discover = Discover(url="etcd://user.example:2379/app/", **settings)
        self.before = before
        self.make = make
        self.found: list[object] = []
        self.lines: list[str] = []

    async def __aenter__(self):
        log.show(lambda level, at, text: self.lines.append(text))
        self._line = log.line
        self.steps: asyncio.Queue = asyncio.Queue()
        self.provider = Scripted(self.discover, self.steps)
        make = self.make or (lambda: self.provider)
        found = lambda name, targets: self.found.append(targets)  # noqa: E731
        self.source = Source(NAME, "app", self.discover, Dns(), make, found, self.before)
        return self

    async def __aexit__(self, *_):
        self.source.stop()
        log.show(lambda level, at, text: None)
        await asyncio.sleep(0)

    def say(self, *steps):
        for step in steps:
            self.steps.put_nowait(step)

    @property
    def now(self):
        targets = self.found[-1] if self.found else None
        return targets if targets is None else [str(target.address) for target in targets]

    async def until(self, condition):
        try:
            async with asyncio.timeout(10):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{self.found[-2:]} {self.lines} {self.source.standing}") from None


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_AT_LEAST", 0.01)
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01))


@in_loop
async def test_members_come_into_force():
    async with Lab() as lab:
        assert lab.source.standing.state == "waiting"
        lab.say([Member("10.0.0.1:80", 3, True), "[::1]:80", "10.0.0.1:80"])
        await lab.until(lambda: lab.found)
        assert lab.found == [[Target(Peer("10.0.0.1:80"), 3, True), Target(Peer("[::1]:80"))]]
        lab.say(["10.0.0.2:80"])
        await lab.until(lambda: lab.now == ["10.0.0.2:80"])
        standing = lab.source.standing
        assert (standing.state, standing.members, standing.changes, standing.errors) == ("ok", 1, 1, 0)
        assert standing.source == "etcd://user.example:2379/app/"


@in_loop
async def test_the_master_is_told_when_a_source_is_out_of_reach_from_the_start():
    async with Lab() as lab:
        lab.say(Unreachable("connection refused"))
        await lab.until(lambda: lab.lines)
        assert lab.found == [None]
        assert lab.lines == ["Upstream app: etcd://user.example:2379/app/: connection refused"]
        assert lab.source.standing.state == "unreachable"
        lab.say(*[Unreachable("connection refused")] * 5, ["10.0.0.1:80"])
        await lab.until(lambda: lab.now)
        assert len(lab.lines) == 1 and lab.source.standing.state == "ok" and lab.source.standing.errors == 6


@in_loop
async def test_what_was_known_stays_while_the_source_is_gone():
    async with Lab() as lab:
        lab.say(["10.0.0.1:80"])
        await lab.until(lambda: lab.now)
        lab.say(Unreachable("broke off"))
        await lab.until(lambda: lab.provider.tries == 2)
        assert lab.lines == [] and lab.source.standing.state == "ok"  # it may be over at once
        lab.say(Unreachable("broke off"), Unreachable("other words"))
        await lab.until(lambda: lab.provider.tries == 4)
        assert lab.lines == ["Upstream app: etcd://user.example:2379/app/: broke off; the previous result stays in use"]
        standing = lab.source.standing
        assert (standing.state, standing.members, standing.problem) == ("unreachable", 1, "other words")
        lab.say(["10.0.0.1:80"])
        await lab.until(lambda: lab.source.standing.state == "ok")
        assert len(lab.found) == 1


@in_loop
async def test_an_empty_answer_is_in_doubt_and_counts_when_it_stands():
    async with Lab(doubt=Duration(0.3)) as lab:
        lab.say(["10.0.0.1:80"])
        await lab.until(lambda: lab.now)
        lab.say([])
        await lab.until(lambda: lab.source.standing.state == "doubtful")
        assert "gives no members, after 1; this is not believed unless it stands for 300ms" in lab.lines[0]
        assert lab.now == ["10.0.0.1:80"]
        assert lab.source.standing.problem == "a result with 0 members is not used yet"
        await lab.until(lambda: lab.now == [])
        assert lab.source.standing.state == "ok"


@in_loop
async def test_members_of_an_earlier_control_process_are_protected():
    before = {"10.0.0.1:80": Member("10.0.0.1:80")}
    async with Lab(before) as lab:
        lab.say(Unreachable("no"), [])
        await lab.until(lambda: lab.source.standing.state == "doubtful")
        assert lab.found == []
        lab.say(["10.0.0.1:80"])
        await lab.until(lambda: lab.source.standing.state == "ok")
        assert lab.found == []
        assert lab.lines[0].endswith("no; the previous result stays in use")


@in_loop
async def test_changes_are_gathered(monkeypatch):
    monkeypatch.setattr(module, "_AT_LEAST", 0.1)
    async with Lab() as lab:
        for number in range(200):
            lab.say([f"10.0.0.{number}:80"])
            await asyncio.sleep(0.001)
        await lab.until(lambda: lab.now == ["10.0.0.199:80"])
        assert len(lab.found) < 12


@in_loop
async def test_bad_members_are_said_once_each():
    log._last.clear()
    async with Lab() as lab:
        bad = ["unix:/run/x", "1.2.3:80", "10.0.0.1:0", "nonsense", Member("10.0.0.9:80", 5000), "[::zz]:1"]
        lab.say([*bad, "10.0.0.1:80"])
        await lab.until(lambda: lab.now == ["10.0.0.1:80"])
        lab.provider.complain("one entry is ignored")
        lab.provider.complain("one entry is ignored")
        lab.say([*bad, "10.0.0.2:80"])
        await lab.until(lambda: lab.now == ["10.0.0.2:80"])
        assert len(lab.source._complaints.made) == len(bad) + 1
        said = [line for line in lab.lines if "is ignored" in line]
        assert len(said) == len(bad) + 1, "each has a line, although all came at once"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"address": "10.0.0.1:80", "weight": "2"}', "its weight is not a whole number such as 2, without quotes"),
        (b'{"address": "10.0.0.1:80", "backup": 1}', "its backup is neither true nor false"),
        (b'{"address": 80}', "its address is not a string"),
        (b'{"host": "10.0.0.1", "port": 80}', 'it has no "address", such as "10.0.0.1:8000"'),
        (b'{"address": "10.0.0.1:80"', "it is neither an address nor JSON"),
    ],
)
def test_mistakes_in_a_member_are_said_in_plain_words(text, said):
    with pytest.raises(ValueError, match=said):
        written(text)


@in_loop
async def test_a_flood_of_members_is_cut_off():
    async with Lab() as lab:
        lab.say([f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:80" for number in range(MOST_MEMBERS + 5)])
        await lab.until(lambda: lab.found)
        assert len(lab.found[0]) == MOST_MEMBERS
        assert any("only the first" in text for text in lab.source._complaints.made)


@in_loop
async def test_names_that_stand_for_a_flood_are_cut_off(monkeypatch):
    async def many(self, host, port=0):
        return [f"10.{host[1:]}.{number >> 8}.{number & 255}" for number in range(6000)], 30.0

    monkeypatch.setattr(Lookup, "addresses", many)
    async with Lab() as lab:
        lab.say(["n1:80", "n2:80"])
        await lab.until(lambda: lab.found)
        assert len(lab.found[0]) == MOST_MEMBERS
        assert any("its names stand for 12000 members" in text for text in lab.source._complaints.made)


@in_loop
async def test_names_are_looked_up():
    async with Lab() as lab:
        lab.say(["localhost:8000", "no.such.name.invalid:80"])
        await lab.until(lambda: lab.found)
        assert lab.now == ["127.0.0.1:8000"]
        assert any("no.such.name.invalid:80" in text for text in lab.source._complaints.made)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RuntimeError("boom\x1b[2J"), "it cannot be followed: RuntimeError: boom?[2J"),
        (RecursionError(), "it cannot be followed: RecursionError"),
        (ImportError("aiohttp"), "its client library cannot be loaded: aiohttp; restart rsp"),
        ("end", "it has ended"),
    ],
)
def test_no_error_of_a_provider_ends_more_than_a_try(error, why):
    @in_loop
    async def check():
        async with Lab() as lab:
            lab.say(error, ["10.0.0.1:80"])
            await lab.until(lambda: lab.now)
            assert why in lab.lines[0]

    check()


@in_loop
async def test_a_provider_that_cannot_be_made_is_tried_again():
    def make():
        made.append(1)
        raise ImportError("no module")

    made: list[int] = []
    async with Lab(make=make) as lab:
        await lab.until(lambda: len(made) > 2)
        assert "no module; restart rsp" in lab.lines[0] and lab.found == [None]


@in_loop
async def test_other_credentials_keep_what_is_known():
    async with Lab() as lab:
        lab.say(["10.0.0.1:80"])
        await lab.until(lambda: lab.now)
        other = Scripted(lab.discover, asyncio.Queue())
        lab.source.restart(lambda: other)
        await lab.until(lambda: other.tries)
        other.steps.put_nowait(["10.0.0.1:80"])
        other.steps.put_nowait(["10.0.0.2:80"])
        await lab.until(lambda: lab.now == ["10.0.0.2:80"])
        assert lab.lines == []


@in_loop
async def test_a_flapping_member_is_said_once():
    async with Lab() as lab:
        lab.say(["10.0.0.1:80", "10.0.0.2:80"])
        await lab.until(lambda: lab.now)
        for number in range(1000):
            lab.say(["10.0.0.1:80"] if number % 2 == 0 else ["10.0.0.1:80", "10.0.0.2:80"])
            await asyncio.sleep(0.03)
            if lab.source.standing.flapping == ["10.0.0.2:80"]:
                break
        said = [text for text in lab.lines if "10.0.0.2:80 comes and goes again and again; it stays" in text]
        assert len(said) == 1
