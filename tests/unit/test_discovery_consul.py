"""Members of a service of Consul, beside a fake of its HTTP API."""

import asyncio
import json
import time

import pytest

from rsp.config.tls import UpstreamTls
from rsp.config.units import Duration
from rsp.control.discovery import consul as provider
from rsp.control.discovery.consul import ConsulService
from rsp.engines import consul as engine
from tests.certificates import authority
from tests.consul_fake import ConsulFake, instance
from tests.unit.discovery_lab import Following, in_loop, server_tls


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(engine, "_GAP", 0.01)
    monkeypatch.setattr(engine, "_ANSWERS", 1 << 20)  # a flood ends sooner
    monkeypatch.setattr(engine, "_POLL", 0.05)


@pytest.fixture
def consul():
    with ConsulFake() as fake:
        yield fake


def app(fake, query="", **settings):
    return Following(ConsulService, f"consul://127.0.0.1:{fake.port}/app{query}", **settings)


@in_loop
async def test_instances_come_and_go_at_once(consul):
    consul.put("app", instance("a", "10.0.0.1"), instance("b", "", node="10.0.0.9", port=9000))
    async with app(consul) as found:
        await found.shows("10.0.0.1:8000", "10.0.0.9:9000")
        consul.put("app", instance("b", "", node="10.0.0.9", port=9000))
        await found.shows("10.0.0.9:9000")
        consul.put("app")
        await found.shows()
    assert consul.requests[0] == "GET /v1/health/service/app"
    assert "index=" in consul.requests[1] and "wait=10s" in consul.requests[1]
    assert found.failures == found.complaints == []


@in_loop
async def test_a_query_waits_for_a_change_longer_than_for_other_answers(consul):
    consul.put("app", instance("a", "10.0.0.1"))
    async with app(consul, timeout=Duration(0.1)) as found:
        await found.until(lambda: len(consul.requests) == 2)
        await asyncio.sleep(0.3)
        assert len(consul.requests) == 2 and found.failures == []
        consul.touch()  # the answer is the same
        await found.until(lambda: len(consul.requests) == 3)
        assert len(found.told) == 1


@in_loop
async def test_weights_and_states_are_those_of_checks(consul):
    consul.put(
        "app",
        instance("a", "10.0.0.1", weights=(5, 2)),
        instance("b", "10.0.0.2", weights=(5, 2), states=("passing", "warning")),
        instance("c", "10.0.0.3", weights=(5, 2), states=("warning", "critical")),
        instance("d", "10.0.0.4", weights=(5, 0), states=("warning",)),
        instance("e", "10.0.0.5", weights=(65535, 1), states=()),
        instance("f", "10.0.0.6", states=("maintenance",)),
        {**instance("g", "10.0.0.7"), "Checks": None},
    )
    async with app(consul) as found:
        await found.until(lambda: found.told)
    assert [(member.address, member.weight) for member in found.told[0]] == [
        ("10.0.0.1:8000", 5), ("10.0.0.2:8000", 2), ("10.0.0.5:8000", 1000), ("10.0.0.7:8000", 1)
    ]  # fmt: skip


@in_loop
async def test_tags_datacenter_and_filter_are_asked_for(consul):
    consul.put("app", instance("a", "10.0.0.1", tags=("blue", "v2")), instance("b", "10.0.0.2", tags=("blue",)))
    async with app(consul, '?dc=dc2&stale&filter=Service.Meta.v+%3D%3D+"2"', tags=("blue", "v2")) as found:
        await found.shows("10.0.0.1:8000")
    query = consul.requests[0].partition("?")[2]
    assert query == "dc=dc2&filter=Service.Meta.v+%3D%3D+%222%22&tag=blue&tag=v2&stale"


@in_loop
async def test_bad_instances_are_left_out_and_the_others_stay(consul):
    bad = [
        instance("no-port", "10.0.0.2", port=0),
        instance("socket", "unix:/run/x"),
        instance("port", "10.0.0.3", port=70000),
        instance("host", "a b"),
        {"Service": {"ID": "no-node"}},
        "text",
        instance("text", 5),
    ]
    good = instance("good", "10.0.0.1"), instance("six", "fd00::1"), instance("name", "db.internal")
    consul.raw = json.dumps([*bad, *good])
    async with app(consul) as found:
        await found.shows("10.0.0.1:8000", "[fd00::1]:8000", "db.internal:8000")
    assert len(found.complaints) == len(bad)
    assert found.complaints[0] == '"no-port" is ignored: it has no port; set it: port = 8000'


@in_loop
async def test_only_so_many_instances_are_looked_at(consul, monkeypatch):
    monkeypatch.setattr(provider, "MOST_MEMBERS", 2)
    consul.put("app", *(instance(str(number), f"10.0.0.{number}") for number in range(4)))
    async with app(consul) as found:
        await found.shows("10.0.0.0:8000", "10.0.0.1:8000")
    assert found.complaints == ["it has 4 instances; only the first 2 are used"]


@in_loop
async def test_the_port_of_the_configuration_is_for_instances_without_one(consul):
    consul.put("app", instance("a", "10.0.0.1", port=0), instance("b", "10.0.0.2", port=9000))
    async with app(consul, port=8080) as found:
        await found.shows("10.0.0.1:8080", "10.0.0.2:9000")


@in_loop
async def test_an_index_that_goes_backwards_begins_again(consul):
    consul.put("app", instance("a", "10.0.0.1"))
    async with app(consul) as found:
        await found.until(lambda: len(consul.requests) == 2)
        consul.services["app"] = [instance("b", "10.0.0.2")]
        consul.restore(3)
        await found.shows("10.0.0.2:8000")
        await found.until(lambda: "index=3&" in consul.requests[-1])
        consul.put("app", instance("c", "10.0.0.3"))
        await found.shows("10.0.0.3:8000")
    assert "GET /v1/health/service/app" in consul.requests[1:]


