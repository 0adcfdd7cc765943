"""Mistakes in sources at Consul, Kubernetes and Docker: what their URLs and keys have to be like."""

import re
from collections.abc import Iterator
from typing import Final

from rsp.config.engines import Discover, EngineUrl
from rsp.config.errors import Path, suggest
from rsp.config.units import show

_CONSUL_OPTIONS: Final = ("dc", "ns", "partition", "filter", "stale", "passing")
_ELSEWHERE: Final = {
    "tag": 'tags = { "v2" }',
    "token": 'token_file = "consul.token"',
    "datacenter": "dc=dc2",
    "namespace": "ns=team",
    "cached": "nothing: rsp waits for changes",
    "index": "nothing: rsp waits for changes",
    "wait": "nothing: rsp waits for changes",
}
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SHORT_HOST: Final = re.compile(r"kubernetes://([a-z0-9-]+)/([^/]*)/?", re.IGNORECASE)
# What a selector of Kubernetes may have (kubernetes.io/docs/concepts/overview/working-with-objects/labels).
_LABEL_NAME: Final = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")

Mistakes = Iterator[tuple[Path, str]]


def of_source(discover: Discover, url: EngineUrl) -> Mistakes:
    """Each mistake: the path to it below `discover`, and what is wrong."""
    if url.scheme in ("consul", "consuls"):
        yield from _of_consul(url)
    elif url.scheme == "kubernetes":
        yield from _of_kubernetes(discover, url)
    elif url.scheme in ("docker", "podman"):
        yield from _of_docker(discover, url)
    if url.scheme != "kubernetes" and isinstance(discover.port, str):
        yield ("port",), f"port: only ports of Kubernetes have names, got {show(discover.port)}; write port = 8000"


def _of_consul(url: EngineUrl) -> Mistakes:
    example = f"{url.scheme}://{','.join(url.hosts)}/app"
    if not url.path.strip("/"):
        yield ("url",), f"expected the name of a service after the host, as in {example}"
    elif "/" in url.path.strip("/"):
        name = url.path.rpartition("/")[2] or "app"
        yield ("url",), f"expected the name of a service alone, as in {example[:-3]}{name}, got {show(url.path)}"
    for option in url.query:
        if option not in _CONSUL_OPTIONS:
            instead = f"; instead of it: {_ELSEWHERE[option]}" if option in _ELSEWHERE else ""
            near = "" if instead else suggest(option, _CONSUL_OPTIONS)
            known = ", ".join(_CONSUL_OPTIONS)
            yield ("url",), f"expected options of {known}, got {show(option)}{instead}{near}"


def _of_kubernetes(discover: Discover, url: EngineUrl) -> Mistakes:
    yield from _of_service(discover.url, url)
    if url.query:
        yield ("url",), f"kubernetes:// takes no options after a question mark, got {show(min(url.query))}"
    for name, value in discover.labels.items():
        if _LABEL_NAME.fullmatch(name) is None or _LABEL_VALUE.fullmatch(value) is None:
            yield ("labels", name), f'labels: {show(name)} = {show(value)}: expected a label such as tier = "front"'


def _of_service(text: str, url: EngineUrl) -> Mistakes:
    names = url.path.strip("/").split("/")
    near = _SHORT_HOST.fullmatch(text)
    if near is not None and near[2]:
        inside = f"kubernetes:///{near[1]}/{near[2]}"
        yield (
            ("url",),
            f"{show(near[1])} is the host of the API here; for the cluster that rsp runs in write {inside}",
        )
    elif ".svc" in url.path:
        service, _, rest = names[-1].partition(".")
        yield ("url",), f"expected names, not a host; write kubernetes:///{rest.partition('.')[0]}/{service}"
    elif ":" in url.path:
        yield ("url",), f"the port is a separate key: port = {show(url.path.rpartition(':')[2])}, or its number"
    elif not all(map(_DNS_LABEL.fullmatch, names)) or len(names) > 2:
        yield ("url",), f"expected namespace and service, as in kubernetes:///default/app, got {show(url.path)}"


def _of_docker(discover: Discover, url: EngineUrl) -> Mistakes:
    if url.hosts and url.path.strip("/"):
        meant = f"docker:///{url.hosts[0].rpartition(':')[0]}{url.path}"
        yield ("url",), f"a host takes no path; for a local socket write {meant}"
    elif not url.hosts and len(url.path) < 2:
        yield ("url",), f"expected the path of a socket, as in {url.scheme}:///var/run/docker.sock"
    if url.query:
        yield ("url",), f"{url.scheme}:// takes no options after a question mark, got {show(min(url.query))}"
    if not discover.labels:
        example = 'labels = { ["com.docker.compose.service"] = "app" }'
        yield ("labels",), f"labels: missing; without labels, all containers would be members; write {example}"
    for name in discover.labels:
        if not name or "=" in name:
            yield ("labels", name), f'labels: expected the name of a label such as "app", got {show(name)}'
