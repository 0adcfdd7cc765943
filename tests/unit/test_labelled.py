"""Following Docker and Kubernetes for routes from labels, by fakes of their APIs."""

import asyncio
import contextlib

import msgspec

from rsp.config.engines import Discover, DiscoverRoutes
from rsp.config.label_routes import relabelled, source_of
from rsp.config.labels import pack, unpack, wishes
from rsp.control.discovery.labelled import Labels
from rsp.tls.material import Keyring
from tests.certificates import authority
from tests.docker_fake import DockerFake
from tests.kubernetes_fake import SERVICES, KubernetesFake, service
from tests.unit.discovery_lab import in_loop, server_tls
from tests.unit.label_lab import config_of, labels

CA = authority()


class Told:
    """async with Told(config) as told: ...   ``told.names``: what asks, as the master knows it."""

    def __init__(self, config, keyring=None) -> None:
        self.config, self.keyring = config, keyring or Keyring()
        self.asked = []
        self.labels = Labels(lambda packed: self.asked.append(unpack(packed)))

    async def __aenter__(self):
        self.labels.arrange(self.config, self.keyring)
        return self

    async def __aexit__(self, *_):
        self.labels.stop()

    @property
    def names(self):
        return [item.name for item in self.asked[-1].items] if self.asked else []

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)


def docker_config(tmp_path, fake_path, more=""):
    return config_of(
        tmp_path,
        f'listen "127.0.0.1:8080" discover_routes = {{ docker = "unix:{fake_path}", hosts = {{ "*.test" }} {more} }} '
        "route { respond = { status = 404 } }",
    )


@contextlib.asynccontextmanager
async def members_of(told, item):
    """What an upstream of ``item`` is told."""
    given, complaints = [], []
    provider = told.labels.provider(Discover(url=source_of(wishes(item)[0])))
    provider.complain = complaints.append
    task = asyncio.ensure_future(provider.follow(given.append))
    try:
        yield given, complaints
    finally:
        task.cancel()


@in_loop
async def test_docker(tmp_path):
    path = str(tmp_path / "docker.sock")
    with DockerFake(path) as docker:
        docker.run("other")
        docker.run("web-1", "172.17.0.2", labels=labels(host="a.test"))
        async with Told(docker_config(tmp_path, path)) as told:
            await told.until(lambda: told.names == ["web-1"])
            async with members_of(told, told.asked[-1].items[0]) as (given, _):
                await told.until(lambda: given and [each.address for each in given[-1]] == ["172.17.0.2:8000"])
                docker.health("web-1", "unhealthy")
                await told.until(lambda: given[-1] == [])
            docker.run("api-1", "172.17.0.3", labels=labels(host="b.test"))
            await told.until(lambda: set(told.names) == {"web-1", "api-1"})
            docker.run("bad", "172.17.0.4", labels=labels("yes", host="c.test"))  # its mistake is to be told
            await told.until(lambda: "bad" in told.names)
            assert told.asked[-1].kind == "container"


@in_loop
async def test_a_proxy_before_docker(tmp_path):
    with DockerFake(None) as docker:
        docker.run("web-1", "172.17.0.2", labels=labels(host="a.test"))
        text = 'listen "127.0.0.1:8080" discover_routes = { docker = "docker://127.0.0.1:%d", hosts = { "*.test" } }'
        async with Told(config_of(tmp_path, text % docker.port + " route { respond = { status = 404 } }")) as told:
            await told.until(lambda: told.names == ["web-1"])


@in_loop
async def test_copies_come_and_go_without_the_master(tmp_path):
    path = str(tmp_path / "docker.sock")
    compose = {"com.docker.compose.project": "p", "com.docker.compose.service": "web"}
    with DockerFake(path) as docker:
        docker.run("p-web-1", "172.17.0.2", labels={**labels(host="a.test"), **compose})
        async with Told(docker_config(tmp_path, path)) as told:
            await told.until(lambda: told.names)
            async with members_of(told, told.asked[-1].items[0]) as (given, _):
                docker.run("p-web-2", "172.17.0.3", labels={**labels(host="a.test"), **compose})
                await told.until(lambda: given and len(given[-1]) == 2)
                assert len(told.asked) == 1


