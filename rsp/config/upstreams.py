"""The schema of an upstream: its peers, how one is chosen, and what happens when one fails.

Part of ``schema``: the same rules hold.  What may be written short (``health = "/up"``) has a property that gives it
in full.
"""

from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from rsp.config.engines import Discover
from rsp.config.struct import Count, Struct, Text, UrlPath
from rsp.config.tls import HttpVersion, UpstreamTls
from rsp.config.units import Duration, Peer, Size


class UpstreamPeer(Struct, frozen=True):
    """One backend of an upstream, or a name that stands for several."""

    address: Annotated[
        Peer,
        Meta(
            description='`"host:port"`, `"[v6]:port"`, `"unix:/path"`, or `"srv:_http._tcp.example.com"`. Each address '
            "that DNS gives for a name is a peer."
        ),
    ]
    weight: Annotated[int, Meta(ge=1, le=1000, description="Share of the requests, relative to the other peers.")] = 1
    backup: Annotated[bool, Meta(description="Only asked when no other peer can be.")] = False
    max_conns: Annotated[
        Count | None, Meta(description="Exchanges that run there at once, for all workers. Default: the upstream's.")
    ] = None


class Sticky(Struct, frozen=True):
    """A client stays with its peer by a signed cookie, as long as that peer is there."""

    cookie: Annotated[str, Meta(description="Name of the cookie.")] = "rsp_peer"
    secret: Annotated[
        Text | None,
        Meta(
            description="Signs the cookie. Default: chosen at start, so that a restart forgets which client belongs "
            "to which peer; several instances need the same."
        ),
    ] = None
    max_age: Annotated[
        Duration | None, Meta(description="How long a browser keeps the cookie. Default: until it is closed.")
    ] = None
    path: Annotated[UrlPath, Meta(description="Path attribute of the cookie.")] = "/"
    secure: Annotated[bool, Meta(description="Secure attribute: only sent over TLS.")] = False


class Queue(Struct, frozen=True):
    """Where requests wait while every peer has `max_conns` exchanges."""

    size: Annotated[int, Meta(ge=0, le=1_000_000, description="Most that wait, in each worker. More: 503.")] = 1024
    timeout: Annotated[Duration, Meta(description="Longest wait. Then 503.")] = Duration(5)


class Failures(Struct, frozen=True):
    """When a peer is ejected for failures seen in traffic: no connection, no answer in time, half an answer.

    When its time is over, one request tries it: an answer brings it back, a failure doubles the time.
    """

    count: Annotated[int, Meta(ge=0, le=1000, description="Failures in a row, over all workers. 0: never.")] = 3
    within: Annotated[Duration, Meta(description="None of them older than that.")] = Duration(10)
    out: Annotated[Duration, Meta(description="How long it is out at first.")] = Duration(1)
    longest: Annotated[Duration, Meta(description="How long it is out at most.")] = Duration(60)
    share: Annotated[
        float,
        Meta(ge=0, le=1, description="Most peers that are out at once, as a share. One always stays."),
    ] = 1.0


class Outliers(Struct, frozen=True):
    """When a peer is ejected because it does worse than its siblings, over all workers."""

    errors: Annotated[
        float, Meta(ge=0, le=1, description="Share of responses with status 500 or above. 0: not looked at.")
    ] = 0.3
    latency: Annotated[
        float,
        Meta(ge=0, description="Times the siblings' median time to the head of a response. 0: not looked at."),
    ] = 5.0
    interval: Annotated[Duration, Meta(description="What is compared is the last so many seconds.")] = Duration(10)
    requests: Annotated[int, Meta(ge=1, description="Peers with fewer requests in the interval are not evaluated.")] = (
        20
    )
    out: Annotated[Duration, Meta(description="How long it is out at first; doubled each time.")] = Duration(10)
    longest: Annotated[Duration, Meta(description="How long it is out at most.")] = Duration(300)
    share: Annotated[
        float, Meta(ge=0, le=1, description="Most peers that are out at once, as a share. One always stays.")
    ] = 0.5


