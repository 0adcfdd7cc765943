"""Mistakes in `discover_routes`."""

from collections.abc import Iterator
from typing import Final

from rsp.config.credential_rules import credential_mistakes
from rsp.config.engines import Access, DiscoverRoutes
from rsp.config.errors import Path
from rsp.config.routes import Route
from rsp.config.routing_rules import mistakes as route_mistakes
from rsp.config.schema import Settings
from rsp.config.units import show, without_credentials

_HERE: Final = "discover_routes"
_OF_KUBERNETES: Final = ("namespace", *(key for key in Access.__struct_fields__ if key != "timeout"))


def mistakes(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    rules = settings.discover_routes
    if rules is not None:
        for path, message in (*_of_source(rules), *_of_hosts(rules)):
            yield (_HERE, *path), f"{_HERE}: {message}"


def _of_source(rules: DiscoverRoutes) -> Iterator[tuple[Path, str]]:
    if rules.docker is not None and rules.kubernetes:
        yield ("kubernetes",), '"docker" and "kubernetes" cannot be used together'
    elif rules.docker is not None:
        yield from _of_docker(rules)
    elif rules.kubernetes:
        yield from _of_kubernetes(rules)
    else:
        yield (), 'missing "docker": where containers are listed, as in docker = "unix:/var/run/docker.sock"'


def _of_docker(rules: DiscoverRoutes) -> Iterator[tuple[Path, str]]:
    text = rules.docker or ""
    try:
        url = rules.engine
        is_wrong = bool(url.hosts and url.path.strip("/"))
    except ValueError:
        is_wrong = True
    if is_wrong:
        said = "expected unix:/ and the path of a socket, or docker:// and a host"
        yield ("docker",), f"docker: {said}, got {show(without_credentials(text))}{_written(without_credentials(text))}"
    for key in _OF_KUBERNETES:
        if getattr(rules, key) is not None:
            yield (key,), f'"{key}" is for Kubernetes, not for Docker'


def _written(text: str) -> str:
    """How to write what is meant, as `; write ...`; or nothing."""
    scheme, _, rest = text.partition("://")
    if text[:1] == "/":
        return f'; write "unix:{text}"' if text.isprintable() and len(text) < 100 else ""
    if scheme in ("unix", "podman") and rest.startswith("/"):
        return f'; write "unix:/{rest.strip("/")}"'
    if scheme in ("tcp", "http", "https") and rest:
        return f'; write "docker://{rest.partition("/")[0]}", and let nothing else reach it'
    return ""


def _of_kubernetes(rules: DiscoverRoutes) -> Iterator[tuple[Path, str]]:
    text = rules.kubernetes
    if isinstance(text, str):
        text = without_credentials(text)
        rest = text.partition("://")[2] or text
        way = f'; write "kubernetes://{rest.partition("/")[0]}"' if not text.startswith("kubernetes:") else ""
        try:
            if not rules.api.hosts:
                raise ValueError(f"expected a host, got {show(text)}; for the cluster of rsp write kubernetes = true")
            if rules.api.path.strip("/"):
                raise ValueError(f"expected a host and a port without a path, got {show(text)}")
        except ValueError as error:
            yield ("kubernetes",), f"kubernetes: {error}{way}"
    if rules.network is not None:
        yield ("network",), '"network" is for Docker, not for Kubernetes'
    yield from credential_mistakes(rules, True, "kubernetes://")


def _of_hosts(rules: DiscoverRoutes) -> Iterator[tuple[Path, str]]:
    for number, host in enumerate(rules.hosts):
        at: Path = ("hosts", number)
        for path, message in route_mistakes(Route(to="x", host=host), ()):
            if path == ("host",):
                yield at, f"hosts: {message.removeprefix('host = ').replace('; write host = ', '; write ')}"
        if host.endswith(".*"):
            yield at, f'hosts: {show(host)}: expected a name, "*.example.com", or "*" for all'