@in_loop
async def test_an_engine_that_is_gone(tmp_path, capfd):
    path = str(tmp_path / "docker.sock")
    with DockerFake(path) as docker:
        docker.run("web-1", labels=labels(host="a.test"))
        async with Told(docker_config(tmp_path, path)) as told:
            await told.until(lambda: told.names)
            for fault in ("drop", "garbage", "html", 500):
                docker.fault = fault
                docker.cut()
                await told.until(lambda: told.labels.problem)
                docker.fault = None
                await told.until(lambda: not told.labels.problem)
            assert len(told.asked) == 1
    said = capfd.readouterr().err
    assert said.count("can be reached again") == 4
    assert "its previous routes stay in use" in said


@in_loop
async def test_a_socket_that_may_not_be_opened(tmp_path, monkeypatch):
    async with Told(docker_config(tmp_path, str(tmp_path / "none.sock"))) as told:
        await told.until(lambda: told.labels.problem)
        assert not told.asked
        following = told.labels._following
        following.problem = ""
        following._fail("permission denied")
        assert "may not open it, see docs/routes-from-labels.md" in following.problem


@in_loop
async def test_other_rules(tmp_path):
    """Allowed hosts are the master's business; the first owner is not forgotten when they change."""
    path = str(tmp_path / "docker.sock")
    with DockerFake(path) as docker:
        docker.run("web-1", labels=labels(host="a.test"))
        config = docker_config(tmp_path, path)
        async with Told(config) as told:
            await told.until(lambda: told.names)
            first = told.labels._following
            rules = msgspec.structs.replace(config.settings.discover_routes, hosts=("x.test",))
            told.labels.arrange(with_rules(config, rules), told.keyring)
            assert told.labels._following is first
            told.labels.arrange(with_rules(config, msgspec.structs.replace(rules, network="web")), told.keyring)
            assert told.labels._following is not first
            told.labels.arrange(with_rules(config, None), told.keyring)
            assert told.labels._following is None


def with_rules(config, rules: DiscoverRoutes | None):
    return msgspec.structs.replace(config, settings=msgspec.structs.replace(config.settings, discover_routes=rules))


def kubernetes_config(tmp_path, port, more='namespace = "default",'):
    return config_of(
        tmp_path,
        f'listen "127.0.0.1:8080" discover_routes = {{ kubernetes = "kubernetes://127.0.0.1:{port}", {more} '
        'token = "good", tls = { ca = "ca.crt" }, hosts = { "*.test" } } route { respond = { status = 404 } }',
    )


@in_loop
async def test_kubernetes(tmp_path):
    with KubernetesFake(tls=server_tls(CA.issue("127.0.0.1"), tmp_path)) as cluster:
        cluster.tokens = {"good"}
        cluster.put("web", service(annotations=labels(host="a.test")), SERVICES)
        cluster.put("plain", service(), SERVICES)
        config = kubernetes_config(tmp_path, cluster.port)
        async with Told(config, Keyring(authorities={"ca.crt": CA.pem})) as told:
            await told.until(lambda: told.names == ["default/web"])
            assert told.asked[-1].items[0].owner == "namespace default"
            await told.until(lambda: cluster.watches)
            cluster.put("api", service(annotations=labels(host="b.test")), SERVICES)
            await told.until(lambda: told.names == ["default/api", "default/web"])
            upstream = relabelled(config, pack(told.asked[-1])).upstreams[-1]
            assert upstream.discovery.url == f"kubernetes://127.0.0.1:{cluster.port}/default/web"
            cluster.tokens = {"another"}
            cluster.cut()
            await told.until(lambda: told.labels.problem)
            assert told.names == ["default/api", "default/web"]


@in_loop
async def test_kubernetes_in_all_namespaces(tmp_path):
    with KubernetesFake(tls=server_tls(CA.issue("127.0.0.1"), tmp_path)) as cluster:
        config = kubernetes_config(tmp_path, cluster.port, "")
        async with Told(config, Keyring(authorities={"ca.crt": CA.pem})) as told:
            await told.until(lambda: any("/api/v1/services?" in each for each in cluster.requests))
            assert told.names == []
