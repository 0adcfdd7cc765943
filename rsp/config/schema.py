"""The schema of a configuration: types, bounds, defaults and descriptions in one table.

``docs/configuration.md`` is generated from it and every error message about a key comes out of it, so a new key
needs one line here.  A struct is what one declaration (``listen``, ``upstream``, ``route``) or one setting holds.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rsp.config.content import Compress
from rsp.config.engines import DiscoverRoutes, Store
from rsp.config.filters import SecurityHeaders
from rsp.config.limits import Limits, Timeouts
from rsp.config.observe import AccessLog, Dashboard, LogFormat, LogLevel, Metrics, Tracing
from rsp.config.routes import ResponseRules, Route
from rsp.config.struct import Struct, Text, UrlPath
from rsp.config.tls import Certificate, Hsts, Tls
from rsp.config.units import MOST_WORKERS, Duration, Function, Listen, Network, Peer, Secret, Size
from rsp.config.upstreams import Upstream


class ProxyProtocol(Struct, frozen=True):
    """Which connections begin with a PROXY header, version 1 or 2."""

    from_: Annotated[
        tuple[Network, ...],
        Meta(
            min_length=1,
            description='Addresses and networks of the proxies that send it: `{ "10.0.0.0/8" }`; `"unix:"` for a '
            "unix socket. Their connections must begin with it; all others are served as plain.",
        ),
    ] = msgspec.field(name="from")


class Listener(Struct, frozen=True):
    """An address that clients connect to."""

    address: Annotated[
        Listen,
        Meta(
            description='`"host:port"`, `"[v6]:port"`, `"unix:/path"`, a port alone for every IPv4 address, or '
            '`"systemd:name"` for sockets that are passed.'
        ),
    ]
    backlog: Annotated[
        int, Meta(ge=1, le=65535, description="Connections that may wait to be accepted, for each worker.")
    ] = 4096
    tls: Annotated[bool, Meta(description="Whether clients speak TLS here; see `certificate` and `tls`.")] = False
    http2: Annotated[
        bool | Literal["prior-knowledge"] | None,
        Meta(
            description="With `tls`: HTTP/2 by ALPN, on by default. Without: off, or `prior-knowledge`, so that "
            "clients may begin with either version; see [http2.md](http2.md)."
        ),
    ] = None
    redirect: Annotated[
        Literal["https"] | None,
        Meta(description='`"https"`: answer every request with a redirect (308) to the same URL with https://.'),
    ] = None
    proxy_protocol: Annotated[
        ProxyProtocol | None,
        Meta(
            description="Connections from these addresses begin with a PROXY header, which names the client; see "
            "[proxy-protocol.md](proxy-protocol.md)."
        ),
    ] = None
    timeouts: Annotated[Timeouts | None, Meta(description="Overrides `timeouts` for this listener.")] = None
    limits: Annotated[Limits | None, Meta(description="Overrides `limits` for this listener.")] = None


class Page(Struct, frozen=True):
    """What rsp answers with for a status of its own, in place of its plain format."""

    status: Annotated[int | tuple[int, ...], Meta(description="`404`, or several: `{ 502, 503, 504 }`.")]
    file: Annotated[str | None, Meta(description="Read when the configuration is loaded, relative to it.")] = None
    body: Annotated[
        str | None, Meta(description="Instead of `file`. `{status}` and `{request_id}` are replaced in either.")
    ] = None
    type: Annotated[str, Meta(description="Content-Type.")] = "text/html; charset=utf-8"


class Dns(Struct, frozen=True):
    """How names of peers are looked up, by the control process. `/etc/hosts` comes first."""

    servers: Annotated[
        tuple[Listen, ...],
        Meta(description='Name servers: `{ "10.0.0.53:53" }`. Default: those of `/etc/resolv.conf`.'),
    ] = ()
    timeout: Annotated[Duration, Meta(description="For one look-up, all servers together.")] = Duration(5)
    min_ttl: Annotated[Duration, Meta(description="An answer is kept at least so long.")] = Duration(1)
    max_ttl: Annotated[
        Duration, Meta(description="An answer is kept at most so long, even if it says that it holds longer.")
    ] = Duration(30)
    retry: Annotated[
        Duration, Meta(description="After a look-up that failed. What was known stays in use meanwhile.")
    ] = Duration(2)


class Reload(Struct, frozen=True):
    """How a new configuration is tried: by one worker first, which is compared with the others, then by all."""

    canary: Annotated[
        Duration, Meta(description="How long one worker serves it before the others follow. 0: as soon as it serves.")
    ] = Duration(0)
    max_error_increase: Annotated[
        float,
        Meta(ge=0, le=1, description="Refused if its share of responses with status 500 or above is higher by more."),
    ] = 0.01
    max_latency_increase: Annotated[
        float,
        Meta(ge=0, description="Refused if peers take longer for it by more than this: 1 is twice as long. 0: any."),
    ] = 1.0
    requests: Annotated[
        int, Meta(ge=1, description="With fewer in that time nothing is concluded, and the others follow.")
    ] = 20


class Lua(Struct, frozen=True):
    """What hooks may use."""

    instructions: Annotated[
        int,
        Meta(
            ge=10_000,
            le=10_000_000_000,
            description="Instructions of Lua that a hook may run. A million take a millisecond or two.",
        ),
    ] = 300_000
    memory: Annotated[Size, Meta(description="Of all hooks in one worker together, what they keep included.")] = Size(
        32 << 20
    )
    timeout: Annotated[Duration, Meta(description="For a hook that waits, all its waits together.")] = Duration(30)
    body: Annotated[
        Size, Meta(description="Largest body that `req.body()` and `res.body` read; a larger one is an error there.")
    ] = Size(1 << 20)
    shared: Annotated[
        Size | None,
        Meta(
            description="Memory of `shared(...)` and `limit` for all workers. As of the start; used as needed. "
            "Default: 64 MB, but at most an eighth of a container's memory limit."
        ),
    ] = None
    fail_open: Annotated[
        bool, Meta(description="A request whose hook fails goes on as if there were none. Otherwise: 500.")
    ] = False


class Settings(Struct, frozen=True):
    """Plain global variables of the configuration file, for the whole instance."""

    workers: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_WORKERS)] | Literal["auto"],
        Meta(
            description=f'Worker processes, 1 to {MOST_WORKERS}, or `"auto"`: as many as usable cores, within the CPU '
            "quota. `-w` overrides it."
        ),
    ] = "auto"
    user: Annotated[
        str | None,
        Meta(description='User of the workers when root starts rsp. Default: `nobody`; `"root"` if you say so.'),
    ] = None
    group: Annotated[str | None, Meta(description="Group that workers run as. Default: the user's own.")] = None
    access_log: Annotated[
        Text | AccessLog | tuple[Text | AccessLog, ...],
        Meta(
            description='`"stdout"`, `"off"`, a file\'s path, a table with `path`, `format` and more, or a list of '
            "these. See [logs.md](logs.md).",
        ),
    ] = "stdout"
    log_level: Annotated[
        LogLevel,
        Meta(description="Least severe level of the messages about rsp itself that go to standard error."),
    ] = "info"
    log_format: Annotated[
        LogFormat,
        Meta(description="Format of the messages about rsp itself; `access_log` has a `format` of its own."),
    ] = "text"
    log_mask: Annotated[
        tuple[Text, ...],
        Meta(
            description="Keys of queries whose values are masked in logs and traces, in addition to "
            "the [built-in ones](logs.md#secrets)."
        ),
    ] = ()
    metrics: Annotated[
        Text | Metrics | None,
        Meta(description='An address for Prometheus, `"127.0.0.1:9145"`, or a table. See [metrics.md](metrics.md).'),
    ] = None
    dashboard: Annotated[
        Text | Dashboard | None,
        Meta(
            description='An address for a page that shows what rsp does, `"127.0.0.1:9146"`, or a table. See '
            "[dashboard.md](dashboard.md)."
        ),
    ] = None
    tracing: Annotated[
        Tracing | None, Meta(description="Spans for an OpenTelemetry collector. See [tracing.md](tracing.md).")
    ] = None
    max_memory: Annotated[
        Size | None,
        Meta(description="A worker with more resident memory is replaced without losing a request."),
    ] = None
    worker_timeout: Annotated[
        Duration, Meta(description="A worker whose loop has not run for so long is killed and replaced.")
    ] = Duration(10)
    request_id: Annotated[
        Literal["keep", "make", "off"],
        Meta(
            description="X-Request-Id to peers: the client's where it is sound, else a new one; always a new one; none."
        ),
    ] = "keep"
    forwarded: Annotated[
        Literal["x-forwarded", "forwarded", "off"],
        Meta(description="How peers learn of the client: X-Forwarded-For, -Proto, -Host; Forwarded (RFC 7239); not."),
    ] = "x-forwarded"
    trusted: Annotated[
        tuple[Network, ...],
        Meta(description='Proxies before us, or `"unix:"`: their forwarded fields are kept and appended to.'),
    ] = ()
    keep_forwarded: Annotated[
        tuple[str, ...],
        Meta(
            description='Forwarded fields that pass from clients that are not `trusted` as well: `{ "X-Real-IP" }`. '
            "[http.md](http.md) lists the fields."
        ),
    ] = ()
    response_headers: Annotated[
        ResponseRules | None,
        Meta(description="Changes to every response, as in a route, whose own rules come after these."),
    ] = None
    ready: Annotated[
        UrlPath | None,
        Meta(
            description="A path that every listener answers itself, before all hooks and routes: 200, and 503 from "
            'SIGTERM or SIGQUIT on. For Kubernetes and load balancers: `"/readyz"`.'
        ),
    ] = None
    drain_delay: Annotated[
        Duration,
        Meta(
            description="How long connections are still accepted after SIGTERM or SIGQUIT, while `ready` says 503. A "
            "second signal ends it."
        ),
    ] = Duration(0)
    compress: Annotated[
        bool | Compress,
        Meta(description="Compress responses for clients that take it. See [compression.md](compression.md)."),
    ] = False
    security_headers: Annotated[
        bool | SecurityHeaders, Meta(description="For all responses, as in a route, whose own goes before it.")
    ] = False
    hsts: Annotated[
        bool | str | Hsts,
        Meta(description='Strict-Transport-Security over TLS: true for a year, a duration (`"30d"`), or a table.'),
    ] = False
    via: Annotated[Text | None, Meta(description="Name for Via, in both directions. Default: no Via.")] = None
    admin: Annotated[
        Text,
        Meta(
            description='Path of the unix socket for `rspctl`; `"off"`; `"auto"`: `rsp-PID.sock` in `/run/rsp` or '
            "`$XDG_RUNTIME_DIR/rsp`."
        ),
    ] = "auto"
    pid_file: Annotated[
        Text | None,
        Meta(description="File for the master's process id. Default: none."),
    ] = None
    reload: Reload = Reload()
    discover_routes: Annotated[
        DiscoverRoutes | None,
        Meta(
            description="Routes that containers or services ask for by labels; see "
            "[routes-from-labels.md](routes-from-labels.md)."
        ),
    ] = None
    dns: Dns = Dns()
    lua: Lua = Lua()
    tls: Tls = Tls()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()


class Timer(Struct, frozen=True):
    """Work that comes back: `every("10s", function() ... end)`."""

    interval: Annotated[Duration, Meta(description="Between two beginnings.")]
    workers: Annotated[
        Literal["one", "all"],
        Meta(description="In one worker, which another one replaces when it is gone; or in each."),
    ] = "one"


class Config(Struct, frozen=True):
    """A whole configuration, checked."""

    settings: Settings
    listeners: tuple[Listener, ...]
    upstreams: tuple[Upstream, ...]
    routes: tuple[Route, ...]
    stores: tuple[Store, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    pages: tuple[Page, ...] = ()
    timers: tuple[Timer, ...] = ()
    hooks: tuple[str, ...] = ()  # where each function of a hook begins, in the order of their evaluation
    places: dict[str, str] = {}  # where files of TLS and hosts are named, by key and value: "host a.example"
    warnings: tuple[str, ...] = ()  # lines: what works, but hardly as it is meant
    operators: bytes = b""  # names and hashed passwords for the dashboard
    labelled: tuple[str, ...] = ()  # of the last routes, which labels ask for: where these are
    owners: dict[str, str] = {}  # of hosts of these routes
    refused: tuple[str, ...] = ()  # lines: what labels ask for and do not get


def decode_hook(wanted: type, value: object) -> object:
    """Turns what people write into our own value types, for ``msgspec.convert``."""
    if wanted in (Duration, Function, Size, Listen, Peer, Network, Secret):
        return wanted.parse(value)
    raise NotImplementedError(wanted)


def encode_hook(value: object) -> object:
    """The reverse of :func:`decode_hook`."""
    if isinstance(value, Function):
        return Function.MARK + value
    for plain in (float, int, str):
        if isinstance(value, plain):
            return plain(value)
    raise NotImplementedError(type(value))
