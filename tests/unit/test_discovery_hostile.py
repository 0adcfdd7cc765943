"""Sources that want the control process's memory, time or threads, and members that want to be two."""

import asyncio
import threading

import pytest

from rsp.config.engines import Access, Discover, EngineUrl
from rsp.config.instance import Dns
from rsp.control.discovery import etcd as etcd_source
from rsp.control.discovery import file as file_source
from rsp.control.discovery import provider
from rsp.control.discovery.askers import members
from rsp.control.discovery.claims import Sighting
from rsp.control.discovery.consul import ConsulService
from rsp.control.discovery.docker import DockerContainers
from rsp.control.discovery.etcd import EtcdPrefix
from rsp.control.discovery.file import MembersFile
from rsp.control.discovery.provider import checked, written_list
from rsp.engines import kubernetes as engine
from rsp.engines.container import Container
from rsp.engines.etcd import Etcd
from rsp.engines.failures import Oversized, Unreachable, is_crowded
from rsp.engines.kubernetes import Collection
from rsp.engines.kv_consul import ConsulKeys
from rsp.tls.material import Keyring
from tests.unit.discovery_lab import in_loop
from tests.unit.label_lab import container as asking
from tests.unit.test_engine_web_hostile import OK, Server, saying, web_of


@pytest.mark.parametrize(
    ("answer", "crowded"),
    [
        (b"[" + b"1," * 5000 + b"1]", True),
        (b'{"a":' + b"[{},{}]," * 5000 + b"}", True),
        (b'["' + b"," * 9000 + b'"]', False),  # a label of one container
        (b'["' + b'\\",' * 9000 + b'"]', False),
        (b'["' + b'\\\\",' * 9000 + b'"]', True),
        (b'"' + b'\\",' * 9000 + b"\\", False),  # nothing ends it
        (b'{"a":"b","c":"d"},' * 2000, False),
    ],
)
def test_values_are_counted(answer, crowded):
    assert is_crowded(answer, 64 << 10) is crowded


@in_loop
async def test_an_answer_of_many_small_values_is_not_decoded():
    body = b"[" + b"1," * 5000 + b"1]\n"
    answer = OK + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    async with Server(saying(answer)) as server, web_of(server.port) as web:
        with pytest.raises(Oversized, match="too many values"):
            await web.ask("GET", "/", limit=64 << 10)
        async with web.stream("GET", "/") as stream:
            with pytest.raises(Oversized, match="too many values"):
                await anext(stream.lines(64 << 10))


def test_a_file_of_many_small_values_is_not_decoded(tmp_path):
    (tmp_path / "app.json").write_text("[" + "1," * (300 << 10) + "1]")
    with pytest.raises(Oversized, match="too many values"):
        file_source._read(tmp_path / "app.json", None)


def test_a_list_is_looked_at_as_far_as_it_counts(monkeypatch):
    monkeypatch.setattr(provider, "MOST_MEMBERS", 3)
    said: list[str] = []
    assert len(written_list(b'["a:1", "a:2", "a:3", 4, 5, 6]', said.append)) == 3
    assert said == ["it has more than 3 entries; only the first 3 are used"]


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("10.0.0.1:0080", "10.0.0.1:80"),
        ("[0:0:0:0:0:0:0:1]:80", "[::1]:80"),
        ("[FE80::00A]:080", "[fe80::a]:80"),
        ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
        ("[10.0.0.1]:80", "10.0.0.1:80"),
        ("app.internal:08000", "app.internal:8000"),
    ],
)
def test_an_address_has_one_spelling(spelling, address):
    assert checked(spelling).address == address


@in_loop
async def test_a_list_of_pages_without_end(monkeypatch):
    monkeypatch.setattr(engine, "_MOST_PAGES", 20)
    body = b'{"metadata": {"continue": "more"}, "items": []}'
    async with Server(saying(OK + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))) as server:
        async with web_of(server.port) as web:
            with pytest.raises(Unreachable, match="the list at /apis/x does not end"):
                await anext(Collection("/apis/x", dict).follow(web))
        assert len(server.heads) == 20


def test_members_that_a_watch_brings_are_bounded(monkeypatch):
    monkeypatch.setattr(etcd_source, "MOST_MEMBERS", 3)
    source = EtcdPrefix(Discover(url="etcd://127.0.0.1/app/"), Dns(), Keyring())
    members: dict = {}
    with pytest.raises(Oversized, match="more than 3 members"):
        for number in range(5):
            source._learn(members, b"/app/%d" % number, b"10.0.0.1:%d" % (number + 1))
    assert len(members) == 4


@in_loop
async def test_files_whose_disk_hangs_hold_up_nothing_else(monkeypatch):
    """Names are looked up in the loop's own threads, of which there are few."""
    end = threading.Event()
    looking: list[int] = []

    def hang(*_):
        looking.append(1)
        end.wait(30)
        raise OSError

    monkeypatch.setattr(file_source, "_read", hang)
    files = [MembersFile(Discover(url=f"file:///{number}"), Dns(), Keyring()) for number in range(40)]
    tasks = [asyncio.ensure_future(file.follow(lambda _: None)) for file in files]
    try:
        async with asyncio.timeout(10):
            while len(looking) < len(files):
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(lambda: 7) == 7
    finally:
        end.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


NESTED = b"[" * 100_000
ASKED = [
    lambda at: Etcd(Access(), EngineUrl.parse(f"etcd://{at}/", {"etcd": 2379}), Dns(), Keyring()),
    lambda at: ConsulKeys(
        Access(), EngineUrl.parse(f"consul://{at}/", {"consul": 8500}), "rsp", Dns(), Keyring(), 1 << 20
    ),
    lambda at: ConsulService(Discover(url=f"consul://{at}/app"), Dns(), Keyring()),
    lambda at: DockerContainers(Discover(url=f"docker://{at}", labels={"app": ""}), Dns(), Keyring()),
]


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_nested_deeply_is_no_answer(asked):
    @in_loop
    async def check():
        async with Server(saying(OK + b"Content-Length: %d\r\n\r\n%s" % (len(NESTED), NESTED))) as server:
            engine = asked(f"127.0.0.1:{server.port}")
            with pytest.raises(Unreachable):
                if hasattr(engine, "follow"):
                    await engine.follow(lambda _: None)
                async with engine:
                    await (engine.read(b"/", 9) if isinstance(engine, Etcd) else engine.get("record"))

    check()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"])
def test_labels_lead_to_nothing_of_rsps_own_machine(address):
    container = Container("1", "web", 0.0, {}, True, {"bridge": address}, (8000,), ())
    sighting = Sighting(0.0, asking("web", host="a.test", port="22"))
    found, problems = next(iter(members([(container, sighting)], None).values()))
    assert not found
    assert "it has no address of its own" in problems[0]
