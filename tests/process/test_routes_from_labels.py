"""Routes that containers ask for by labels, beside a fake of Docker's API: real rsp, real requests.

``network = "host"``: the fake containers are backends at this machine's own ports.
"""

import contextlib
import http.client
import signal
import socket
from pathlib import Path

import psutil
import pytest

from tests.certificates import authority
from tests.docker_fake import DockerFake
from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, Rsp, as_root, background_load, get, is_root, wait_until
from tests.kubernetes_fake import SERVICES, KubernetesFake, service, slice_of
from tests.unit.discovery_lab import server_tls
from tests.unit.label_lab import labels

TEXT = """
discover_routes = {{ docker = "unix:{socket}", hosts = {{ "*.apps.test", "test" }}, network = "host" }}
upstream "app" {{ "127.0.0.1:9" }}
route {{ host = "admin.apps.test", respond = {{ body = "admin" }} }}
route {{ path = "/healthz", respond = {{ body = "ok" }} }}
route {{ respond = {{ body = "default" }} }}
on_response(function(req, res) res.headers["X-Hook"] = "here" end)
"""


class Site(Everywhere):
    """rsp beside a fake of Docker; ``run(name, host=...)`` starts a container with its own name as its answer."""

    def __init__(self, directory, docker, socket, backends):
        self.docker, self.backends, self.text = docker, backends, TEXT.format(socket=socket) + as_root()
        super().__init__(directory, self.text, 2)

    def run(self, name, compose="", enable="true", text=None, **given):
        backend = self.backends.enter_context(Backend(name=text or name))
        more = {"com.docker.compose.project": compose, "com.docker.compose.service": "web"} if compose else {}
        published = [(8000, backend.port, "127.0.0.1")]
        self.docker.run(name, labels={**labels(enable, **given), **more}, published=published)
        return backend

    def body(self, host, path="/", way="h1"):
        return self.ask(way, path, host=host).body.decode()

    def serves(self, host, body, path="/"):
        wait_until(lambda: self.body(host, path) == body, f"{host}{path} is served by {body}")

    @property
    def version(self):
        return self.admin("/status")["configuration"]["version"]

    def routes(self):
        return self.admin("/routes")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("labels")
    path = str(directory / "docker.sock")
    with contextlib.ExitStack() as backends, DockerFake(path) as docker, Site(directory, docker, path, backends) as rsp:  # fmt: skip
        rsp.run("first", host="first.apps.test")
        rsp.serves("first.apps.test", "first")
        yield rsp


@pytest.mark.parametrize("way", WAYS)
def test_a_route_for_every_kind_of_client(site, way):
    answer = site.ask(way, "/x?y", host="first.apps.test")
    assert (answer.body, answer["x-hook"]) == (b"first", "here")
    assert site.body("first.apps.test", "/healthz", way) == "ok"
    assert site.body("FIRST.apps.test", "/", way) == "first"
    assert site.body("other.apps.test", "/", way) == "default"


def test_copies_share_the_requests_and_need_no_reload(site):
    site.run("shop-1", "shop", host="shop.apps.test")
    site.serves("shop.apps.test", "shop-1")
    version = site.version
    site.run("shop-2", "shop", host="shop.apps.test")
    site.serves("shop.apps.test", "shop-2")
    assert {site.body("shop.apps.test") for _ in range(8)} == {"shop-1", "shop-2"}
    site.docker.die("shop-1")
    wait_until(lambda: {site.body("shop.apps.test") for _ in range(4)} == {"shop-2"}, "shop-1 goes")
    assert site.version == version


