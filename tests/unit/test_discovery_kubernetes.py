"""Members that are pods of a service, beside a fake of the API of Kubernetes."""

import asyncio
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from rsp.config import engines
from rsp.config.tls import UpstreamTls
from rsp.config.units import Duration
from rsp.control.discovery import kubernetes as provider
from rsp.control.discovery.kubernetes import KubernetesSlices
from rsp.engines import kubernetes as engine
from rsp.loader import load
from tests.certificates import authority
from tests.kubernetes_fake import SLICES, KubernetesFake, ending, endpoint, slice_of
from tests.unit.discovery_lab import Following, in_loop, server_tls

CA = authority()
MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes.yaml"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(engine, "_GAP", 0.01)
    monkeypatch.setattr(engine, "_PAGES", 1 << 20)  # a flood ends sooner
    monkeypatch.setattr(engine, "_RELIST", 0.01)


@pytest.fixture
def cluster(tmp_path):
    with KubernetesFake(tls=server_tls(CA.issue("127.0.0.1"), tmp_path)) as fake:
        yield fake


def app(fake, path="default/app", **settings):
    settings.setdefault("tls", UpstreamTls(ca="ca.crt"))
    url = f"kubernetes://127.0.0.1:{fake.port}/{path}"
    return Following(KubernetesSlices, url, authorities={"ca.crt": CA.pem}, **settings)


def watches(fake):
    return [request for request in fake.requests if "watch=true" in request]


def lists(fake):
    return [request for request in fake.requests if "watch=true" not in request]


