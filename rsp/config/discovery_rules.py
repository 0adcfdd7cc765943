"""Mistakes in where an upstream's peers are discovered."""

from collections.abc import Iterator
from typing import Final

from rsp.config.credential_rules import credential_mistakes
from rsp.config.discovery_sources import of_source
from rsp.config.discovery_words import of_scheme
from rsp.config.engines import DISCOVERY_PORTS, Discover, EngineUrl
from rsp.config.errors import Path, suggest
from rsp.config.units import Duration, show
from rsp.config.upstreams import Upstream

_LEAST: Final = Duration(0.1)
_MOST_HOSTS: Final = 16
_PLAIN: Final = Discover(url="")
# By key: the schemes that it is for, and what these are called.
_ETCD, _CONSUL, _HTTP = ("etcd", "etcds"), ("consul", "consuls"), ("http", "https")
_DOCKER: Final = ("docker", "podman")
_KEYS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "username": ((*_ETCD, *_HTTP), "etcd and HTTP"),
    "password": ((*_ETCD, *_HTTP), "etcd and HTTP"),
    "password_file": ((*_ETCD, *_HTTP), "etcd and HTTP"),
    "token": ((*_CONSUL, *_HTTP, "kubernetes"), "Consul, Kubernetes and HTTP"),
    "token_file": ((*_CONSUL, *_HTTP, "kubernetes"), "Consul, Kubernetes and HTTP"),
    "port": (("kubernetes", *_DOCKER, *_CONSUL), "Kubernetes, Docker and Consul"),
    "interval": (_HTTP, "HTTP"),
    "tags": (_CONSUL, "Consul"),
    "labels": ((*_DOCKER, "kubernetes"), "Docker and Kubernetes"),
    "network": (_DOCKER, "Docker"),
}
_WITH_TLS: Final = {"etcd": "etcds://", "consul": "consuls://", "http": "https://"}


def mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """Each mistake in `discover`: the path to it, and what is wrong."""
    discover = upstream.discover
    if isinstance(discover, str):
        discover = Discover(url=discover)
    if discover is None:
        return
    try:
        url = _parsed(discover.url)
    except ValueError as error:
        yield _at(upstream, "url"), f"discover: {error}"
        return
    for path, message in (*_of_url(url), *_of_keys(discover, url), *of_source(discover, url)):
        yield _at(upstream, *path), f"discover: {message}"


def warnings(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """What is allowed, and probably not meant."""
    discover, secure = upstream.discovery, upstream.secure
    if discover is None:
        return
    if secure is not None and secure.verify and secure.name is None:
        yield (
            ("tls",),
            "tls: discovered peers have IP addresses, so their certificates must be valid for these; if they are "
            'valid for a name, write tls = { name = "app.internal" }',
        )
    path = discover.url.partition("://")[2].partition("/")[2]
    if discover.url.startswith(("etcd://", "etcds://")) and path and path[-1] != "/":
        yield (
            _at(upstream, "url"),
            f'discover: keys that begin with "/{path}" are members, such as "/{path}2"; end the URL with a slash if '
            "it is a folder",
        )


def _at(upstream: Upstream, *path: str | int) -> Path:
    return ("discover",) if isinstance(upstream.discover, str) else ("discover", *path)


def _parsed(text: str) -> EngineUrl:
    """Raises :class:`ValueError` with what to write."""
    scheme, colon, _ = text.partition(":")
    if scheme.lower() not in DISCOVERY_PORTS:
        near = of_scheme(text) or (suggest(scheme, DISCOVERY_PORTS) if colon and "." not in scheme else "")
        schemes = ", ".join(f"{known}://" for known in DISCOVERY_PORTS)
        shown = show(text.rpartition("@")[2].partition("?")[0])
        raise ValueError(f"expected a URL that begins with one of {schemes}, got {shown}{near}")
    return EngineUrl.parse(text, DISCOVERY_PORTS)


def _of_url(url: EngineUrl) -> Iterator[tuple[Path, str]]:
    at: Path = ("url",)
    if len(url.hosts) > _MOST_HOSTS:
        yield at, f"up to {_MOST_HOSTS} hosts, got {len(url.hosts)}"
    if url.scheme in _ETCD and not url.path.strip("/"):
        example = f"{url.scheme}://{','.join(url.hosts)}/services/app/"
        yield at, f"expected a prefix of keys after the host, as in {example}"
    if url.scheme == "file" and len(url.path) < 2:
        yield at, "expected the path of a file, as in file:///etc/rsp/app.json"
    if url.query and url.scheme in (*_ETCD, "file"):
        yield at, f"{url.scheme}:// takes no options after a question mark, got {show(min(url.query))}"


def _of_keys(discover: Discover, url: EngineUrl) -> Iterator[tuple[Path, str]]:
    for key, (schemes, called) in _KEYS.items():
        if url.scheme not in schemes and getattr(discover, key) != getattr(_PLAIN, key):
            yield (key,), f'"{key}" is for {called}, not for {url.scheme}://'
    yield from credential_mistakes(discover, url.is_secure, _WITH_TLS.get(url.scheme, "https://"))
    if discover.username is None and (discover.password is not None or discover.password_file is not None):
        key = "password" if discover.password is not None else "password_file"
        yield (key,), f'"{key}" needs "username"'
    if discover.username is not None and (discover.token is not None or discover.token_file is not None):
        yield ("username",), '"username" and a token cannot be used together'
    for key in ("timeout", "interval"):
        if (given := getattr(discover, key)) < _LEAST:
            yield (key,), f"{key}: expected {_LEAST} or more, got {given}"