def test_others_are_left_out(site):
    site.run("host-1", "mine", host="own.apps.test")
    site.serves("own.apps.test", "host-1")
    site.run("thief", host="own.apps.test", path="/login")
    site.run("admin", host="admin.apps.test")
    site.run("stranger", host="bank.test")
    site.run("everything", host="*.apps.test")
    site.run("health", host="h.apps.test", path="/healthz")
    site.run("typo", host="typo.apps.test", prot="80")
    site.run("\x1b[2J", host="x.apps.test")
    site.run("no", host="no.apps.test", enable="false")
    site.run("good", host="good.apps.test")
    site.serves("good.apps.test", "good")
    assert site.body("own.apps.test", "/login") == "host-1"
    assert site.body("admin.apps.test") == "admin"
    assert site.body("h.apps.test", "/healthz") == "ok"
    assert {site.body(host) for host in ("bank.test", "z.apps.test", "typo.apps.test", "x.apps.test", "no.apps.test")} == {"default"}  # fmt: skip
    shown = site.rspctl("routes").stdout
    for line in (
        'ignored: container thief (label rsp.host): host = "own.apps.test": it is that of project mine, which asked for it first',
        'ignored: container typo (label rsp.prot): unknown label (did you mean "rsp.port"?)',
        'ignored: container stranger (label rsp.host): host = "bank.test": it is not among the hosts of discover_routes',
    ):  # fmt: skip
        assert line in shown
        assert site.log.count(line.removeprefix("ignored: ")) == 1
    assert [line.split() for line in shown.splitlines() if line.startswith("good.apps.test")] == [["good.apps.test", "/", "good@docker", "container", "good"]]  # fmt: skip
    assert "\x1b" not in site.log + shown


def test_many_at_once_are_few_reloads(site):
    version = site.version
    for number in range(20):
        site.run(f"many-{number}", host=f"m{number}.apps.test", text="many")
    for number in range(20):
        site.serves(f"m{number}.apps.test", "many")
    assert site.version - version <= 5


def test_the_file_is_loaded_with_what_labels_have(site):
    site.reload(site.text + 'route { path = "/new", respond = { body = "new" } }')
    assert (site.body("first.apps.test"), site.body("first.apps.test", "/new")) == ("first", "new")
    site.reload(site.text + "route { to = 'nowhere' }")
    assert "no such upstream" in site.log
    assert site.body("first.apps.test") == "first"
    site.write(site.text + 'route { path = "/new", respond = { body = "not yet" } }')
    site.run("meanwhile", host="meanwhile.apps.test")  # what is being written is no business of labels
    site.serves("meanwhile.apps.test", "meanwhile")
    assert site.body("first.apps.test", "/new") == "new"
    shown = site.rspctl("reload", "--dry-run").stdout
    assert "not yet" in shown
    assert not [line for line in shown.splitlines() if line[:1] in "+-" and "docker" in line]
    site.reload(site.text + 'route { host = "first.apps.test", respond = { body = "the file" } }')
    assert site.body("first.apps.test") == "the file"
    assert any("container first" in line for line in site.routes()["left_out"])
    site.reload(site.text)
    site.serves("first.apps.test", "first")


def test_requests_go_on_while_routes_come_and_go(site):
    site.run("loaded", host="test")
    site.serves("test", "loaded")
    with background_load(site.ports["h1"], 4, pause=0.002) as load:
        for number in range(3):
            site.run(f"passing-{number}", host=f"p{number}.apps.test")
            site.serves(f"p{number}.apps.test", f"passing-{number}")
            site.docker.die(f"passing-{number}")
        site.reload(site.text)
        wait_until(lambda: site.ask("h1", host="p2.apps.test").status == 503, "no container any more")
    assert load.failures == []
    assert set(load.bodies) == {b"loaded"}


