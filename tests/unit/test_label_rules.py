"""Mistakes in `discover_routes`, and words that people bring from other programs."""

import pytest

from rsp.config.errors import ConfigError
from tests.unit.label_lab import config_of

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\ndiscover_routes = %s\n'
GOOD = 'hosts = { "*.a.test" }'
SOCKET = "docker: expected unix:/ and the path of a socket, or docker:// and a host, got "


@pytest.mark.parametrize(("text", "said"), [
    ('"unix:/run/docker.sock"', 'expected a table, got "unix:/run/docker.sock"'),
    ('{ docker = "unix:/x" }', 'missing "hosts": hosts that labels may use, such as hosts = { "*.apps.example.com" }'),
    ('{ docker = "unix:/x", hosts = {} }', "hosts: expected a list that is not empty"),
    ('{ docker = "unix:/x", hosts = "*.a.test" }', 'hosts: expected a list, got "*.a.test"; write { "*.a.test" }'),
    ('{ docker = "unix:/x", hosts = { "app.*" } }', 'hosts: "app.*": expected a name, "*.example.com", or "*" for all'),
    ('{ docker = "unix:/x", hosts = { ".a.test" } }', 'hosts: ".a.test": expected a name; write "*.a.test"'),
    ('{ docker = "unix:/x", hosts = { "https://a.test/" } }', 'without a scheme and a path; write "a.test"'),
    ('{ docker = "unix:/x", hosts = { "a.test:80" } }', 'hosts: "a.test:80": ports are not compared'),
    (f'{{ docker = "/var/run/docker.sock", {GOOD} }}', f'{SOCKET}"/var/run/docker.sock"; write "unix:/var/run/docker.sock"'),
    (f'{{ docker = "unix:///run/docker.sock", {GOOD} }}', f'{SOCKET}"unix:///run/docker.sock"; write "unix:/run/docker.sock"'),
    (f'{{ docker = "tcp://10.0.0.1:2375", {GOOD} }}', f'{SOCKET}"tcp://10.0.0.1:2375"; write "docker://10.0.0.1:2375"'),
    (f'{{ docker = "docker://10.0.0.1/v1", {GOOD} }}', f'{SOCKET}"docker://10.0.0.1/v1"'),
    (f'{{ docker = "docker", {GOOD} }}', f'{SOCKET}"docker"'),
    (f'{{ docker = "unix:/x", kubernetes = true, {GOOD} }}', '"docker" and "kubernetes" cannot be used together'),
    (f'{{ docker = "unix:/x", namespace = "x", {GOOD} }}', '"namespace" is for Kubernetes, not for Docker'),
    (f'{{ docker = "unix:/x", token_file = "x", {GOOD} }}', '"token_file" is for Kubernetes, not for Docker'),
    (f'{{ kubernetes = true, network = "x", {GOOD} }}', '"network" is for Docker, not for Kubernetes'),
    (f'{{ kubernetes = "https://api:6443", {GOOD} }}', 'write "kubernetes://api:6443"'),
    (f'{{ kubernetes = "kubernetes://api:6443/apps", {GOOD} }}', "expected a host and a port without a path"),
    (f'{{ kubernetes = "kubernetes://", {GOOD} }}', "for the cluster of rsp write kubernetes = true"),
    (f'{{ kubernetes = true, token = "x", token_file = "y", {GOOD} }}', '"token" and "token_file" cannot be used '
                                                                        "together"),
    (f"{{ {GOOD} }}", 'missing "docker"'),
    (f"{{ kubernetes = false, {GOOD} }}", 'missing "docker"'),
    (f'{{ endpoint = "unix:/x", {GOOD} }}', 'unknown key "endpoint" (in rsp: docker = "unix:/var/run/docker.sock")'),
    (f'{{ docker = "unix:/x", exposedByDefault = false, {GOOD} }}', "only containers with the label rsp.enable=true "
                                                                    "are used"),
    ('{ docker = "unix:/x", defaultRule = "x" }', 'in rsp: hosts = { "*.apps.example.com" }'),
])  # fmt: skip
def test_mistakes(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, SITE % text)
    messages = [message for message in caught.value.messages if said in message]
    assert messages
    assert messages[0].startswith(f"{tmp_path}/site.lua:3: discover_routes: ")


@pytest.mark.parametrize("text", ['{ docker = "unix:/x", hosts = "*.a.test" }', f"{{ docker = true, {GOOD} }}"])
def test_a_key_with_a_wrong_value_is_not_called_missing_too(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, SITE % text)
    assert len(caught.value.messages) == 1


@pytest.mark.parametrize("text", [
    f'{{ docker = "unix:/run/podman/podman.sock", network = "web", {GOOD} }}', f'{{ docker = "docker://proxy:2375", {GOOD} }}',
    f'{{ docker = "docker:///run/docker.sock", {GOOD} }}', f'{{ kubernetes = true, {GOOD} }}', f'{{ kubernetes = "kubernetes://api", namespace = "apps", token_file = "t", tls = {{ ca = "c" }}, {GOOD} }}',
])  # fmt: skip
def test_what_is_right(tmp_path, text):
    assert config_of(tmp_path, SITE % text).settings.discover_routes is not None


def test_a_pod_finds_its_credentials(tmp_path):
    rules = config_of(tmp_path, SITE % f"{{ kubernetes = true, {GOOD} }}").settings.discover_routes
    assert rules.filled.token_file == "/var/run/secrets/kubernetes.io/serviceaccount/token"
    assert rules.filled.tls.ca == "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    elsewhere = f'{{ kubernetes = "kubernetes://api", token_file = "t", {GOOD} }}'
    rules = config_of(tmp_path, SITE % elsewhere).settings.discover_routes
    assert rules.filled == rules
