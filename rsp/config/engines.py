"""Engines (etcd, Consul, Redis, Kubernetes and others), which hold peers or what several instances of rsp share.

An endpoint is a URL; credentials stand in keys beside it, never in it.
"""

import re
from typing import Annotated, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from rsp.config.struct import Struct, Text
from rsp.config.tls import UpstreamTls
from rsp.config.units import Address, Duration, Secret, show

_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)(/[^?#]*)?(?:\?([^#]*))?", re.IGNORECASE)
_LONGEST: Final = 200  # letters of a URL that a message repeats
_VISIBLE: Final = re.compile(r"[!-~]*")
POD_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a file
_POD_CA: Final = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
_WITHOUT_HOST: Final = frozenset(("kubernetes", "docker"))  # may be: the cluster that rsp runs in, a local socket
# Of `discover`, with the default port; 0: it has no host.
DISCOVERY_PORTS: Final = {
    "etcd": 2379, "etcds": 2379, "consul": 8500, "consuls": 8501, "kubernetes": 443, "docker": 2375, "podman": 0,
    "file": 0, "http": 80, "https": 443,
}  # fmt: skip
_SECURE: Final = frozenset(("etcds", "consuls", "https", "kubernetes", "rediss", "rediss+sentinel"))
SECRETS: Final = "secret"  # the kind of files with passwords and tokens, of those that are read for all processes


class EngineUrl(NamedTuple):
    """``hosts``: ``host:port`` of each endpoint, in their order; none for files and local sockets.  ``path`` begins
    with a slash, or is empty."""

    scheme: str
    hosts: tuple[str, ...]
    path: str
    query: dict[str, str]

    @classmethod
    def parse(cls, url: str, ports: dict[str, int]) -> "EngineUrl":
        """``ports``: the default port of each scheme that is allowed; 0: it has no hosts.  Raises :class:`ValueError`
        with a message that has no credentials."""
        found = _URL.fullmatch(url)
        shown = show(url.rpartition("@")[2].partition("?")[0])
        schemes = ", ".join(f"{scheme}://" for scheme in ports)
        if found is None or _VISIBLE.fullmatch(url) is None or found[1].lower() not in ports:
            raise ValueError(f"expected a URL that begins with one of {schemes}, got {shown}{_way(url, ports)}")
        scheme, authority = found[1].lower(), found[2]
        if "@" in authority:
            raise ValueError("a URL may not contain credentials: use the keys username and password_file")
        if not ports[scheme]:
            if authority:
                raise ValueError(f"{scheme}:// takes no host: write {scheme}:///{authority}{found[3] or ''}")
            return cls(scheme, (), found[3] or "", dict(parse_qsl(found[4] or "", keep_blank_values=True)))
        named = authority.split(",") if authority or scheme not in _WITHOUT_HOST else []
        hosts = tuple(_host(part, ports[scheme]) for part in named)
        return cls(scheme, hosts, found[3] or "", dict(parse_qsl(found[4] or "", keep_blank_values=True)))

    @property
    def is_secure(self) -> bool:
        """Whether it is asked over TLS."""
        return self.scheme in _SECURE

    def __str__(self) -> str:
        """For messages: without the query."""
        return f"{self.scheme}://{','.join(self.hosts)}{self.path}"


def _way(url: str, ports: dict[str, int]) -> str:
    """``"; write ..."`` for what is nearly a URL, or ``""``."""
    scheme, colon, rest = url.partition(":")
    if not url.isprintable() or len(url) > _LONGEST or "@" in url:
        return ""
    if colon and scheme.lower() in ports and not rest.startswith("//"):
        slashes = "//" if ports[scheme.lower()] else "///"
        return f'; write "{scheme}:{slashes}{rest.lstrip("/").partition("?")[0]}"'
    stray = next((what for letter, what in ((" ", "spaces"), ("#", "#")) if letter in url), "")
    return f"; a URL has no {stray} here" if stray else ""


def _host(text: str, port: int) -> str:
    if not text:
        raise ValueError(f"expected a host after ://, as in 10.0.0.5:{port}")
    if text[-1] == ":":
        raise ValueError(f"expected a port after the colon, as in {text}{port}")
    address = Address.parse(text if re.search(r":\d+$", text) else f"{text}:{port}")
    if address.is_unix or address.port == 0:
        raise ValueError(f"expected a host as in 10.0.0.5:{port}, got {show(text)}")
    return str(address)


class Access(Struct, frozen=True, kw_only=True):
    """How rsp authenticates to an engine."""

    username: Annotated[Text | None, Meta(description="User name: etcd, Redis, HTTP.")] = None
    password: Annotated[Secret | None, Meta(description="Password. `password_file` is safer.")] = None
    password_file: Annotated[
        Text | None,
        Meta(
            description="File with the password. It is read again when it changes; read permission for root is enough."
        ),
    ] = None
    token: Annotated[Secret | None, Meta(description="Token: Consul, Kubernetes, HTTP. `token_file` is safer.")] = None
    token_file: Annotated[
        Text | None,
        Meta(description="File with the token. It is read again when it changes; read permission for root is enough."),
    ] = None
    tls: Annotated[
        UpstreamTls | None,
        Meta(
            description="TLS options for URLs with TLS (`etcds://`, `rediss://`, `https://`), with the keys of `tls` "
            "of an upstream. Default: verification with the certificate authorities of the system."
        ),
    ] = None
    timeout: Annotated[Duration, Meta(description="Timeout for a response of each endpoint.")] = Duration(5)


A = TypeVar("A", bound=Access)


class Store(Access, frozen=True, kw_only=True):
    """A Redis or Valkey server for state that several instances share:

    `shared(..., { store = "main" })`, `cluster = "main"`.
    """

    name: Annotated[Text, Meta(description="Name of the store.")]
    url: Annotated[
        Text,
        Meta(
            description='URL of the server: `"redis://10.0.0.5:6379/0"`, `"rediss://..."` (TLS), '
            '`"redis+sentinel://10.0.0.5:26379,10.0.0.6:26379/mymaster/0"` or '
            '`"redis+unix:///run/redis.sock"`.'
        ),
    ]


class Discover(Access, frozen=True, kw_only=True):
    """Service discovery: the source from which the peers of an upstream are read, and followed as they change."""

    url: Annotated[
        Text,
        Meta(
            description='URL of the source: `"etcd://10.0.0.5:2379/services/app/"`, `"consul://127.0.0.1:8500/app"`, '
            '`"kubernetes:///namespace/service"`, `"docker:///var/run/docker.sock"`, '
            '`"file:///etc/rsp/app.json"`, or `"https://config.example.com/app.json"`; see '
            "[discovery.md](discovery.md)."
        ),
    ]
    minimum: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Lowest plausible number of members. A result with fewer, and with fewer than before, is "
            "used only after it has been stable for `doubt`. `0`: every result is used at once, even an "
            "empty one.",
        ),
    ] = 1
    doubt: Annotated[
        Duration,
        Meta(description="How long a result with fewer than `minimum` members must be stable before it is used."),
    ] = Duration(60)
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | Text | None,
        Meta(
            description="Port of members for which the source does not state one, or the name of one of several ports."
        ),
    ] = None
    interval: Annotated[
        Duration, Meta(description="Polling interval for sources that cannot report changes (HTTP).")
    ] = Duration(5)
    tags: Annotated[tuple[Text, ...], Meta(description="Consul: tags that a member must have.")] = ()
    labels: Annotated[dict[str, str], Meta(description="Docker, Kubernetes: labels that a member must have.")] = {}
    network: Annotated[
        Text | None,
        Meta(description="Docker: network whose addresses are used. Default: the only network of the container."),
    ] = None

    @property
    def filled(self) -> "Discover":
        """With what a pod finds in the cluster that it runs in, where the URL names no other one."""
        return _in_pod(self) if self.url[:14].lower() == "kubernetes:///" else self

    @property
    def endpoint(self) -> EngineUrl:
        """`url`, parsed.  Raises :class:`ValueError`."""
        return EngineUrl.parse(self.url, DISCOVERY_PORTS)

    @property
    def shown(self) -> str:
        """As operators see it: without a query, which may be a secret; `labels`, where these are the source."""
        try:
            return str(self.endpoint)
        except ValueError:  # a kind that no file may name
            return self.url.partition(":")[0]


