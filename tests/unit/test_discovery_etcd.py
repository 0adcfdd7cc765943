"""Members that stand in etcd, a real one; and a gateway that is none."""

import asyncio

import pytest

from rsp.config.engines import Access, EngineUrl
from rsp.config.instance import Dns
from rsp.config.tls import UpstreamTls
from rsp.config.units import Duration, Secret
from rsp.control.discovery import etcd as provider
from rsp.control.discovery.etcd import EtcdPrefix
from rsp.engines import etcd as engine
from rsp.engines.etcd import Etcd, after
from rsp.engines.failures import Oversized, Unreachable
from rsp.tls.material import Keyring
from tests.certificates import authority
from tests.engine_fake import EngineFake
from tests.etcd_server import etcd_cluster
from tests.unit.discovery_lab import Following, in_loop


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
def prefix(request, etcd):
    """A prefix of the test's own."""
    return f"/{request.node.name}/"


def members(etcd, prefix, **settings):
    return Following(EtcdPrefix, f"etcd://{etcd.hosts}{prefix}", **settings)


def session(etcd, **access):
    url = EngineUrl.parse(f"etcd://{etcd.hosts}/", {"etcd": 2379})
    return Etcd(Access(timeout=Duration(5), **access), url, Dns(), Keyring())


@in_loop
async def test_members_come_change_and_go(etcd, prefix):
    etcd.put(f"{prefix}a", "10.0.0.1:8000")
    async with members(etcd, prefix) as found:
        await found.shows("10.0.0.1:8000")
        etcd.put(f"{prefix}b", '{"address": "10.0.0.2:8000", "weight": 3, "backup": true, "zone": "a"}')
        await found.shows("10.0.0.1:8000", "10.0.0.2:8000")
        assert found.told[-1][1] == ("10.0.0.2:8000", 3, True)
        etcd.put(f"{prefix}a", '"10.0.0.3:8000"')
        await found.until(lambda: set(found.now) == {"10.0.0.2:8000", "10.0.0.3:8000"})
        etcd.delete(f"{prefix}a")
        await found.shows("10.0.0.2:8000")
        etcd.put(f"{prefix.rstrip('/')}2/c", "10.0.0.9:8000")  # another service
        etcd.delete(f"{prefix}b")
        await found.shows()
    assert found.failures == found.complaints == []


@in_loop
async def test_a_member_goes_with_its_lease(etcd, prefix):
    lease = etcd.ask("/v3/lease/grant", {"TTL": 1})["ID"]
    etcd.put(f"{prefix}a", "10.0.0.1:8000", lease)
    async with members(etcd, prefix) as found:
        await found.shows("10.0.0.1:8000")
        await found.shows()


@in_loop
async def test_bad_entries_are_left_out_and_said(etcd, prefix):
    for number, value in enumerate(
        ("", "unix:/var/run/docker.sock", "10.0.0.1", '{"address": 5}', '{"weight": 1}', "{", "srv:x.example",
         '{"address": "10.0.0.1:8000", "weight": 0}', b"\xff\xfe", "10.0.0.1:0", "x" * 2000, "discover:a#" + "0" * 16,
         '{"address": "10.0.0.1:80\\u0000"}', "[" * 900, "10.0.0.1:8000 weight=2")
    ):  # fmt: skip
        etcd.put(f"{prefix}{number:02}", value)
    etcd.put(f"{prefix}good", "10.0.0.1:8000\n")
    async with members(etcd, prefix) as found:
        await found.shows("10.0.0.1:8000")
        assert len(found.complaints) == 15, found.complaints
        assert "/01" in found.complaints[1] and "expected host:port" in found.complaints[1]
        etcd.put(f"{prefix}good", "nonsense")  # does not stand for what it was
        await found.shows()


@in_loop
async def test_thousands_of_members_are_read_in_pages(etcd, prefix, monkeypatch):
    monkeypatch.setattr(engine, "_PAGE", 7)
    addresses = [f"10.0.{number // 250}.{number % 250 + 1}:80" for number in range(60)]
    for number, address in enumerate(addresses):
        etcd.put(f"{prefix}{number:03}", address)
    async with members(etcd, prefix) as found:
        await found.shows(*addresses)