@in_loop
async def test_without_an_index_it_is_asked_now_and_then(consul):
    consul.without_index = True
    consul.put("app", instance("a", "10.0.0.1"))
    async with app(consul) as found:
        await found.shows("10.0.0.1:8000")
        consul.put("app", instance("b", "10.0.0.2"))
        await found.shows("10.0.0.2:8000")
    assert not any("index" in request for request in consul.requests)


@in_loop
async def test_changes_without_end_are_asked_for_with_pauses(consul, monkeypatch):
    monkeypatch.setattr(engine, "_GAP", 0.1)
    consul.put("app", instance("a", "10.0.0.1"))
    async with app(consul) as found:
        await found.until(lambda: found.told)
        began = time.monotonic()
        for _ in range(50):
            consul.touch()
            await asyncio.sleep(0.01)
        assert len(consul.requests) <= 3 + (time.monotonic() - began) / 0.1


@in_loop
async def test_tokens_are_sent_and_refusals_say_what_is_missing(consul):
    consul.tokens = {"s3cr3t"}
    consul.limited = {"blind"}
    consul.put("app", instance("a", "10.0.0.1"))
    async with app(consul, token_file="/run/token", secrets={"/run/token": b"s3cr3t"}) as found:
        await found.shows("10.0.0.1:8000")
    async with app(consul, token="wr0ng") as found:
        await found.until(lambda: found.failures)
    assert "ACL not found" in found.failures[0] and "service:read" in found.failures[0]
    assert "wr0ng" not in str(found.failures)
    async with app(consul, token="blind") as found:
        await found.until(lambda: found.failures)
    assert "does not allow reading the service" in found.failures[0]
    assert found.told == []


@pytest.mark.parametrize("fault", ["drop", "garbage", "html", "flood", 500, 404])
@in_loop
async def test_an_engine_out_of_order_is_said_and_comes_back(consul, fault):
    consul.put("app", instance("a", "10.0.0.1"))
    consul.fault = fault
    async with app(consul) as found:
        await found.until(lambda: found.failures)
        assert found.told == []
        consul.fault = None
        await found.shows("10.0.0.1:8000")
    assert "\n" not in found.failures[0] and len(found.failures[0]) < 350


@in_loop
async def test_an_engine_that_hangs_is_given_up_in_time(consul):
    consul.fault = "hang"
    async with app(consul, timeout=Duration(0.2)) as found:
        await found.until(lambda: found.failures)
    assert "no response within 0.2 s" in found.failures[0]


@in_loop
async def test_an_engine_that_goes_while_a_query_waits(consul):
    consul.put("app", instance("a", "10.0.0.1"))
    async with app(consul) as found:
        await found.until(lambda: len(consul.requests) == 2)
        consul.cut()
        consul.put("app", instance("b", "10.0.0.2"))
        await found.shows("10.0.0.2:8000")


@pytest.mark.parametrize("raw", ["{}", "null", "[", "", "[[]]", '{"a": ' * 2000, '"\\ud800"'])
@in_loop
async def test_answers_that_are_no_list(consul, raw):
    consul.raw = raw
    async with app(consul) as found:
        await found.until(lambda: found.failures or found.complaints)
    assert found.told in ([], [[]])


@pytest.mark.parametrize("fault", ["hang", "drop", 500])
@in_loop
async def test_of_several_agents_one_that_works_is_asked(consul, fault, monkeypatch):
    monkeypatch.setattr(engine, "_LONGEST", 0.5)  # a query that hangs is noticed sooner
    consul.fault = fault
    with ConsulFake() as other:
        other.put("app", instance("a", "10.0.0.1"))
        url = f"consul://127.0.0.1:{consul.port},127.0.0.1:{other.port}/app"
        async with Following(ConsulService, url, timeout=Duration(0.3)) as found:
            await found.shows("10.0.0.1:8000")
            asked = len(consul.requests)
            for number in range(2, 5):
                other.put("app", instance("a", f"10.0.0.{number}"))
                await found.shows(f"10.0.0.{number}:8000")
            assert len(consul.requests) == asked  # the one that has answered is asked first
            consul.fault = None
            consul.put("app", instance("b", "10.0.0.9"))
            other.fault = fault
            other.cut()
            await found.shows("10.0.0.9:8000")


@in_loop
async def test_over_tls(tmp_path):
    ca = authority()
    with ConsulFake(tls=server_tls(ca.issue("127.0.0.1"), tmp_path)) as consul:
        consul.put("app", instance("a", "10.0.0.1"))
        url = f"consuls://127.0.0.1:{consul.port}/app"
        async with Following(ConsulService, url) as found:
            await found.until(lambda: found.failures)
        assert "certificate" in found.failures[0] or "authority" in found.failures[0]
        assert consul.requests == []
        secure = UpstreamTls(ca="ca.pem")
        async with Following(ConsulService, url, authorities={"ca.pem": ca.pem}, tls=secure) as found:
            await found.shows("10.0.0.1:8000")


def test_the_fake_is_as_documented():
    """The fields of an entry are those of the documentation's example."""
    entry = json.loads(json.dumps(instance("a")))
    assert {"Node", "Service", "Checks"} == set(entry)
    assert {"ID", "Service", "Tags", "Address", "Port", "Weights", "Meta"} <= set(entry["Service"])
