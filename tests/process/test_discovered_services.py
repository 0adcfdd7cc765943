"""rsp with members from Consul, Kubernetes and Docker: fakes of their HTTP APIs, everything else is real."""

import grp
import json
import os
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.certificates import authority
from tests.consul_fake import ConsulFake, instance
from tests.docker_fake import DockerFake
from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, answering, is_root, wait_until
from tests.kubernetes_fake import KubernetesFake, slice_of
from tests.unit.discovery_lab import server_tls

SECRETS = ("consul-s3cr3t", "kube-s3cr3t", "kube-r0tated")
SITE = """
for _, name in ipairs { "consul", "kubernetes", "docker" } do
  route { path = "/" .. name .. "/", to = name }
end
upstream "consul" { discover = { url = "consul://127.0.0.1:CONSUL/app", token_file = "consul.token", timeout = "1s" } }
upstream "kubernetes" { discover = {
  url = "kubernetes://127.0.0.1:KUBERNETES/default/app", token_file = "kube.token", tls = { ca = "kube-ca.pem" }, timeout = "1s",
} }
upstream "docker" { discover = {
  url = "docker://DOCKER/docker.sock", labels = { app = "web" }, timeout = "1s",
} }
upstream "denied" { discover = { url = "docker://DOCKER/denied.sock", labels = { app = "web" } } }
route { path = "/denied/", to = "denied" }
"""
KINDS = ("consul", "kubernetes", "docker")