def _in_pod(access: A) -> A:
    """``access`` with what a pod finds, where it says nothing itself."""
    if access.token is not None or access.token_file is not None:
        return access
    tls = access.tls or UpstreamTls()
    secure = msgspec.structs.replace(tls, ca=_POD_CA) if tls.ca is None else tls
    return msgspec.structs.replace(access, token_file=POD_TOKEN, tls=secure)


class DiscoverRoutes(Access, frozen=True, kw_only=True):
    """Routes that containers or services define with labels; see [routes-from-labels.md](routes-from-labels.md)."""

    docker: Annotated[
        Text | None,
        Meta(
            description='Docker or Podman: its socket, such as `"unix:/var/run/docker.sock"`, or a proxy that '
            'restricts access, such as `"docker://docker-proxy:2375"`. Containers define routes with '
            "labels."
        ),
    ] = None
    kubernetes: Annotated[
        Text | bool | None,
        Meta(
            description="Kubernetes: `true` for the cluster that rsp runs in, or the URL of an API server such as "
            '`"kubernetes://api.example.com:6443"`. Services define routes with annotations.'
        ),
    ] = None
    namespace: Annotated[
        Text | None, Meta(description="Kubernetes: namespace of the services. Default: all namespaces.")
    ] = None
    hosts: Annotated[
        tuple[Text, ...],
        Meta(
            min_length=1,
            description='Hosts that labels may use: `{ "*.apps.example.com", "shop.example.com" }`. Routes for other '
            "hosts are ignored.",
        ),
    ]
    network: Annotated[
        Text | None,
        Meta(
            description="Docker: network whose addresses are used, unless the label `rsp.network` names another one. "
            '`"host"`: the ports published on the host. Default: the only network of the container.'
        ),
    ] = None

    @property
    def filled(self) -> "DiscoverRoutes":
        """With what a pod finds in the cluster that it runs in, where no other one is named."""
        return _in_pod(self) if self.kubernetes is True else self

    @property
    def asking(self) -> str:
        """What asks for routes."""
        return "container" if self.docker is not None else "service"

    @property
    def api(self) -> EngineUrl:
        """Of Kubernetes; without hosts: that of the cluster.  Raises :class:`ValueError`."""
        text = self.kubernetes if isinstance(self.kubernetes, str) else "kubernetes://"
        return EngineUrl.parse(text, {"kubernetes": 443})

    @property
    def engine(self) -> EngineUrl:
        """Where Docker is asked; a local socket is its path.  Raises :class:`ValueError`."""
        text = self.docker or ""
        if text.startswith("unix:/") and not text.startswith("unix://"):
            return EngineUrl("docker", (), text.removeprefix("unix:"), {})
        return EngineUrl.parse(text, {"docker": DISCOVERY_PORTS["docker"]})