@in_loop
async def test_pods_come_and_go_as_the_watch_tells(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1", "10.0.0.2"))
    cluster.put("other-1", slice_of("other", "10.9.0.1"))
    async with app(cluster) as found:
        await found.shows("10.0.0.1:8080", "10.0.0.2:8080")
        await found.until(lambda: cluster.watches)
        cluster.put("app-1", slice_of("app", "10.0.0.2"))
        await found.shows("10.0.0.2:8080")
        cluster.put("app-2", slice_of("app", "10.0.0.3", ports=((9090, "http"),)))
        await found.shows("10.0.0.2:8080", "10.0.0.3:9090")
        cluster.remove("app-1")
        await found.shows("10.0.0.3:9090")
        cluster.remove("app-2")
        await found.shows()
    assert len(lists(cluster)) == 1 and len(watches(cluster)) == 1
    assert found.failures == found.complaints == []
    assert "labelSelector=kubernetes.io/service-name=app&" in unquote(cluster.requests[0])


@in_loop
async def test_pods_that_are_ready_and_those_that_end(cluster):
    one = slice_of(
        "app",
        endpoint("10.0.0.1"),
        endpoint("10.0.0.2", ready=False),
        ending("10.0.0.3"),
        {"addresses": ["10.0.0.4"]},  # not known: ready
        endpoint("10.0.0.5", ready=None),
        endpoint("10.0.0.6", addresses=["10.0.0.6", "10.0.0.60"]),
    )
    cluster.put("app-1", one)
    async with app(cluster) as found:
        await found.shows("10.0.0.1:8080", "10.0.0.4:8080", "10.0.0.5:8080", "10.0.0.6:8080")
        only = slice_of("app", ending("10.0.0.3"), ending("10.0.0.7", serving=False), endpoint("10.0.0.2", ready=False))
        cluster.put("app-1", only)
        await found.shows("10.0.0.3:8080")  # there is no better one


@in_loop
async def test_a_pod_in_two_slices_is_one_member(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1", "10.0.0.2"))
    cluster.put("app-2", slice_of("app", "10.0.0.2", "10.0.0.3"))
    async with app(cluster) as found:
        await found.shows("10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080")


@in_loop
async def test_of_two_families_one_is_used(cluster):
    cluster.put("app-4", slice_of("app", "10.0.0.1"))
    cluster.put("app-6", slice_of("app", "fd00::1", family="IPv6"))
    cluster.put("app-name", slice_of("app", "pod.example.com", family="FQDN"))
    async with app(cluster) as found:
        await found.shows("10.0.0.1:8080")
        cluster.remove("app-4")
        await found.shows("[fd00::1]:8080")


@in_loop
async def test_one_of_several_ports_has_to_be_named(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1", ports=((8080, "http"), (9090, "metrics"))))
    cluster.put("app-2", slice_of("app", "10.0.0.2", ports=((8081, "http"), (9090, "metrics"))))
    async with app(cluster) as found:
        await found.until(lambda: found.complaints)
    assert found.complaints[0] == (
        "EndpointSlice default/app-1 is ignored: it has several ports (http 8080, metrics 9090); choose one: port = "
        '"http"'
    )
    async with app(cluster, port="http") as found:
        await found.shows("10.0.0.1:8080", "10.0.0.2:8081")
    async with app(cluster, port=9090) as found:
        await found.shows("10.0.0.1:9090", "10.0.0.2:9090")
    async with app(cluster, port=80) as found:
        await found.until(lambda: found.complaints)
    assert "it has no port 80; its pods have http 8080, metrics 9090" in found.complaints[0]


@in_loop
async def test_ports_of_other_kinds(cluster):
    dns = slice_of("app", "10.0.0.1")
    dns["ports"] = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 5353}]
    cluster.put("app-1", dns)
    cluster.put("app-2", {**slice_of("app", "10.0.0.2"), "ports": [{"name": "", "port": None}]})  # any
    cluster.put("app-3", {**slice_of("app", "10.0.0.3"), "ports": None})
    async with app(cluster) as found:
        await found.shows("10.0.0.1:5353")
    assert len(found.complaints) == 2
    async with app(cluster, port=8000) as found:
        await found.shows("10.0.0.2:8000")


@in_loop
async def test_a_watch_that_ends_goes_on_where_it_was(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    async with app(cluster) as found:
        await found.until(lambda: cluster.watches)
        cluster.bookmark()
        cluster.put("app-1", slice_of("app", "10.0.0.2"))
        await found.shows("10.0.0.2:8080")
        version = cluster.version
        cluster.end_watches()
        await found.until(lambda: len(watches(cluster)) == 2)
        assert f"resourceVersion={version}&" in watches(cluster)[1]
        cluster.put("app-1", slice_of("app", "10.0.0.3"))
        await found.shows("10.0.0.3:8080")
    assert len(lists(cluster)) == 1 and found.failures == []


@in_loop
async def test_bookmarks_keep_the_version_recent(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    async with app(cluster) as found:
        await found.until(lambda: cluster.watches)
        cluster.bookmark()
        version = cluster.version
        cluster.end_watches()
        await found.until(lambda: len(watches(cluster)) == 2)
    assert f"resourceVersion={version}&" in watches(cluster)[1]


@pytest.mark.parametrize("gone", ["event", "status"])
@in_loop
async def test_a_version_that_is_forgotten_has_all_listed_again(cluster, gone):
    cluster.gone = gone
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    cluster.put("app-2", slice_of("app", "10.0.0.2"))
    async with app(cluster) as found:
        await found.until(lambda: cluster.watches)
        cluster.remove_unseen("app-1")
        cluster.forget()
        cluster.end_watches()
        await found.shows("10.0.0.2:8080")
        await found.until(lambda: watches(cluster)[-1].find(f"resourceVersion={cluster.version}&") > 0)
        cluster.put("app-3", slice_of("app", "10.0.0.3"))
        await found.shows("10.0.0.2:8080", "10.0.0.3:8080")
    assert found.failures == []
    assert "resourceVersion" not in lists(cluster)[1]  # the newest there is


@in_loop
async def test_lists_in_pages(cluster):
    cluster.page = 2
    for number in range(5):
        cluster.put(f"app-{number}", slice_of("app", f"10.0.0.{number}"))
    async with app(cluster) as found:
        await found.shows(*(f"10.0.0.{number}:8080" for number in range(5)))
    assert len(lists(cluster)) == 3 and "resourceVersion" not in lists(cluster)[1]


@in_loop
async def test_a_page_that_is_forgotten_begins_again(cluster):
    cluster.page = 2
    for number in range(5):
        cluster.put(f"app-{number}", slice_of("app", f"10.0.0.{number}"))
    real, cluster.forgotten = cluster.forgotten, 1 << 40
    async with app(cluster) as found:
        await found.until(lambda: found.failures)
        cluster.forgotten = real
        await found.until(lambda: found.now is not None and len(found.now) == 5)
    assert "too old" in found.failures[0]


@in_loop
async def test_after_a_failure_nothing_older_is_listed(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    async with app(cluster) as found:
        await found.until(lambda: cluster.watches)
        version = cluster.version
        assert "resourceVersion=0" in lists(cluster)[0]
        cluster.cut()
        await found.until(lambda: len(lists(cluster)) == 2)
        assert f"resourceVersion={version}" in lists(cluster)[1]
        await found.until(lambda: len(watches(cluster)) == 2)
        cluster.do(lambda: setattr(cluster, "version", 5))  # another server, which is behind
        cluster.cut()
        await found.until(lambda: len(found.failures) > 1 and len(found.told) > 2)
    assert any("Too large resource version" in text for text in found.failures)


@in_loop
async def test_tokens_are_those_of_files_and_refusals_are_told(cluster):
    cluster.tokens = {"ey.token"}
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    async with app(cluster, token_file="/run/token", secrets={"/run/token": b"ey.token"}) as found:
        await found.shows("10.0.0.1:8080")
    async with app(cluster, token="ey.old") as found:
        await found.until(lambda: found.failures)
    assert found.failures[0].startswith("Kubernetes refuses the token") and "ey." not in found.failures[0]
    cluster.forbidden = {SLICES}
    async with app(cluster, token="ey.token") as found:
        await found.until(lambda: found.failures)
    assert 'cannot list resource "endpointslices" in API group "discovery.k8s.io"' in found.failures[0]


@in_loop
async def test_a_token_that_ends_while_it_is_watched(cluster):
    cluster.tokens = {"old"}
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    async with app(cluster, token_file="t", secrets={"t": b"old"}) as found:
        await found.until(lambda: cluster.watches)
        cluster.tokens = {"new"}
        cluster.end_watches()
        await found.until(lambda: any("refuses the token" in text for text in found.failures))
        found.provider.keyring.files["secret t"] = b"new"
        cluster.put("app-1", slice_of("app", "10.0.0.2"))
        await found.shows("10.0.0.2:8080")


@in_loop
async def test_slices_that_cannot_be_understood_are_left_out(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    cluster.put("app-2", {**slice_of("app"), "endpoints": "none"})
    cluster.put("app-3", {**slice_of("app"), "addressType": "X25"})
    cluster.put("app-4", slice_of("app", "10.0.0.8", "a b", "/run/app.sock"))
    async with app(cluster) as found:
        await found.shows("10.0.0.1:8080", "10.0.0.8:8080")
        assert len(found.complaints) == 4
        await found.until(lambda: cluster.watches)
        cluster.put("app-2", slice_of("app", "10.0.0.2"))
        await found.until(lambda: set(found.now) == {"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.8:8080"})
        cluster.put("app-1", {**slice_of("app"), "endpoints": [{"addresses": None}]})
        await found.until(lambda: set(found.now) == {"10.0.0.2:8080", "10.0.0.8:8080"})


@pytest.mark.parametrize(
    "raw",
    [
        b"not json\n",
        b"[]\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "BOOKMARK", "object": {}}\n',
        b'{"type": "ERROR", "object": {"code": 500, "message": "etcd is out of order"}}\n',
        b'{"type": "ERROR", "object": []}\n',
        b"x" * (3 << 20),
    ],
)
@in_loop
async def test_a_watch_that_says_nonsense_is_begun_again(cluster, raw):
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    async with app(cluster) as found:
        await found.until(lambda: cluster.watches)
        cluster.send(raw)
        await found.until(lambda: found.failures)
        cluster.history.clear()
        cluster.put("app-1", slice_of("app", "10.0.0.2"))
        await found.shows("10.0.0.2:8080")


@in_loop
async def test_events_that_are_not_known_mean_nothing(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    async with app(cluster) as found:
        await found.until(lambda: cluster.watches)
        cluster.send(b'{"type": "CELEBRATION", "object": {"a": 1}}\n')
        cluster.put("app-1", slice_of("app", "10.0.0.2"))
        await found.shows("10.0.0.2:8080")
    assert found.failures == []


@pytest.mark.parametrize("fault", ["drop", "garbage", "html", "flood", 500, 404])
@in_loop
async def test_an_engine_out_of_order_is_said_and_comes_back(cluster, fault):
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    cluster.fault = fault
    async with app(cluster, timeout=Duration(1)) as found:
        await found.until(lambda: found.failures)
        cluster.fault = None
        await found.shows("10.0.0.1:8080")


@in_loop
async def test_many_changes_are_gathered(cluster, monkeypatch):
    monkeypatch.setattr(engine, "_GAP", 0.2)
    async with app(cluster) as found:
        await found.until(lambda: cluster.watches)
        before = len(found.told)

        def many():
            for number in range(200):
                cluster._put(SLICES, f"app-{number}", slice_of("app", f"10.0.{number}.1"))

        cluster.do(many)
        await found.until(lambda: len(found.now) == 200)
        assert len(found.told) - before <= 4


@in_loop
async def test_more_objects_than_fit_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(engine, "_MOST_OBJECTS", 3)
    for number in range(4):
        cluster.put(f"app-{number}", slice_of("app", f"10.0.0.{number}"))
    async with app(cluster) as found:
        await found.until(lambda: found.failures)
        assert "more than 3 objects" in found.failures[0]
        cluster.remove("app-0")
        await found.until(lambda: found.told)
        cluster.put("app-9", slice_of("app", "10.0.0.9"))
        await asyncio.sleep(0.05)
        assert len(found.now) == 3


@in_loop
async def test_objects_larger_than_fit_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(engine, "_MOST_BYTES", 5000)
    cluster.put("app-1", slice_of("app", *(f"10.0.1.{number}" for number in range(50))))
    async with app(cluster) as found:
        await found.until(lambda: found.failures)
        assert "more than 0 MB" in found.failures[0]
        cluster.put("app-1", slice_of("app", "10.0.0.1"))
        await found.shows("10.0.0.1:8080")
        await found.until(lambda: cluster.watches)
        cluster.put("app-2", slice_of("app", *(f"10.0.2.{number}" for number in range(50))))
        await found.until(lambda: found.complaints)
        cluster.put("app-3", slice_of("app", "10.0.0.3"))
        await found.shows("10.0.0.1:8080", "10.0.0.3:8080")


@in_loop
async def test_in_the_cluster(cluster, monkeypatch, tmp_path):
    """The server by the environment, the namespace by the service account's file."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(cluster.port))
    monkeypatch.setattr(provider, "_OWN_NAMESPACE", tmp_path / "namespace")
    cluster.put("app-1", slice_of("app", "10.0.0.1"))
    settings = {"authorities": {"ca.crt": CA.pem}, "tls": UpstreamTls(ca="ca.crt")}
    async with Following(KubernetesSlices, "kubernetes:///app", **settings) as found:
        await found.until(lambda: found.failures)
        assert "write kubernetes:///NAMESPACE/SERVICE" in found.failures[0]
        (tmp_path / "namespace").write_text("default")
        await found.shows("10.0.0.1:8080")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "http")
    async with Following(KubernetesSlices, "kubernetes:///default/app", **settings) as found:
        await found.until(lambda: found.failures)
    assert "KUBERNETES_SERVICE_HOST" in found.failures[0]


@pytest.mark.parametrize("fault", ["hang", "drop", 500])
@in_loop
async def test_of_several_servers_one_that_works_is_asked(cluster, tmp_path, fault):
    cluster.fault = fault
    with KubernetesFake(tls=server_tls(CA.issue("127.0.0.1"), tmp_path)) as other:
        other.put("app-1", slice_of("app", "10.0.0.1"))
        url = f"kubernetes://127.0.0.1:{cluster.port},127.0.0.1:{other.port}/default/app"
        settings = {"authorities": {"ca.crt": CA.pem}, "tls": UpstreamTls(ca="ca.crt"), "timeout": Duration(1)}
        async with Following(KubernetesSlices, url, **settings) as found:
            await found.until(lambda: other.watches)
            other.put("app-1", slice_of("app", "10.0.0.2"))
            await found.shows("10.0.0.2:8080")
            cluster.fault = None
            cluster.version = other.version + 10
            cluster.put("app-1", slice_of("app", "10.0.0.9"))
            other.fault = fault
            other.cut()
            await found.shows("10.0.0.9:8080")
            await found.until(lambda: cluster.watches)


@in_loop
async def test_labels_choose_slices(cluster):
    cluster.put("app-1", slice_of("app", "10.0.0.1", labels={"track": "stable"}))
    cluster.put("app-2", slice_of("app", "10.0.0.2", labels={"track": "canary"}))
    async with app(cluster, labels={"track": "canary"}) as found:
        await found.shows("10.0.0.2:8080")


def test_the_deployed_manifest(tmp_path, monkeypatch):
    """Its configuration loads in a pod, and its role has what the provider asks for."""
    manifest = {each["kind"]: each for each in yaml.safe_load_all(MANIFEST.read_text())}
    (tmp_path / "site.lua").write_text(manifest["ConfigMap"]["data"]["site.lua"])
    (tmp_path / "token").write_text("ey.token")
    CA.write(tmp_path / "ca.crt")
    monkeypatch.setattr(engines, "POD_TOKEN", str(tmp_path / "token"))
    monkeypatch.setattr(engines, "_POD_CA", str(tmp_path / "ca.crt"))
    monkeypatch.chdir(tmp_path)
    (upstream,) = load("site.lua").bundle.config.upstreams
    assert upstream.discovery.filled.token_file == str(tmp_path / "token")
    (rule,) = manifest["Role"]["rules"]
    group, *_, resource = SLICES.split("/")[2:]
    assert (rule["apiGroups"], rule["resources"], rule["verbs"]) == ([group], [resource], ["list", "watch"])
    pod = manifest["Deployment"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == manifest["RoleBinding"]["subjects"][0]["name"] == "rsp"
