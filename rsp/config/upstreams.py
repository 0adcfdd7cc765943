"""The schema of an upstream: its peers, and how a peer is chosen for a request.

Part of ``schema``: the same rules hold.  What may be written short (``health = "/up"``) has a property that gives it
in full.
"""

from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from rsp.config.engines import Discover
from rsp.config.failure import Failures, Health, Hedge, Outliers, Retry
from rsp.config.struct import Count, Struct, Text, UrlPath
from rsp.config.tls import HttpVersion, UpstreamTls
from rsp.config.units import Duration, Peer


class UpstreamPeer(Struct, frozen=True):
    """One backend of an upstream, or a DNS name that resolves to several."""

    address: Annotated[
        Peer,
        Meta(
            description='Address of the peer: `"host:port"`, `"[v6]:port"`, `"unix:/path"`, or '
            '`"srv:_http._tcp.example.com"`. A name that resolves to several addresses gives one peer '
            "for each."
        ),
    ]
    weight: Annotated[
        int, Meta(ge=1, le=1000, description="Share of the requests relative to the other peers' weights.")
    ] = 1
    backup: Annotated[
        bool, Meta(description="Whether the peer gets requests only while no other peer is available.")
    ] = False
    max_conns: Annotated[
        Count | None,
        Meta(
            description="Concurrent requests to this peer, counted over all workers. `0`: no limit. "
            "Default: `max_conns` of the upstream."
        ),
    ] = None


class Sticky(Struct, frozen=True):
    """Session affinity: a signed cookie keeps a client on the same peer for as long as that peer is available."""

    cookie: Annotated[str, Meta(description="Name of the cookie.")] = "rsp_peer"
    secret: Annotated[
        Text | None,
        Meta(
            description="Key that signs the cookie. Default: a random key made at start; after a restart, clients "
            "may be sent to another peer. Several instances of rsp need the same secret."
        ),
    ] = None
    max_age: Annotated[
        Duration | None, Meta(description="How long a browser keeps the cookie. Default: until the browser is closed.")
    ] = None
    path: Annotated[UrlPath, Meta(description="Path attribute of the cookie.")] = "/"
    secure: Annotated[
        bool, Meta(description="Whether the cookie has the Secure attribute, so that browsers send it over TLS only.")
    ] = False


class Queue(Struct, frozen=True):
    """The queue of requests that wait while every peer has reached `max_conns`."""

    size: Annotated[
        int,
        Meta(
            ge=0, le=1_000_000, description="Number of requests that may wait in each worker. Further requests get 503."
        ),
    ] = 1024
    timeout: Annotated[Duration, Meta(description="How long a request may wait. After that it gets 503.")] = Duration(5)


_KEEPALIVE: Final = 64
_CHECKS: Final = {"tcp": Health(type="tcp"), "grpc": Health(type="grpc")}