class Health(Struct, frozen=True):
    """Active checks, made by the control process, once for the whole instance."""

    type: Annotated[
        Literal["http", "tcp", "grpc"],
        Meta(description="`tcp`: a connection will do; `grpc`: gRPC's own protocol, `grpc.health.v1`."),
    ] = "http"
    service: Annotated[
        str, Meta(description="With `grpc`: the service that has to be SERVING. Default: the server as a whole.")
    ] = ""
    path: Annotated[UrlPath, Meta(description="What to ask for.")] = "/"
    method: Annotated[Literal["GET", "HEAD", "OPTIONS"], Meta(description="How to ask.")] = "GET"
    host: Annotated[Text | None, Meta(description="Host of the request. Default: the peer's address.")] = None
    status: Annotated[
        int | str | tuple[int | str, ...],
        Meta(description='Statuses that are right: `200`, `"200-299"`, `{ 200, "300-399" }`.'),
    ] = "200-399"
    body: Annotated[Text | None, Meta(description="What the first 64 KB of the body have to contain.")] = None
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None, Meta(description="Where to ask, if not at the peer's own port.")
    ] = None
    tls: Annotated[
        bool | None,
        Meta(
            description="Over TLS. Default: as the upstream, verified as there. True where the upstream has no `tls`: "
            "not verified."
        ),
    ] = None
    interval: Annotated[Duration, Meta(description="Between two checks of a peer, give or take a tenth.")] = Duration(5)
    timeout: Annotated[Duration, Meta(description="For the whole check.")] = Duration(2)
    rise: Annotated[int, Meta(ge=1, le=1000, description="Good checks until a peer is up again.")] = 2
    fall: Annotated[int, Meta(ge=1, le=1000, description="Bad checks until a peer is down.")] = 3
    panic: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="If fewer of the peers than this share are up, wrong answers do not count: traffic goes to all "
            "that answer.",
        ),
    ] = 0.5


_KEEPALIVE: Final = 64
_CHECKS: Final = {"tcp": Health(type="tcp"), "grpc": Health(type="grpc")}


class Retry(Struct, frozen=True):
    """When a request goes on to another peer: nothing of it was sent, or it is idempotent and not answered yet."""

    on: Annotated[
        tuple[Literal[500, 502, 503, 504, 429], ...],
        Meta(description="Statuses after which an idempotent request is tried elsewhere: `{ 502, 503, 504 }`."),
    ] = ()
    on_grpc: Annotated[
        tuple[
            Literal[
                "aborted", "cancelled", "deadline_exceeded", "internal", "resource_exhausted", "unavailable", "unknown"
            ],
            ...,
        ],
        Meta(
            description='gRPC statuses after which a call is tried elsewhere: `{ "unavailable" }`. Only for responses '
            "without a message; see [grpc.md](grpc.md#retries)."
        ),
    ] = ()
    tries: Annotated[
        int, Meta(ge=0, le=1000, description="Peers that a request meets at most. 0: all, but no more than 1,000.")
    ] = 0
    budget: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Retries of what was sent, as a share of the requests of the last 10 s; 10 a second are always "
            "allowed. 0: none.",
        ),
    ] = 0.2
    body: Annotated[Size, Meta(description="A request's body that is kept for a retry.")] = Size(64 << 10)


class Hedge(Struct, frozen=True):
    """A second request to another peer when the first takes long; the first answer wins. Safe methods only."""

    percentile: Annotated[
        float, Meta(gt=0, lt=100, description="Longer than so many percent of the last answers took is long.")
    ] = 95.0
    after: Annotated[Duration | None, Meta(description="Instead of `percentile`: longer than this.")] = None


