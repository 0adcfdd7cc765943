"""Members that are containers, beside a fake of Docker's API and one of podman's."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest

from rsp.config.units import Duration
from rsp.control.discovery.docker import DockerContainers
from rsp.engines import docker as engine
from rsp.engines.container import Container, Published, Unfit
from rsp.engines.docker import Docker
from tests.docker_fake import DockerFake
from tests.unit.discovery_lab import Following, in_loop


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(engine, "_GAP", 0.01)
    monkeypatch.setattr(engine, "_ANSWERS", 1 << 20)  # a flood ends sooner
    monkeypatch.setattr(engine, "_SOON", 0.1)


@pytest.fixture(params=["docker", "podman"])
def docker(request, tmp_path):
    with DockerFake(str(tmp_path / "docker.sock"), podman=request.param == "podman") as fake:
        fake.scheme = request.param
        yield fake


def app(fake, scheme="", **settings):
    return Following(DockerContainers, f"{scheme or fake.scheme}://{fake._path}", **settings)


@in_loop
async def test_containers_come_and_go_with_their_events(docker):
    docker.run("a", "172.17.0.2")
    async with app(docker) as found:
        await found.shows("172.17.0.2:8000")
        docker.run("b", "172.17.0.3", ports=(9000,))
        await found.shows("172.17.0.2:8000", "172.17.0.3:9000")
        docker.die("a")
        await found.shows("172.17.0.3:9000")
        await asyncio.sleep(docker.lag)
        docker.start("a")
        await found.shows("172.17.0.2:8000", "172.17.0.3:9000")
        docker.pause("b")
        await found.shows("172.17.0.2:8000")
        await asyncio.sleep(docker.lag)
        docker.unpause("b")
        await found.shows("172.17.0.2:8000", "172.17.0.3:9000")
    assert found.failures == found.complaints == []


@in_loop
async def test_labels_choose(docker):
    docker.run("a", "172.17.0.2", labels={"app": "web", "tier": "front"})
    docker.run("b", "172.17.0.3", labels={"app": "web"})
    docker.run("c", "172.17.0.4", labels={"app": "db", "tier": "front"})
    async with app(docker, labels={"app": "web", "tier": ""}) as found:
        await found.shows("172.17.0.2:8000")


@in_loop
async def test_health_checks_of_containers(docker):
    docker.run("a", "172.17.0.2", health="starting")
    docker.run("b", "172.17.0.3")
    async with app(docker) as found:
        await found.shows("172.17.0.3:8000")
        docker.health("a", "healthy")
        await found.shows("172.17.0.2:8000", "172.17.0.3:8000")
        docker.health("a", "unhealthy")
        await found.shows("172.17.0.3:8000")


@in_loop
async def test_a_container_that_is_told_to_stop_goes_before_it_ends(docker):
    docker.run("a", "172.17.0.2")
    docker.run("b", "172.17.0.3")
    async with app(docker) as found:
        await found.until(lambda: found.told)
        docker.signal("a")
        await found.shows("172.17.0.3:8000")
        docker.die("a")
        await asyncio.sleep(docker.lag)
        docker.start("a")
        await found.shows("172.17.0.2:8000", "172.17.0.3:8000")


@in_loop
async def test_signals_that_stop_nothing(tmp_path):
    with DockerFake(str(tmp_path / "docker.sock")) as docker:
        docker.run("a", "172.17.0.2")
        async with app(docker, "docker") as found:
            await found.until(lambda: found.told)
            docker.signal("a", "1")  # HUP: reload
            docker.run("b", "172.17.0.3")
            await found.shows("172.17.0.2:8000", "172.17.0.3:8000")


@in_loop
async def test_a_container_that_ignores_the_signal_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_LEAVING", 0.1)
    monkeypatch.setattr(engine, "_REFRESH", 0.05)
    with DockerFake(str(tmp_path / "docker.sock")) as docker:
        docker.run("a", "172.17.0.2")
        async with app(docker, "docker") as found:
            await found.until(lambda: found.told)
            docker.signal("a")
            await found.shows()
            await found.shows("172.17.0.2:8000")


@in_loop
async def test_health_checks_that_run_do_not_have_the_list_read(docker):
    docker.run("a", "172.17.0.2")
    async with app(docker) as found:
        await found.until(lambda: found.told and docker.streams)
        before = len(docker.requests)
        for _ in range(20):
            docker.executed("a")
        await asyncio.sleep(0.3)
        assert len(docker.requests) == before
        docker.run("b", "172.17.0.3")
        await found.shows("172.17.0.2:8000", "172.17.0.3:8000")


@in_loop
async def test_many_events_are_gathered(docker, monkeypatch):
    monkeypatch.setattr(engine, "_GAP", 0.2)
    async with app(docker) as found:
        await found.until(lambda: found.told)
        before, began = len(docker.requests), time.monotonic()
        for number in range(40):
            docker.run(f"c{number}", f"172.17.1.{number}")
        await found.until(lambda: len(found.now) == 40)
        lists = 2 + (time.monotonic() - began) / 0.2
        assert len(docker.requests) - before <= 2 * lists


@in_loop
async def test_what_no_event_told_of_is_seen_within_the_refresh(docker, monkeypatch):
    monkeypatch.setattr(engine, "_REFRESH", 0.05)
    docker.run("a", "172.17.0.2")
    async with app(docker) as found:
        await found.shows("172.17.0.2:8000")
        docker.silently(lambda containers: containers.clear())
        await found.shows()


@in_loop
async def test_networks_and_ports(docker):
    docker.run("a", networks={"front": "10.1.0.2", "back": "10.2.0.2"}, ports=(8000, 9000))
    async with app(docker) as found:
        await found.until(lambda: found.complaints)
        assert found.told[0] == []
    assert "several ports (8000, 9000); choose one: port = 8000" in found.complaints[0]
    async with app(docker, port=9000) as found:
        await found.until(lambda: found.complaints)
    assert 'several networks (back, front); choose one: network = "back"' in found.complaints[0]
    async with app(docker, port=9000, network="back") as found:
        await found.shows("10.2.0.2:9000")
        docker.run("b", networks={"front": "10.1.0.3"}, ports=())
        await found.until(lambda: found.complaints)
        docker.connect("b", "back", "10.2.0.3")
        await found.shows("10.2.0.2:9000", "10.2.0.3:9000")
    assert 'no address in the network "back"; it is in front' in found.complaints[0]


@in_loop
async def test_what_containers_have_at_the_host_is_used_when_it_is_said(docker):
    """Rootless ones have nothing else; podman's list does not tell which are in the host's network."""
    published = ((8000, 32768, "0.0.0.0"), (9000, 9000, "192.0.2.1"))
    docker.run("a", networks={"pasta": ""}, ports=(), published=published)
    docker.run("b", networks={"host": ""}, ports=())
    docker.run("c", "172.17.0.2", ports=())
    docker.run("d", "fd00::5", ports=(), published=((8000, 40000, "::1"),))
    async with app(docker, port=8000) as found:
        await found.shows("172.17.0.2:8000", "[fd00::5]:8000")
    assert [text.partition(":")[0] for text in found.complaints] == [
        'container "a" is ignored', 'container "b" is ignored'
    ]  # fmt: skip
    assert 'write network = "host"' in found.complaints[0]
    async with app(docker, port=8000, network="host") as found:
        await found.shows("127.0.0.1:32768", "127.0.0.1:8000", "[::1]:40000")
    assert found.complaints == [
        'container "c" is ignored: the host does not publish its port 8000; start it with -p 8000'
    ]
    async with app(docker, port=9000, network="host") as found:
        await found.until(lambda: found.told)
    assert found.now[0] == "192.0.2.1:9000"


@in_loop
async def test_weights_are_labels(docker):
    docker.run("a", "172.17.0.2", labels={"rsp.weight": "5"})
    docker.run("b", "172.17.0.3", labels={"rsp.weight": "heavy"})
    docker.run("c", "172.17.0.4", labels={"rsp.weight": "0"})
    async with app(docker) as found:
        await found.until(lambda: found.told)
    assert [(member.address, member.weight) for member in found.told[0]] == [("172.17.0.2:8000", 5)]
    assert len(found.complaints) == 2 and 'rsp.weight is "heavy"' in found.complaints[0]


@in_loop
async def test_entries_that_cannot_be_read_are_left_out(docker):
    docker.run("a", "172.17.0.2")
    docker.run("b", "172.17.0.3")
    docker.run("c", "172.17.0.4", networks={"bridge": "somewhere"})

    def spoil(containers):
        next(iter(containers.values()))["Ports"] = "8000"

    docker.silently(spoil)
    async with app(docker) as found:
        await found.shows("172.17.0.3:8000")
    assert "1 containers cannot be understood" in found.complaints[0]
    assert "not an IP address" in found.complaints[1]


@pytest.mark.parametrize("fault", ["drop", "garbage", "html", "flood", 500, 403])
@in_loop
async def test_an_engine_out_of_order_is_said_and_comes_back(docker, fault):
    docker.run("a", "172.17.0.2")
    docker.fault = fault
    async with app(docker, timeout=Duration(1)) as found:
        await found.until(lambda: found.failures)
        docker.fault = None
        await found.shows("172.17.0.2:8000")
        assert found.told == found.told[-1:]


@pytest.mark.parametrize("raw", [b"{}", b"null", b"[", b"[[]]", b'[{"Id": ""}]', b'[{"Names": null}]', b"\xff"])
@in_loop
async def test_lists_of_another_kind(docker, raw):
    docker.raw_list = raw
    async with app(docker) as found:
        await found.until(lambda: found.failures or found.complaints)
    assert found.told in ([], [[]])


@in_loop
async def test_the_engine_starts_anew(docker):
    docker.run("a", "172.17.0.2")
    async with app(docker) as found:
        await found.until(lambda: docker.streams)
        docker.silently(lambda containers: containers.clear())
        docker.cut()
        await found.shows()
        await found.until(lambda: docker.streams == 2)
    assert found.failures


@pytest.mark.parametrize("raw", ["not json\n", "[]\n", '{"Action": 5}\n', '{"Action": "start", "Actor": []}\n', "\n"])
@in_loop
async def test_events_of_another_kind_change_nothing(docker, raw):
    docker.run("a", "172.17.0.2")
    async with app(docker) as found:
        await found.until(lambda: docker.streams)
        docker.send(raw)
        docker.run("b", "172.17.0.3")
        await found.shows("172.17.0.2:8000", "172.17.0.3:8000")
    assert found.failures == []


@in_loop
async def test_an_event_without_end_is_not_read(docker, monkeypatch):
    monkeypatch.setattr(engine, "_EVENTS", 64 << 10)
    async with app(docker) as found:
        await found.until(lambda: docker.streams)
        docker.send("x" * (1 << 20))
        await found.until(lambda: found.failures)
    assert "more than 64 KB" in found.failures[0]


@in_loop
async def test_a_flood_of_ends_is_not_remembered(monkeypatch):
    monkeypatch.setattr(engine, "_MOST_CONTAINERS", 100)

    async def lines(limit):
        for name in ("x" * 50_000, *map(str, range(1000))):
            yield json.dumps({"Action": "die", "Actor": {"ID": name}}).encode()

    docker = Docker(None)
    await docker._note(SimpleNamespace(lines=lines))
    assert set(docker._leaving) == set(map(str, range(100)))


@in_loop
async def test_a_socket_that_is_not_there_or_not_allowed(tmp_path):
    async with Following(DockerContainers, f"docker://{tmp_path}/none.sock") as found:
        await found.until(lambda: found.failures)
    assert "no such file or directory" in found.failures[0]


def container(**settings):
    known = {"labels": {}, "ready": True, "networks": {}, "ports": (), "published": ()}
    return Container(id="1", name="a", created=0.0, **{**known, **settings})


def test_ports_that_nothing_declares():
    with pytest.raises(Unfit, match="declares no port"):
        container(networks={"bridge": "172.17.0.2"}).address(None, None)
    assert container(networks={"bridge": "172.17.0.2"}).address(None, 80) == "172.17.0.2:80"
    assert container(networks={"a": "10.0.0.1", "b": ""}, ports=(80,)).address(None, None) == "10.0.0.1:80"
    assert container(published=(Published(80, 8080, "::"),)).address("host", 80) == "[::1]:8080"
    with pytest.raises(Unfit, match="not an IP address"):
        container(published=(Published(80, 8080, "host.name"),)).address("host", 80)


@in_loop
async def test_over_tcp_as_a_proxy_before_the_socket_has_it():
    with DockerFake(None) as docker:
        docker.run("a", "172.17.0.2")
        async with Following(DockerContainers, f"docker://127.0.0.1:{docker.port}") as found:
            await found.shows("172.17.0.2:8000")