class Upstream(Struct, frozen=True):
    """A named group of backends that requests are balanced over."""

    name: Annotated[str, Meta(min_length=1, description="Name of the upstream, which routes refer to.")]
    peers: Annotated[
        tuple[UpstreamPeer, ...],
        Meta(description='The backends: addresses, or tables such as `{ "10.0.0.2:8000", weight = 2 }`.'),
    ] = ()
    discover: Annotated[
        Text | Discover | None,
        Meta(
            description="Service discovery: a URL from which further peers are read, such as "
            '`"etcd://10.0.0.5:2379/services/app/"`, or a table; see [discovery.md](discovery.md).'
        ),
    ] = None
    tls: Annotated[
        bool | UpstreamTls,
        Meta(description="Whether connections to peers use TLS: `true` (with verification), or a table."),
    ] = False
    http: Annotated[
        HttpVersion,
        Meta(
            description='HTTP version for peers: `1`, `2`, or `"auto"`, the version that the peer selects in the TLS '
            "handshake; see [http2.md](http2.md#peers)."
        ),
    ] = 1
    protocol: Annotated[
        Literal["http", "fastcgi", "uwsgi"],
        Meta(
            description='Protocol of the peers: `"http"`, `"fastcgi"` (PHP-FPM) or `"uwsgi"`; see '
            "[fastcgi.md](fastcgi.md)."
        ),
    ] = "http"
    root: Annotated[
        Text | None,
        Meta(
            description='With `fastcgi`: the directory of the scripts as the peers see it, such as `"/srv/www"`. rsp '
            "looks in the same directory for whether a script exists; see "
            "[fastcgi.md](fastcgi.md#scripts-that-do-not-exist)."
        ),
    ] = None
    split: Annotated[
        str,
        Meta(
            description="With `fastcgi`: the extension of scripts. The part of a path after it becomes PATH_INFO. "
            '`""`: there are no scripts, and the whole path is PATH_INFO.'
        ),
    ] = ".php"
    index: Annotated[
        Text,
        Meta(
            description="With `fastcgi`: the script for a path that does not name one: in the directory of the path, "
            "otherwise in `root`."
        ),
    ] = "index.php"
    pages: Annotated[
        tuple[Text, ...],
        Meta(
            description="With `fastcgi`: paths that PHP-FPM answers by itself, without a script (`ping.path`, "
            '`pm.status_path`): `{ "/status" }`.'
        ),
    ] = ()
    params: Annotated[
        dict[str, str],
        Meta(
            description="With `fastcgi` and `uwsgi`: variables of your own for the peers, which replace those of rsp: "
            '`{ APP_ENV = "live" }`. Values may contain [placeholders](values.md); see '
            "[fastcgi.md](fastcgi.md#what-a-script-receives)."
        ),
    ] = msgspec.field(default_factory=dict)
    send_proxy: Annotated[
        Literal["v1", "v2"] | None,
        Meta(
            description="Version of the PROXY header that begins each connection to a peer and contains the client's "
            "address. Such a connection is used for one client connection only; see "
            "[proxy-protocol.md](proxy-protocol.md#send)."
        ),
    ] = None
    policy: Annotated[
        Literal["round_robin", "least_conn", "random2", "ewma", "hash", "sticky"],
        Meta(description="Load balancing policy; see [balancing.md](balancing.md)."),
    ] = "round_robin"
    key: Annotated[
        str,
        Meta(
            description="Key of the policy `hash`: `client`, `uri`, `path`, `host`, `header:NAME` or `cookie:NAME`; "
            "or a text with [placeholders](values.md) such as `{host}{path}`."
        ),
    ] = "client"
    sticky: Annotated[
        bool | str | Sticky,
        Meta(description="Session affinity by a cookie, with any policy: `true`, the name of the cookie, or a table."),
    ] = False
    max_conns: Annotated[
        Count, Meta(description="Concurrent requests to each peer, counted over all workers. `0`: no limit.")
    ] = 0
    max_connecting: Annotated[
        Count,
        Meta(
            description="Connections to each peer that may be in the process of being opened, counted over "
            "all workers. `0`: no limit."
        ),
    ] = 0
    queue: Queue = Queue()
    slow_start: Annotated[
        Duration, Meta(description="Ramp-up time to full weight for a new or recovered peer. `0`: full weight at once.")
    ] = Duration(0)
    failures: Failures = Failures()
    outliers: Annotated[bool | Outliers, Meta(description="Outlier detection: `true`, or a table.")] = False
    health: Annotated[
        str | Health | None,
        Meta(description='Active health checks: a path to request, `"tcp"`, `"grpc"`, or a table. Default: no checks.'),
    ] = None
    retry: Retry = Retry()
    hedge: Annotated[bool | Hedge, Meta(description="Hedging: `true`, or a table.")] = False
    drain: Annotated[
        Duration,
        Meta(description="How long sticky clients and tunnels may continue to use a peer that is drained or removed."),
    ] = Duration(30)
    keepalive: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(
            description="Idle connections that each worker keeps open to each peer. Default: 64; with `fastcgi` and "
            "`uwsgi` 0, because each connection occupies a process of PHP-FPM."
        ),
    ] = None
    keepalive_age: Annotated[
        Duration,
        Meta(description="Age at which a connection to a peer is closed after its current request. `0`: no limit."),
    ] = Duration(3600)
    strict: Annotated[
        bool,
        Meta(
            description="Whether responses with clear protocol errors, such as bare LF or folded fields, are "
            "refused; see [http.md](http.md)."
        ),
    ] = False
    warm: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Idle connections that each worker opens in advance to each peer that has traffic.",
        ),
    ] = 0

    @property
    def discovery(self) -> Discover | None:
        """`discover` in full."""
        found = Discover(url=self.discover) if isinstance(self.discover, str) else self.discover
        return found.filled if found is not None else None

    @property
    def source(self) -> Peer | None:
        """What stands for the peers that are discovered, among names that stand for several.  Another source has
        another name, so that what one gives is never taken for what the other does."""
        found = self.discovery
        if found is None:
            return None
        said = msgspec.json.encode(found, enc_hook=str, order="deterministic")
        return Peer.discovered(f"{self.name}#{sha256(said).hexdigest()[:16]}")

    @property
    def given(self) -> tuple[UpstreamPeer, ...]:
        """`peers`, and behind them what stands for the discovered ones."""
        source = self.source
        return self.peers if source is None else (*self.peers, UpstreamPeer(address=source))

    def named(self, given: int, address: Peer) -> Peer:
        """What the configuration says for the peer at ``address``, the index of which is ``given``; of one that is
        discovered it says nothing but where."""
        return self.peers[given].address if given < len(self.peers) else address

    @property
    def checks(self) -> Health | None:
        """`health` in full."""
        if isinstance(self.health, str):
            return _CHECKS.get(self.health) or Health(path=self.health)
        return self.health

    @property
    def secure(self) -> UpstreamTls | None:
        """`tls` in full."""
        return self.tls if isinstance(self.tls, UpstreamTls) else UpstreamTls() if self.tls else None

    @property
    def idle_kept(self) -> int:
        """`keepalive` in full."""
        return self.keepalive if self.keepalive is not None else _KEEPALIVE if self.protocol == "http" else 0

    @property
    def shares(self) -> bool:
        """Whether a connection to a peer may carry several requests at once."""
        return self.http != 1

    @property
    def stickiness(self) -> Sticky | None:
        """`sticky` in full; policy `sticky` is round robin with it."""
        if isinstance(self.sticky, str):
            return Sticky(cookie=self.sticky)
        if isinstance(self.sticky, Sticky):
            return self.sticky
        return Sticky() if self.sticky or self.policy == "sticky" else None

    @property
    def outlier_rules(self) -> Outliers | None:
        """`outliers` in full."""
        return self.outliers if isinstance(self.outliers, Outliers) else Outliers() if self.outliers else None

    @property
    def hedging(self) -> Hedge | None:
        """`hedge` in full."""
        return self.hedge if isinstance(self.hedge, Hedge) else Hedge() if self.hedge else None