@in_loop
async def test_large_values_make_smaller_pages(etcd, prefix, monkeypatch):
    monkeypatch.setattr(engine, "_LARGEST", 20_000)
    for number in range(8):
        etcd.put(f"{prefix}{number}", "x" * 10_000)
    etcd.put(f"{prefix}9", "10.0.0.1:80")
    async with members(etcd, prefix) as found:
        await found.shows("10.0.0.1:80")
        assert len(found.complaints) == 8
    etcd.put(f"{prefix}a", "x" * 30_000)  # alone more than is read of an answer
    async with members(etcd, prefix) as found:
        await found.until(lambda: found.failures)
        assert "has more than 19 KB" in found.failures[0]


@in_loop
async def test_the_keys_of_a_reading_are_bounded(etcd, prefix):
    for number in range(5):
        etcd.put(f"{prefix}{number}", "x")
    async with session(etcd) as client:
        assert len((await client.read(prefix.encode(), 5)).entries) == 5
        with pytest.raises(Oversized, match="more than 4 keys"):
            await client.read(prefix.encode(), 4)


@in_loop
async def test_changes_that_etcd_has_forgotten_are_read_anew(etcd, prefix):
    """A compaction while the watch is away."""
    etcd.put(f"{prefix}a", "10.0.0.1:80")
    async with session(etcd) as client:
        revision = (await client.read(prefix.encode(), 10)).revision
        etcd.put(f"{prefix}a", "10.0.0.2:80")
        etcd.compact(etcd.put(f"{prefix}a", "10.0.0.3:80"))
        with pytest.raises(engine.Compacted):
            async with client.watch(prefix.encode(), after(prefix.encode()), revision) as changes:
                async for _ in changes:
                    pass


@in_loop
async def test_one_key_is_watched(etcd, prefix):
    key = f"{prefix}key".encode()
    revision = etcd.put(key.decode(), "1")
    async with session(etcd) as client, client.watch(key, b"", revision + 1) as changes:
        assert await anext(changes) == []
        etcd.put(f"{prefix}key2", "other")
        etcd.put(key.decode(), "2")
        (change,) = await anext(changes)
        assert (change.key, change.value) == (key, b"2")


@pytest.mark.parametrize(
    ("prefix", "end"), [(b"/a/", b"/a0"), (b"a\xff", b"b"), (b"\xff\xff", b"\0"), (b"", b"\0"), (b"/a", b"/b")]
)
def test_the_end_of_a_prefix(prefix, end):
    assert after(prefix) == end


# -- users and TLS


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """With users, over TLS; tokens of users hold for two seconds."""
    directory = tmp_path_factory.mktemp("guarded")
    with etcd_cluster(directory, 1, "--auth-token-ttl=2", tls=True) as cluster:
        cluster.protect("rsp", "correct horse", "/services/")
        yield cluster


def secured(guarded, prefix="/services/app/", **settings):
    settings = {"tls": UpstreamTls(ca="ca.pem"), "username": "rsp", "password_file": "password", **settings}
    authorities, secrets = {"ca.pem": authority().pem}, {"password": b"correct horse"}
    return Following(EtcdPrefix, f"etcds://{guarded.hosts}{prefix}", authorities, secrets, **settings)


@in_loop
async def test_users_are_authenticated_over_tls(guarded):
    guarded.put("/services/app/1", "10.0.0.1:80")
    async with secured(guarded) as found:
        await found.shows("10.0.0.1:80")
        guarded.put("/services/app/2", "10.0.0.2:80")
        await found.shows("10.0.0.1:80", "10.0.0.2:80")
        guarded.delete("/services/app/2")
        await found.shows("10.0.0.1:80")
    assert found.failures == []


