"""Mistakes in sources at Consul, Kubernetes and Docker: the line, what was expected, what to write."""

import pytest

from tests.certificates import authority
from tests.messages import messages


@pytest.fixture
def said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    authority().write(tmp_path / "ca.crt")

    def evaluate(discover: str) -> list[str]:
        return messages(
            f'listen "127.0.0.1:8080"\nupstream "app" {{\n discover = {discover} }}\nroute {{ to = "app" }}'
        )

    return evaluate


WORDS = [
    (
        '{ url = "consul://127.0.0.1/app", datacenter = "fra" }',
        'an option of the URL: "consul://127.0.0.1:8500/app?dc=',
    ),
    ('{ url = "consul://127.0.0.1/app", only_passing = true }', "app?dc=fra&passing"),
    ('{ url = "kubernetes:///default/app", label_selector = "a=b" }', 'in rsp: labels = { app = "web" }'),
    ('{ url = "kubernetes:///default/app", kubeconfig = "x" }', 'in rsp: token_file = "kube.token"'),
    ('{ url = "docker:///d.sock", useBindPortIP = true }', 'in rsp: network = "host"'),
    ('{ socket = "/var/run/docker.sock" }', 'in rsp: url = "docker:///var/run/docker.sock"'),
]


@pytest.mark.parametrize(("discover", "expected"), WORDS)
def test_words_of_other_programs(said, discover, expected):
    assert any(expected in message and message.startswith("s.lua:") for message in said(discover))


LABELS = 'labels = { app = "web" }'
MESSAGES = [
    ('"consul://127.0.0.1:8500/"', "expected the name of a service after the host, as in consul://127.0.0.1:8500/app"),
    ('"consul://127.0.0.1/v1/catalog/web"', "as in consul://127.0.0.1:8500/web, got"),
    ('"consul://127.0.0.1/app?tag=v2"', 'got "tag"; instead of it: tags = { "v2" }'),
    ('"consul://127.0.0.1/app?token=s3cr3t"', 'got "token"; instead of it: token_file = "consul.token"'),
    ('"consul://127.0.0.1/app?stail"', 'got "stail" (did you mean "stale"?)'),
    ('{ url = "consul://127.0.0.1/app", port = "http" }', 'only ports of Kubernetes have names, got "http"'),
    ('{ url = "consul://127.0.0.1/app", labels = { a = "b" } }', '"labels" is for Docker and Kubernetes'),
    ('"kubernetes://default/app"', "for the cluster that rsp runs in write kubernetes:///default/app"),
    ('"kubernetes:///a/b/c"', "expected namespace and service, as in kubernetes:///default/app"),
    ('"kubernetes:///"', "expected namespace and service"),
    ('"kubernetes:///default/App"', "expected namespace and service"),
    ('"kubernetes:///app.default.svc.cluster.local"', "write kubernetes:///default/app"),
    ('"kubernetes:///default/app:http"', 'the port is a separate key: port = "http"'),
    ('"kubernetes:///default/app?watch"', "takes no options after a question mark"),
    ('{ url = "kubernetes:///default/app", labels = { ["a,b"] = "c" } }', 'labels: "a,b" = "c": expected a label such'),
    ('{ url = "kubernetes:///default/app", labels = { a = "b,c" } }', "expected a label such"),
    (f'{{ url = "docker:///", {LABELS} }}', "expected the path of a socket, as in docker:///var/run/docker.sock"),
    (f'{{ url = "docker://var/run/docker.sock", {LABELS} }}', "write docker:///var/run/docker.sock"),
    (
        '"docker:///var/run/docker.sock"',
        "labels: missing; without labels, all containers would be members; write labels = { [",
    ),
    (f'{{ url = "docker:///d.sock?x=1", {LABELS} }}', "takes no options after a question mark"),
    (f'{{ url = "docker:///d.sock", port = "http", {LABELS} }}', "write port = 8000"),
    ('{ url = "docker:///d.sock", labels = { ["a=b"] = "c" } }', 'expected the name of a label such as "app"'),
    (f'{{ url = "docker:///d.sock", token = "x", {LABELS} }}', '"token" is for Consul, Kubernetes and HTTP'),
]


@pytest.mark.parametrize(("discover", "expected"), MESSAGES)
def test_messages(said, discover, expected):
    (message,) = said(discover)
    assert expected in message
    assert message.startswith("s.lua:3: ")
    assert "s3cr3t" not in message


ACCOUNT = 'token = "x", tls = { ca = "ca.crt" }'
GOOD = [
    '"consul://10.0.0.5,10.0.0.6/app?dc=dc2&stale&filter=Service.Meta.v%20%3D%3D%20%222%22"',
    '{ url = "consuls://consul.internal/app", tags = { "v2" }, port = 80, token = "x" }',
    f'{{ url = "kubernetes:///app", {ACCOUNT} }}',
    f'{{ url = "kubernetes:///default/app", port = "http", labels = {{ ["a.b/tier"] = "front", a = "" }}, {ACCOUNT} }}',
    '"kubernetes://api.example.com:6443/default/app"',
    '"kubernetes://localhost:6443/default/app"',
    '"kubernetes://api/default/app"',
    f'{{ url = "podman:///run/user/1000/podman/podman.sock", network = "host", {LABELS} }}',
    f'{{ url = "docker://docker-proxy:2375", {LABELS} }}',
    '{ url = "docker:///d.sock", labels = { ["com.docker.compose.service"] = "app", b = "" } }',
]


@pytest.mark.parametrize("discover", GOOD)
def test_what_is_right(said, discover):
    assert said(discover) == []