class Upstream(Struct, frozen=True):
    """A named group of backends that requests are balanced over."""

    name: Annotated[str, Meta(min_length=1, description="The name that routes refer to.")]
    peers: Annotated[
        tuple[UpstreamPeer, ...],
        Meta(description='The backends: addresses, or tables such as `{ "10.0.0.2:8000", weight = 2 }`.'),
    ] = ()
    discover: Annotated[
        Text | Discover | None,
        Meta(
            description="Where more peers are read: `etcd://10.0.0.5:2379/services/app/` and others, or a table; see "
            "[discovery.md](discovery.md)."
        ),
    ] = None
    tls: Annotated[bool | UpstreamTls, Meta(description="Peers are asked over TLS and verified: true, or a table.")] = (
        False
    )
    http: Annotated[
        HttpVersion,
        Meta(
            description='HTTP version: `1`, `2`, or `"auto"`, which takes what the peer chooses in the TLS handshake; '
            "see [http2.md](http2.md#peers)."
        ),
    ] = 1
    protocol: Annotated[
        Literal["http", "fastcgi", "uwsgi"],
        Meta(description="What peers speak: `fastcgi`, as PHP-FPM does, or `uwsgi`; see [fastcgi.md](fastcgi.md)."),
    ] = "http"
    root: Annotated[
        Text | None,
        Meta(
            description='With `fastcgi`: the directory of the scripts, as peers see it: `"/srv/www"`. rsp looks there '
            "whether a script exists; see [fastcgi.md](fastcgi.md#scripts-that-do-not-exist)."
        ),
    ] = None
    split: Annotated[
        str,
        Meta(
            description="With `fastcgi`: how the names of scripts end; what of a path comes behind it is PATH_INFO. "
            "Empty: peers run no scripts, and PATH_INFO is the whole path."
        ),
    ] = ".php"
    index: Annotated[
        Text,
        Meta(
            description="With `fastcgi`: the script of a path that names none: of its directory, or else of the root."
        ),
    ] = "index.php"
    send_proxy: Annotated[
        Literal["v1", "v2"] | None,
        Meta(
            description="Each connection to a peer begins with a PROXY header that names the client, and serves this "
            "client's connection only; see [proxy-protocol.md](proxy-protocol.md#send)."
        ),
    ] = None
    policy: Annotated[
        Literal["round_robin", "least_conn", "random2", "ewma", "hash", "sticky"],
        Meta(description="How a peer is chosen; see [balancing.md](balancing.md)."),
    ] = "round_robin"
    key: Annotated[
        str,
        Meta(
            description="What `hash` looks at: `client`, `uri`, `path`, `host`, `header:NAME` or `cookie:NAME`; or a "
            "text with [placeholders](values.md): `{host}{path}`."
        ),
    ] = "client"
    sticky: Annotated[bool | str | Sticky, Meta(description="With any policy: true, a cookie's name, or a table.")] = (
        False
    )
    max_conns: Annotated[
        Count, Meta(description="Exchanges that run at a peer at once, for all workers. 0: no limit.")
    ] = 0
    max_connecting: Annotated[
        Count, Meta(description="Connections to a peer that are being made at once, for all workers. 0: no limit.")
    ] = 0
    queue: Queue = Queue()
    slow_start: Annotated[
        Duration, Meta(description="A peer that is new or back gets its full share after so long, growing to it.")
    ] = Duration(0)
    failures: Failures = Failures()
    outliers: Annotated[bool | Outliers, Meta(description="True, or a table.")] = False
    health: Annotated[
        str | Health | None,
        Meta(description='A path to ask for, `"tcp"`, `"grpc"`, or a table.'),
    ] = None
    retry: Retry = Retry()
    hedge: Annotated[bool | Hedge, Meta(description="True, or a table.")] = False
    drain: Annotated[
        Duration, Meta(description="How long sticky clients and tunnels may stay with a peer that leaves.")
    ] = Duration(30)
    keepalive: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(
            description="Idle connections kept open to each peer, by each worker. Default: 64; with `fastcgi` 0, "
            "because each of them holds a process of PHP-FPM."
        ),
    ] = None
    keepalive_age: Annotated[
        Duration, Meta(description="An older connection is closed after its exchange. 0: no limit.")
    ] = Duration(3600)
    strict: Annotated[
        bool,
        Meta(
            description="Refuse responses with flaws that leave no doubt, such as bare LF or folded fields; "
            "see [http.md](http.md)."
        ),
    ] = False
    warm: Annotated[
        int,
        Meta(
            ge=0, le=1000, description="Idle connections that each worker makes ahead, to each peer that has traffic."
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
