"""Answers of Consul, Kubernetes and Docker with anything anywhere in them: what is good stays, nothing else is raised."""

import asyncio
import copy
import json
from types import SimpleNamespace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.control.discovery.consul import ConsulService
from rsp.control.discovery.docker import DockerContainers
from rsp.control.discovery.kubernetes import Pods, Slice
from rsp.engines.consul import Answer
from rsp.engines.docker import Docker
from rsp.engines.failures import Unreachable
from rsp.engines.kubernetes import Collection
from rsp.tls.material import Keyring
from tests.consul_fake import instance
from tests.docker_fake import DockerFake
from tests.kubernetes_fake import slice_of
from tests.soak import examples

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["10.0.0.1", "fd00::1", "unix:/x", "a b", "-1", "999999", "passing", "tcp", "\x1b[2J", "é" * 300]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def spots(value, path=()):
    """The path to everything in a JSON value."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from spots(child, (*path, key))


@st.composite
def spoiled(draw, whole):
    """``whole`` with something else at some places of it."""
    found = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(spots(found))))
        if not path:
            return draw(ANYTHING)
        at = found
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = draw(ANYTHING)
    return found


def given_spoiled(whole):
    return given(spoiled(whole))


def as_json(value) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


GOOD_INSTANCE = instance("good", "10.0.0.9")


@examples(100)
@given_spoiled(instance("a", "10.0.0.1", tags=("x",), states=("passing", "warning")))
def test_instances_of_consul(value):
    provider = ConsulService(Discover(url="consul://127.0.0.1/app"), Dns(), Keyring())
    said = []
    provider.complain = said.append
    found = provider._members(Answer(as_json([value, GOOD_INSTANCE]), 1, False))
    assert found[-1].address == "10.0.0.9:8000"
    assert len(found) + len(said) <= 2
    assert all(1 <= member.weight <= 1000 for member in found)


@examples(100)
@given(ANYTHING)
def test_lists_of_consul(value):
    provider = ConsulService(Discover(url="consul://127.0.0.1/app"), Dns(), Keyring())
    try:
        assert provider._members(Answer(as_json(value), 1, False)) == []
    except Unreachable:
        assert not isinstance(value, list)


SLICE = {
    **slice_of("app", "10.0.0.1", "10.0.0.2"),
    "metadata": {"name": "app-1", "namespace": "default", "resourceVersion": "5"},
}
GOOD_SLICE = {**slice_of("app", "10.0.0.9"), "metadata": {"name": "good", "namespace": "default"}}


@examples(100)
@given_spoiled(SLICE)
def test_slices_of_kubernetes(value):
    collection, said, found = Collection("/x", Slice), [], {}
    collection.complain = said.append
    items = msgspec.json.decode(as_json([value, GOOD_SLICE]), type=list[msgspec.Raw])
    collection._take_items(items, found, {})
    members = Pods(None, said.append).members(found)
    ipv6 = any(each.address_type == "IPv6" for each in found.values())
    assert "10.0.0.9:8080" in [member.address for member in members] or ipv6
    assert all(text.isprintable() and len(text) < 2000 for text in said)


@examples(100)
@given_spoiled({"type": "MODIFIED", "object": SLICE})
def test_events_of_kubernetes(value):
    """What a watch does with one line: it goes on, or begins anew."""
    collection = Collection("/x", Slice)
    collection._changed = asyncio.Event()

    async def lines(limit):
        yield as_json(value)

    try:
        asyncio.run(collection._note(SimpleNamespace(lines=lines)))
    except Unreachable:
        pass


def _container():
    fake = DockerFake("/nowhere")
    fake.do = lambda change: change()
    fake.run("a", "10.0.0.1", labels={"app": "web", "rsp.weight": "3"}, published=((8000, 80, "0.0.0.0"),))
    return fake._shown(next(iter(fake.containers.values())))


CONTAINER = _container()
GOOD_CONTAINER = {**copy.deepcopy(CONTAINER), "Id": "good", "Names": ["/zzz"]}
GOOD_CONTAINER["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] = "10.0.0.9"


class PlainWeb:
    def __init__(self, body):
        self._bodies = [body, b"[]"]

    async def ask(self, *_, **__):
        return 200, self._bodies.pop(0)


@examples(100)
@given_spoiled(CONTAINER)
def test_containers_of_docker(value):
    docker = Docker(PlainWeb(as_json([value, GOOD_CONTAINER])))
    provider = DockerContainers(Discover(url="docker:///x"), Dns(), Keyring())
    said = []
    provider.complain = said.append
    containers = asyncio.run(docker.containers({}))
    members = list(provider._members(containers))
    assert "10.0.0.9:8000" in [member.address for member in members]
    assert len(members) + len(said) + docker.unread <= 2


@settings(max_examples=60, deadline=None)
@given_spoiled(
    {"Type": "container", "Action": "kill", "Actor": {"ID": "a", "Attributes": {"signal": "15", "name": "b"}}}
)
def test_events_of_docker(value):
    docker = Docker(PlainWeb(b"[]"))

    async def lines(limit):
        yield as_json(value)

    asyncio.run(docker._note(SimpleNamespace(lines=lines)))