class Site:
    """``one`` is the first backend; each engine has some of the backends as members."""

    def __init__(self, directory) -> None:
        self.directory = directory
        authority("Cluster CA").write(directory / "kube-ca.pem")
        (directory / "consul.token").write_text("consul-s3cr3t\n")
        (directory / "kube.token").write_text("kube-s3cr3t")
        self.one = Backend(name="one")
        self.backends = [self.one]
        self.given = {}  # the members of each engine
        self._up = {}  # containers, and whether they run
        tls = server_tls(authority("Cluster CA").issue("127.0.0.1"), directory)
        self.consul = ConsulFake().__enter__()
        self.kubernetes = KubernetesFake(tls=tls).__enter__()
        self.sockets = Path(tempfile.mkdtemp())  # where any user gets to
        self.docker = DockerFake(str(self.sockets / "docker.sock")).__enter__()
        self.denied = DockerFake(str(self.sockets / "denied.sock")).__enter__()
        (self.sockets / "denied.sock").chmod(0)
        self.consul.tokens, self.kubernetes.tokens = {"consul-s3cr3t"}, {"kube-s3cr3t"}
        self.fakes = dict(zip(KINDS, (self.consul, self.kubernetes, self.docker), strict=True))
        for kind in KINDS:
            self.give(kind, self.one)
        text = SITE.replace("CONSUL", str(self.consul.port)).replace("KUBERNETES", str(self.kubernetes.port))
        self.rsp = Everywhere(directory, text.replace("DOCKER", str(self.sockets)) + self.in_its_group())

    def in_its_group(self) -> str:
        """As the socket of Docker is root's and of the group "docker"."""
        if not is_root():
            return ""
        group = grp.getgrgid(1)
        self.sockets.chmod(0o755)
        os.chown(self.sockets / "docker.sock", 0, group.gr_gid)
        (self.sockets / "docker.sock").chmod(0o660)
        return f'group = "{group.gr_name}"'

    def close(self):
        self.rsp.__exit__(None, None, None)
        for each in (*self.fakes.values(), self.denied):
            each.__exit__(None, None, None)
        shutil.rmtree(self.sockets)
        for each in self.backends:
            each.close()

    def give(self, kind, *backends):
        """These are the members from now on."""
        self.given[kind] = backends
        if kind == "consul":
            self.consul.put("app", *(instance(each.name, "127.0.0.1", each.port) for each in backends))
        elif kind == "kubernetes":
            for each in self.backends:
                addresses = ["127.0.0.1"] if each in backends else []
                self.kubernetes.put(f"app-{each.name}", slice_of("app", *addresses, ports=((each.port, "http"),)))
        else:
            self._run(backends)

    def _run(self, backends):
        for each in self.backends:
            if each in backends and each.name not in self._up:
                self.docker.run(each.name, "127.0.0.1", labels={"app": "web"}, ports=(each.port,))
            elif each in backends and not self._up[each.name]:
                self.docker.start(each.name)
            elif each not in backends and self._up.get(each.name):
                self.docker.die(each.name)
            if each in backends or each.name in self._up:
                self._up[each.name] = each in backends

    def another(self, handler=None):
        """A backend that has not been a member: one that comes and goes is damped."""
        self.backends.append(Backend(handler, name=f"b{len(self.backends)}"))
        return self.backends[-1]

    def names(self, kind):
        return {each.name for each in self.given[kind]}

    def shown(self, kind):
        return sorted(address for address in self.rsp.peers(kind))

    def shows(self, kind, *backends):
        wanted = sorted(each.address for each in backends)
        wait_until(lambda: self.shown(kind) == wanted, f"{kind} has {wanted}")

    def source(self, kind):
        (found,) = [each for each in self.rsp.admin("/status")["discovery"] if each["upstream"] == kind]
        return found

    def answers(self, kind, way="h1"):
        return self.rsp.ask(way, f"/{kind}/").body.decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("discovered"))
    yield made
    made.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_requests_go_to_members(site, kind, way):
    assert site.answers(kind, way) in site.names(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_members_move_without_a_failed_request(site, kind):
    two = site.another()
    failed, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answer = site.rsp.ask("h1", f"/{kind}/")
            if answer.status != 200:
                failed.append(answer)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for members in ((*site.given[kind], two), (two,)):
            site.give(kind, *members)
            site.shows(kind, *members)
    finally:
        stop.set()
        asking.join()
    assert failed == []
    assert site.answers(kind) == two.name


@pytest.mark.parametrize("way", ["h1", "h2-tls"])
def test_a_container_that_is_stopped_finishes_what_runs(site, way):
    """`docker stop`: no new requests from the signal on, although it runs; the one that it has is answered."""
    go_on = threading.Event()

    def slowly(connection, head, rest):
        go_on.wait(20)
        return answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")(connection, head, rest)

    slow, other = site.another(slowly), site.another()
    site.give("docker", slow)
    site.shows("docker", slow)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(site.answers, "docker", way)
        wait_until(lambda: slow.heads, "the request")
        site.give("docker", slow, other)
        site.shows("docker", slow, other)
        site.docker.signal(slow.name)
        site.shows("docker", other)
        assert {site.answers("docker", way) for _ in range(3)} == {other.name}
        assert len(slow.heads) == 1 and not running.done()
        go_on.set()
        assert running.result(20) == "slow"
    site.give("docker", other)


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_that_is_gone_changes_nothing(site, kind):
    known = site.shown(kind)
    names = site.names(kind)
    before = site.rsp.log.count("stays in use")
    fake = site.fakes[kind]
    fake.fault = "drop"
    fake.cut()
    wait_until(lambda: site.source(kind)["state"] == "unreachable", "unreachable")
    assert site.answers(kind) in names
    assert site.rsp.log.count("stays in use") == before + 1
    two = site.another()
    site.give(kind, two)
    assert site.shown(kind) == known
    fake.fault = None
    site.shows(kind, two)
    wait_until(lambda: site.source(kind)["state"] == "ok", "ok again")
    assert site.answers(kind) == two.name


@pytest.mark.parametrize("fault", ["flood", "garbage", "hang", 503])
def test_engines_out_of_order_disturb_nothing(site, fault):
    """All three at once; what a process keeps of an answer is bounded."""
    control = next(
        child for child in psutil.Process(site.rsp.process.pid).children() if "control" in child.cmdline()[0]
    )
    kinds = KINDS[1:] if fault == "hang" else KINDS  # Consul's queries wait anyway, for 10 s
    for kind in kinds:
        site.fakes[kind].fault = fault
        site.fakes[kind].cut()
    try:
        wait_until(lambda: all(site.source(kind)["state"] == "unreachable" for kind in kinds), "unreachable")
        for kind in KINDS:
            assert site.answers(kind) in site.names(kind)
        assert control.memory_info().rss < 250 << 20
    finally:
        for fake in site.fakes.values():
            fake.fault = None
    wait_until(lambda: all(site.source(kind)["state"] == "ok" for kind in KINDS), "ok again")
    assert control.is_running()


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_answer_is_not_believed_at_once(site, kind):
    known = site.given[kind]
    site.give(kind)
    wait_until(lambda: site.source(kind)["state"] == "doubtful", "doubt")
    assert site.answers(kind) in {each.name for each in known}
    site.give(kind, *known)
    wait_until(lambda: site.source(kind)["state"] == "ok", "no doubt")


def test_a_token_is_replaced_while_rsp_runs(site):
    """As kubelet does it, once an hour."""
    site.kubernetes.tokens = {"kube-r0tated"}
    new = site.directory / "kube.new"
    new.write_text("kube-r0tated")
    new.replace(site.directory / "kube.token")
    site.kubernetes.end_watches()
    two = site.another()
    site.give("kubernetes", two)
    site.shows("kubernetes", two)
    assert site.answers("kubernetes") == two.name


def test_secrets_are_shown_nowhere(site):
    said = site.rsp.log + json.dumps(site.rsp.admin("/status")) + json.dumps(site.rsp.admin("/peers"))
    said += site.rsp.rspctl("status").stdout + site.rsp.rspctl("peers").stdout
    assert not [secret for secret in SECRETS if secret in said]
    assert "consul://127.0.0.1" in said


@pytest.mark.alone
def test_a_change_is_in_force_within_a_second(site):
    took = {}
    for kind in KINDS:
        members = *site.given[kind], site.another()
        began = time.monotonic()
        site.give(kind, *members)
        site.shows(kind, *members)
        took[kind] = time.monotonic() - began
    assert sorted(took.values())[1] < 1.0, took


def test_a_socket_that_rsp_may_not_use(site):
    assert site.source("denied")["state"] == "unreachable"
    assert "denied.sock: permission denied; rsp connects as the user and group in `user` and `group`" in site.rsp.log