def test_docker_and_the_control_process_may_fail(site):
    site.run("zz-owner", host="z.apps.test")
    site.serves("z.apps.test", "zz-owner")
    site.run("aa-thief", host="z.apps.test")  # of one age, so that it would be first
    wait_until(lambda: "container aa-thief" in str(site.routes()["left_out"]), "it is left out")
    version = site.version
    site.docker.fault = "drop"
    site.docker.cut()
    wait_until(lambda: site.routes()["problem"], "docker is gone")
    assert site.body("first.apps.test") == "first"
    assert b"rsp_label_routes_up 0" in metrics(site)
    site.docker.fault = None
    wait_until(lambda: not site.routes()["problem"], "docker is back")
    control = next(
        each for each in psutil.Process(site.process.pid).children() if "control" in " ".join(each.cmdline())
    )
    control.send_signal(signal.SIGKILL)
    control.wait(20)
    seen = len(site.docker.requests)
    wait_until(lambda: len(site.docker.requests) > seen + 2, "it asks again")
    site.run("later", host="later.apps.test")
    site.serves("later.apps.test", "later")
    assert (site.body("first.apps.test"), site.body("z.apps.test")) == ("first", "zz-owner")
    assert site.version - version <= 4  # what lingers is not known to the new one
    assert b"rsp_label_routes_up 1" in metrics(site)


def metrics(site):
    connection = http.client.HTTPConnection("rsp", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(site.directory / "admin.sock"))
    connection.request("GET", "/metrics")
    return connection.getresponse().read()


def test_services_of_kubernetes(tmp_path):
    """By annotations; the upstream follows the service's EndpointSlices."""
    ca = authority()
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    (tmp_path / "token").write_text("good\n")
    with Backend(name="pod") as pod, KubernetesFake(tls=server_tls(ca.issue("127.0.0.1"), tmp_path)) as cluster:
        cluster.tokens = {"good"}
        cluster.put("web", service(annotations=labels(host="web.apps.test", port="http")), SERVICES)
        cluster.put("web-1", slice_of("web", "127.0.0.1", ports=((pod.port, "http"), (9, "metrics"))))
        text = f"""
            discover_routes = {{ kubernetes = "kubernetes://127.0.0.1:{cluster.port}", namespace = "default",
                                hosts = {{ "*.apps.test" }}, token_file = "token", tls = {{ ca = "ca.pem" }} }}
            listen "127.0.0.1:{{port}}"
            route {{ respond = {{ status = 404 }} }}
        """
        with Rsp(tmp_path, text) as rsp:
            wait_until(lambda: get(rsp.port, host="web.apps.test").endswith(b"pod"), "the route of the service")
            assert "service default/web" in rsp.rspctl("routes").stdout
            cluster.put("thief", service(annotations=labels(host="*.apps.test")), SERVICES)
            wait_until(lambda: rsp.admin("/routes")["left_out"], "what is left out")
            assert "good" not in rsp.log


EXAMPLE = Path(__file__).parents[2] / "examples" / "docker-socket.lua"


def test_an_upgrade_keeps_them(tmp_path):
    """And Docker's socket may have a proxy before it, which is the example of the documentation."""
    real, between = str(tmp_path / "docker.sock"), str(tmp_path / "proxy.sock")
    text = EXAMPLE.read_text().replace("/var/run/docker.sock", real).replace("/run/rsp-docker.sock", between)
    proxied = text if is_root() else text.replace('user = "root"', "")
    (tmp_path / "proxy").mkdir()
    with contextlib.ExitStack() as stack:
        docker = stack.enter_context(DockerFake(real))
        stack.enter_context(Rsp(tmp_path / "proxy", proxied))
        rsp = stack.enter_context(Site(tmp_path, docker, between, stack))
        rsp.run("kept", host="test")
        rsp.serves("test", "kept")
        docker.fault = "drop"
        docker.cut()
        with background_load(rsp.ports["h1"], 2, pause=0.005) as load:
            upgraded = rsp.rspctl("upgrade").stdout
        assert "Upgraded" in upgraded
        new = int(upgraded.split("pid ")[1].split(")")[0])
        try:
            rsp.process.wait(30)
            assert load.failures == []
            assert b"kept" in get(rsp.ports["h1"], host="test")
        finally:
            psutil.Process(new).terminate()
            wait_until(lambda: rsp.log.count("Stopped.") == 2, "the new master ends")