@in_loop
async def test_a_token_that_has_expired_is_replaced(guarded):
    access = Access(username="rsp", password=Secret("correct horse"), tls=UpstreamTls(ca="ca.pem"))
    url = EngineUrl.parse(f"etcds://{guarded.hosts}/", {"etcds": 2379})
    async with Etcd(access, url, Dns(), Keyring(authorities={"ca.pem": authority().pem})) as client:
        await client.read(b"/services/app/", 10)
        client._web.fields["Authorization"] = "abc.1"  # which etcd does not know
        await client.read(b"/services/app/", 10)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"username": None, "password_file": None},
            "it requires a user name and a password (etcdserver: user name is empty)",
        ),
        ({"password_file": None, "password": Secret("wrong")}, "authentication failed, invalid user ID or password"),
        ({"password_file": "other"}, '"other" has not been read'),
        ({"tls": None}, "has a certificate of an authority that is not trusted"),
        (
            {"tls": UpstreamTls(ca="ca.pem", name="other.example")},
            "has a certificate for localhost, 127.0.0.1, not for other",
        ),
        ({"tls": UpstreamTls(ca="gone.pem")}, '"gone.pem" has not been read'),
    ],
)
def test_why_etcd_cannot_be_used(guarded, settings, why):
    @in_loop
    async def check():
        async with secured(guarded, **settings) as found:
            await found.until(lambda: found.failures)
            assert why in found.failures[0]
            assert "horse" not in found.failures[0] and "wrong" not in found.failures[0]

    check()


@in_loop
async def test_a_prefix_that_the_user_may_not_read(guarded):
    async with secured(guarded, "/secret/") as found:
        await found.until(lambda: found.failures)
        assert "permission denied" in found.failures[0]


# -- a cluster of which members fail


@in_loop
async def test_another_endpoint_takes_over(tmp_path, monkeypatch):
    """Members of etcd die and come back, or do not answer any more, as if the network were cut."""
    monkeypatch.setattr(provider, "_PROVEN", 0.2)
    monkeypatch.setattr(provider, "_PATIENCE", 0.5)
    with etcd_cluster(tmp_path, 3) as etcd:
        etcd.put("/app/1", "10.0.0.1:80")
        async with members(etcd, "/app/", timeout=Duration(1)) as found:
            await found.shows("10.0.0.1:80")
            first = etcd.members[0]
            first.kill()
            await asyncio.to_thread(_put, etcd, "/app/2", "10.0.0.2:80")
            await found.shows("10.0.0.1:80", "10.0.0.2:80")
            await asyncio.to_thread(first.start)
            etcd.members[1].pause()  # it serves the watch, perhaps
            await asyncio.to_thread(_put, etcd, "/app/3", "10.0.0.3:80")
            await found.shows("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
            etcd.members[1].resume()


def _put(etcd, key, value):
    """Until one that leads takes it."""
    for _ in range(50):
        if "header" in etcd.ask("/v3/kv/put", {"key": _b64(key), "value": _b64(value)}):
            return
    raise AssertionError(f"{key} cannot be written")


def _b64(text):
    import base64

    return base64.b64encode(text.encode()).decode()


# -- what is no etcd


class NoEtcd(EngineFake):
    def routes(self):
        return []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("garbage", "the response is not valid HTTP"),
        ("drop", "the connection broke off"),
        ("hang", "no response within 0.3 s"),
        ("flood", "the answer has more than"),
        ("html", "the response is not in etcd's format"),
        (404, "the response has status 404"),
        (503, "the response has status 503"),
        (302, "the response has status 302"),
    ],
)
def test_what_is_no_etcd(fault, why):
    @in_loop
    async def check():
        with NoEtcd() as fake:
            fake.fault = fault
            async with Following(EtcdPrefix, f"etcd://127.0.0.1:{fake.port}/app/", timeout=Duration(0.3)) as found:
                await found.until(lambda: found.failures)
                assert why in found.failures[0] and found.told == []

    check()


@in_loop
async def test_an_etcd_that_is_not_there():
    async with Following(EtcdPrefix, "etcd://127.0.0.1:1,no.such.name.invalid:2379/app/") as found:
        await found.until(lambda: found.failures)
        said = sorted(found.failures[0].split("; "))
        assert said[0] == "127.0.0.1:1: connection refused"
        assert said[1].startswith("no.such.name.invalid:2379: host name ")


def test_an_error_is_no_answer():
    assert issubclass(Oversized, Unreachable)
