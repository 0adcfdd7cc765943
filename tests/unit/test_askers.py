"""Containers and services as they ask for routes."""

import msgspec
import pytest

from rsp.control.discovery.askers import MOST_LABELLED, Service, containers, members, services
from rsp.control.discovery.provider import Member
from rsp.engines.container import Container, Published
from tests.unit.label_lab import labels


def running(name="web-1", networks=None, ports=(8000,), published=(), ready=True, more=None, **given):
    found = {**labels(**given), **(more or {})}
    return Container("id", name, 7.0, found, ready, networks or {"bridge": "172.17.0.2"}, ports, published)


def compose(project, service):
    return {"com.docker.compose.project": project, "com.docker.compose.service": service}


def sightings(*listed):
    complaints = []
    return [sighting for _, sighting in containers(listed, complaints.append)], complaints


def the_members(*listed, network=None):
    ((found, problems),) = members(containers(listed, [].append), network).values()
    return found, problems


def test_whose_a_container_is():
    (one, two, three), _ = sightings(
        running("a-1", host="a.test", more=compose("a", "web")),
        running("b", host="a.test"),
        running("c", host="a.test", more={"com.docker.stack.namespace": "s", "com.docker.swarm.service.name": "s_web"}),
    )
    assert (one.item.owner, one.item.service) == ("project a", "web")
    assert (two.item.owner, two.item.service) == ("container b", "b")
    assert (three.item.owner, three.item.service) == ("project s", "s_web")
    assert one.created == 7.0


def test_names_that_are_not_names():
    """A label may be anything; an owner that looks like another one would be dangerous."""
    (one, two), complaints = sightings(
        running("b", host="a.test", more=compose("a\n", "web")), running("c", host="a.test", more=compose("", "w/eb")),
        running("bad name", host="a.test"),
    )  # fmt: skip
    assert {one.item.owner, two.item.owner} == {"container b", "container c"}
    assert complaints == ['container "bad name" is ignored: its name is not one that Docker gives']


def test_only_labels_of_rsp_and_not_too_many():
    (one,), complaints = sightings(
        running("a", host="a.test", more={"other": "x" * 10**6}),
        running("b", more={f"rsp.{n}": "" for n in range(200)}),
    )
    assert one.item.labels == labels(host="a.test")
    assert complaints == ["b is ignored: more than 100 labels begin with rsp."]


def test_members():
    listed = [running(f"w-{n}", {"bridge": f"172.17.0.{n}"}, host="a.test", port="80", weight="3" if n == 2 else "1",
                      more=compose("p", "web"), ready=n != 4) for n in (2, 3, 4)]  # fmt: skip
    assert the_members(*listed) == ([Member("172.17.0.2:80", 3), Member("172.17.0.3:80", 1)], [])


@pytest.mark.parametrize(("container", "network", "said"), [
    (running(networks={"a": "10.0.0.1", "b": "10.1.0.1"}, host="a.test"), None,
     "it is in several networks (a, b); choose one: rsp.network=a"),
    (running(ports=(), host="a.test"), None, "it declares no port (EXPOSE); set it: rsp.port=8000"),
    (running(ports=(80, 81), host="a.test"), None, "it has several ports (80, 81); choose one: rsp.port=80"),
    (running(host="a.test", network="x"), None, 'it has no address in the network "x"; it is in bridge'),
    (running(networks={"host": ""}, host="a.test", port="9146"), None,
     'it has no address of its own; write network = "host" in discover_routes to use what it has at the host'),
    (running(networks={"none": ""}, published=[Published(8000, 9146, "0.0.0.0")], host="a.test"), None,
     "it has no address of its own"),
    (running(networks={"x": "127.0.0.1"}, host="a.test"), None,
     "it has no address of its own; put it into a network, or write a route in the file"),
    (running(networks={"x": "::1"}, host="a.test"), None, "it has no address of its own"),
    (running(host="a.test", network="host"), None,
     'rsp.network=host takes network = "host" in discover_routes as well'),
])  # fmt: skip
def test_containers_without_an_address(container, network, said):
    found, (problem,) = the_members(container, network=network)
    assert found == []
    assert said in problem


def test_networks():
    both = running(networks={"a": "10.0.0.1", "b": "10.1.0.1"}, host="a.test", network="b")
    assert the_members(both, network="a")[0] == [Member("10.1.0.1:8000")]
    published = running(published=[Published(8000, 18000, "127.0.0.1")], host="a.test")
    assert the_members(published, network="host")[0] == [Member("127.0.0.1:18000")]


def test_more_members_than_there_is_room_for():
    paths = {f"routes__r{n}__path": f"/{n}" for n in range(16)}
    listed = [
        running(f"c-{n}", {"b": f"10.0.{n}.1"}, host="a.test", more=compose("p", "w"), **paths) for n in range(200)
    ]
    found = members(containers(listed, [].append), None)
    assert sum(len(those) for those, _ in found.values()) == MOST_LABELLED
    assert {problem for _, problems in found.values() for problem in problems} == {
        "containers are ignored: labels define more than 2000 members"
    }


def test_labels_with_mistakes_have_no_members():
    assert members(containers([running(host="a.test", prot="80")], [].append), None) == {}


def test_services():
    complaints = []
    found = {
        f"apps/{name}": msgspec.convert(
            {"metadata": {"name": name, "namespace": "apps", "creationTimestamp": when, "annotations": notes}},
            Service,
        )
        for name, when, notes in (
            ("web", "2026-01-01T00:00:00Z", labels(host="a.test")),
            ("plain", "", None),
            ("odd", "yesterday", labels(host="b.test")),
            ("o\nd", "", labels(host="b.test")),
        )
    }
    web, odd = services(found, complaints.append)
    assert (web.item.name, web.item.owner, web.item.service) == ("apps/web", "namespace apps", "web")  # fmt: skip
    assert (web.created, odd.created) == (1767225600.0, 0.0)
    assert len(complaints) == 1
