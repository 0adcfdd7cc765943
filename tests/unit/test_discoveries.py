"""Which sources are followed: those of the configuration in force, and of one that is tried."""

import asyncio

import pytest

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.config.schema import Config, Settings
from rsp.config.units import Duration, Peer
from rsp.config.upstreams import Upstream, UpstreamPeer
from rsp.control.discovery.discoveries import Discoveries, load
from rsp.control.discovery.provider import Member, Provider
from rsp.ipc.peer_table import PeerEntry, PeerTable
from rsp.tls.material import Keyring
from tests.unit.discovery_lab import in_loop

NOTHING = PeerTable({}, [])


class Listed(Provider):
    """``made``: all that there have been; each tells what stands at its URL."""

    made: list["Listed"] = []
    ended: list[str] = []

    async def follow(self, tell):
        Listed.made.append(self)
        tell([Member(self.discover.url.partition(":")[2])])
        try:
            await asyncio.Event().wait()
        finally:
            Listed.ended.append(self.discover.url)


@pytest.fixture(autouse=True)
def anew():
    Listed.made, Listed.ended = [], []


def config(*upstreams, **settings):
    return Config(settings=Settings(**settings), listeners=(), upstreams=upstreams, routes=())


def app(address, name="app", peers=(), **discover):
    given = tuple(UpstreamPeer(address=Peer(peer)) for peer in peers)
    return Upstream(name=name, peers=given, discover=Discover(url=f"listed:{address}", **discover))


class Lab:
    def __init__(self):
        self.found = {}
        make = lambda discover: Listed(discover, Dns(), Keyring())  # noqa: E731
        self.discoveries = Discoveries(self.note, {"listed": make})

    def note(self, source, targets):
        self.found[source] = [str(each.address) for each in targets or ()]

    async def shows(self, *addresses):
        async with asyncio.timeout(5):
            while sorted(each for found in self.found.values() for each in found) != sorted(addresses):
                await asyncio.sleep(0.005)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.discoveries.stop()
        await asyncio.sleep(0)


@in_loop
async def test_sources_come_and_go_with_configurations():
    async with Lab() as lab:
        one, two = config(app("10.0.0.1:80")), config(app("10.0.0.2:80"))
        lab.discoveries.arrange(one, None, NOTHING, Keyring())
        await lab.shows("10.0.0.1:80")
        lab.discoveries.arrange(one, two, NOTHING, Keyring())
        await lab.shows("10.0.0.1:80", "10.0.0.2:80")
        assert [each.source for each in lab.discoveries.standings()] == ["listed"]
        lab.discoveries.arrange(two, None, NOTHING, Keyring())
        await asyncio.sleep(0)
        assert Listed.ended == ["listed:10.0.0.1:80"] and len(Listed.made) == 2
        assert [each.source for each in lab.discoveries.standings()] == ["listed"]
        lab.discoveries.arrange(config(), None, NOTHING, Keyring())
        await asyncio.sleep(0)
        assert len(Listed.ended) == 2 and lab.discoveries.standings() == []


@in_loop
async def test_the_same_source_goes_on_over_a_reload():
    async with Lab() as lab:
        lab.discoveries.arrange(config(app("10.0.0.1:80")), None, NOTHING, Keyring())
        await lab.shows("10.0.0.1:80")
        other = app("10.0.0.1:80", peers=("10.0.0.9:80",))
        lab.discoveries.arrange(config(other), None, NOTHING, Keyring(staples={"a": b"b"}))
        await asyncio.sleep(0)
        assert len(Listed.made) == 1 and Listed.ended == []


@in_loop
async def test_other_secrets_begin_a_provider_anew():
    async with Lab() as lab:
        secured = config(app("10.0.0.1:80", token_file="token"))
        lab.discoveries.arrange(secured, None, NOTHING, Keyring(files={"secret token": b"1"}))
        await lab.shows("10.0.0.1:80")
        lab.discoveries.arrange(secured, None, NOTHING, Keyring(files={"secret token": b"1", "secret other": b"2"}))
        await asyncio.sleep(0.01)
        assert len(Listed.made) == 1
        lab.discoveries.arrange(secured, None, NOTHING, Keyring(files={"secret token": b"2"}))
        await asyncio.sleep(0.01)
        assert len(Listed.made) == 2 and len(Listed.ended) == 1


@in_loop
async def test_other_name_servers_begin_all_anew():
    async with Lab() as lab:
        lab.discoveries.arrange(config(app("10.0.0.1:80")), None, NOTHING, Keyring())
        await lab.shows("10.0.0.1:80")
        lab.discoveries.arrange(config(app("10.0.0.1:80"), dns=Dns(timeout=Duration(1))), None, NOTHING, Keyring())
        await asyncio.sleep(0.01)
        assert len(Listed.made) == 2


def entry(address, given):
    return PeerEntry(Peer(address), 0, given, 1, False, 0)


@in_loop
async def test_members_of_an_earlier_process_have_the_settings_that_they_had():
    """The master hears nothing while the source says the same."""
    async with Lab() as lab:
        same, other = app("10.0.0.1:80"), app("10.0.0.3:80", "other")
        members = PeerTable({"app": [entry("10.0.0.1:80", 0)], "other": [entry("10.0.0.2:80", 0)]}, [])
        lab.discoveries.arrange(config(same, other), None, members, Keyring())
        await lab.shows("10.0.0.3:80")
        assert lab.found.keys() == {other.source}
        assert [standing.changes for standing in lab.discoveries.standings()] == [0, 1]


@in_loop
async def test_members_of_an_earlier_process_are_known():
    async with Lab() as lab:
        upstream = app("10.0.0.1:80", peers=("10.0.0.9:80",))
        members = PeerTable({"app": [entry("10.0.0.9:80", 0), entry("10.0.0.1:80", 1), entry("10.0.0.2:80", 1)]}, [])
        lab.discoveries.arrange(config(upstream), None, members, Keyring())
        (standing,) = lab.discoveries.standings()
        assert (standing.state, standing.members) == ("waiting", 2)


@in_loop
async def test_peers_of_the_configuration_in_force_are_no_members_of_a_source_that_is_tried():
    """The first peer of the one has the index that the source has in the other."""
    async with Lab() as lab:
        plain = Upstream(name="app", peers=(UpstreamPeer(address=Peer("10.0.0.9:80")),))
        members = PeerTable({"app": [entry("10.0.0.9:80", 0)]}, [])
        tried = config(app("10.0.0.1:80"))
        lab.discoveries.arrange(config(plain), tried, members, Keyring())
        lab.discoveries._in_force = (tried.upstreams[0].source,)
        (standing,) = lab.discoveries.standings()
        assert standing.members == 0


def test_what_cannot_be_imported_is_no_error_of_the_start(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr("rsp.control.discovery.discoveries.import_module", fail)
    load(config(Upstream(name="a", discover="etcd://a/b/"), Upstream(name="b", discover="labels:x")))
