"""The schema of a configuration: types, bounds, defaults and descriptions in one table.

``docs/configuration.md`` is generated from it, and error messages about keys are derived from it, so a new key needs
one line here.  A struct holds one declaration (``listen``, ``upstream``, ``route``) or one setting.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rsp.config.answers import ResponseRules
from rsp.config.content import Compress
from rsp.config.cpus import CpuSet
from rsp.config.engines import DiscoverRoutes, Store
from rsp.config.filters import SecurityHeaders
from rsp.config.instance import Dns, Lua, Reload
from rsp.config.limits import Limits, Timeouts
from rsp.config.observe import AccessLog, Dashboard, LogFormat, LogLevel, Metrics, Tracing
from rsp.config.routes import Route
from rsp.config.struct import Items, Struct, Text, UrlPath
from rsp.config.tls import Certificate, Hsts, Tls
from rsp.config.units import MOST_WORKERS, Duration, Function, Listen, Network, Peer, Secret, Size
from rsp.config.upstreams import Upstream


class ProxyProtocol(Struct, frozen=True):
    """The PROXY protocol, version 1 or 2: which client connections begin with a PROXY header."""

    from_: Annotated[
        tuple[Network, ...],
        Meta(
            min_length=1,
            description='Addresses and networks of the proxies that send the header: `{ "10.0.0.0/8" }`; `"unix:"` '
            "for connections to a unix socket. Connections from them must begin with the header; "
            "connections from other addresses must not.",
        ),
    ] = msgspec.field(name="from")


class Listener(Struct, frozen=True):
    """An address that clients connect to."""

    address: Annotated[
        Listen,
        Meta(
            description='Address to listen on: `"host:port"`, `"[v6]:port"`, `"unix:/path"`, a port alone for all '
            'IPv4 addresses, or `"systemd:name"` for sockets that systemd passes.'
        ),
    ]
    backlog: Annotated[
        int,
        Meta(
            ge=1, le=65535, description="Length of the queue of connections that wait to be accepted, for each worker."
        ),
    ] = 4096
    tls: Annotated[bool, Meta(description="Whether clients use TLS on this listener; see `certificate` and `tls`.")] = (
        False
    )
    http2: Annotated[
        bool | Literal["prior-knowledge"] | None,
        Meta(
            description="Whether clients may use HTTP/2. With `tls`, selected by ALPN: `true` by default. Without "
            '`tls`: `false` by default; `"prior-knowledge"` accepts HTTP/1 and HTTP/2; see '
            "[http2.md](http2.md)."
        ),
    ] = None
    redirect: Annotated[
        Literal["https"] | None,
        Meta(description='`"https"`: answer every request with a redirect (308) to the same URL with https://.'),
    ] = None
    proxy_protocol: Annotated[
        ProxyProtocol | None,
        Meta(
            description="Accept the PROXY protocol, in which a proxy in front of rsp sends the client's address; see "
            "[proxy-protocol.md](proxy-protocol.md)."
        ),
    ] = None
    timeouts: Annotated[Timeouts | None, Meta(description="Overrides `timeouts` for this listener.")] = None
    limits: Annotated[Limits | None, Meta(description="Overrides `limits` for this listener.")] = None


class Page(Struct, frozen=True):
    """An error page, which replaces the plain text of rsp's own responses with a given status."""

    status: Annotated[
        int | Annotated[tuple[int, ...], Items],
        Meta(description="Status, or a list of statuses: `404`, `{ 502, 503, 504 }`."),
    ]
    file: Annotated[
        Text | None,
        Meta(
            description="File with the page, relative to the configuration file. It is read "
            "when the configuration is loaded. `{status}` and `{request_id}` in "
            "it are replaced."
        ),
    ] = None
    body: Annotated[
        str | None,
        Meta(description="The page itself, instead of `file`. `{status}` and `{request_id}` in it are replaced."),
    ] = None
    type: Annotated[Text, Meta(description="Content-Type.")] = "text/html; charset=utf-8"


class Settings(Struct, frozen=True):
    """Global variables of the configuration file that apply to the whole instance."""

    workers: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_WORKERS)] | Literal["auto"],
        Meta(
            description=f'Number of workers, 1 to {MOST_WORKERS}, or `"auto"`: the number of usable CPU '
            "cores within the CPU quota. The option `-w` overrides it."
        ),
    ] = "auto"
    cpu_affinity: Annotated[
        Literal["auto"] | Annotated[tuple[CpuSet, ...], Items] | None,
        Meta(
            description='CPUs that workers run on: `"auto"`: one CPU for each worker; or a list with the CPUs of '
            'worker 0, 1 and so on, `{ "0", "1", "2-3" }`, which repeats if there are more workers. Default: any CPU. '
            "See [tuning](howto/tuning.md#pin-workers-to-cpus)."
        ),
    ] = None
    busy_poll: Annotated[
        Duration,
        Meta(
            description="Time for which a worker asks the kernel for events again and again before it sleeps, at most "
            '`"1ms"`. `"50us"` shortens the latency of single requests in virtual machines, and costs CPU time. '
            "Default, and always in pure Python: a worker sleeps at once. "
            "See [tuning](howto/tuning.md#answer-single-requests-sooner)."
        ),
    ] = Duration(0)
    user: Annotated[
        Text | None,
        Meta(
            description='User that workers run as when rsp is started by root. Default: `"nobody"`. '
            '`"root"` keeps root. A reload does not change it.'
        ),
    ] = None
    group: Annotated[
        Text | None,
        Meta(
            description="Group that workers run as. Default: the primary group of `user`. A reload does not change it."
        ),
    ] = None
    access_log: Annotated[
        Text | AccessLog | Annotated[tuple[Text | AccessLog, ...], Items],
        Meta(
            description='Access log: `"stdout"`, `"off"`, the path of a file, a table with `path`, `format` and '
            "other keys, or a list of these. See [logs.md](logs.md).",
        ),
    ] = "stdout"
    log_level: Annotated[
        LogLevel,
        Meta(description="Lowest level of the messages that rsp writes to standard error."),
    ] = "info"
    log_format: Annotated[
        LogFormat,
        Meta(
            description="Format of the messages that rsp writes to standard error. The access log has its own `format`."
        ),
    ] = "text"
    log_mask: Annotated[
        tuple[Text, ...],
        Meta(
            description="Names of query parameters whose values are masked in logs and traces, in addition to the "
            "[built-in ones](logs.md#secrets)."
        ),
    ] = ()
    metrics: Annotated[
        Text | Metrics | None,
        Meta(
            description='Address that serves metrics for Prometheus, such as `"127.0.0.1:9145"`, or a table. See '
            "[metrics.md](metrics.md)."
        ),
    ] = None
    dashboard: Annotated[
        Text | Dashboard | None,
        Meta(
            description="Address that serves the dashboard, a web page with the live state of rsp, such as "
            '`"127.0.0.1:9146"`, or a table. See [dashboard.md](dashboard.md).'
        ),
    ] = None
    tracing: Annotated[
        Tracing | None,
        Meta(description="Tracing: spans that are sent to an OpenTelemetry collector. See [tracing.md](tracing.md)."),
    ] = None
    max_memory: Annotated[
        Size | None,
        Meta(description="Resident memory at which a worker is replaced. No request is lost. Default: no limit."),
    ] = None
    worker_timeout: Annotated[
        Duration, Meta(description="Time after which a worker that does not respond is killed and replaced.")
    ] = Duration(10)
    request_id: Annotated[
        Literal["keep", "make", "off"],
        Meta(
            description="The X-Request-Id that peers get. `keep`: the client's if it is valid, otherwise a new id; "
            "`make`: always a new id; `off`: none."
        ),
    ] = "keep"
    forwarded: Annotated[
        Literal["x-forwarded", "forwarded", "off"],
        Meta(
            description="Header fields that tell peers the client's address: `x-forwarded`: X-Forwarded-For, "
            "X-Forwarded-Proto and X-Forwarded-Host; `forwarded`: Forwarded (RFC 7239); `off`: none."
        ),
    ] = "x-forwarded"
    trusted: Annotated[
        tuple[Network, ...],
        Meta(
            description='Networks of the proxies in front of rsp: `{ "10.0.0.0/8" }`; `"unix:"` for connections to '
            "a unix socket. Their X-Forwarded-For and Forwarded fields are used and extended; from "
            "other clients such fields are removed."
        ),
    ] = ()
    keep_forwarded: Annotated[
        tuple[str, ...],
        Meta(
            description="Forwarding fields that are passed to peers even from clients that are not `trusted`: `{ "
            '"X-Real-IP" }`. [http.md](http.md) lists these fields.'
        ),
    ] = ()
    response_headers: Annotated[
        ResponseRules | None,
        Meta(
            description="Changes to the header fields of every response. The rules of a route are applied after these."
        ),
    ] = None
    ready: Annotated[
        UrlPath | None,
        Meta(
            description='Path of the readiness check, such as `"/readyz"`, for Kubernetes and load balancers. Every '
            "listener answers it before hooks and routes: 200, or 503 after SIGTERM or SIGQUIT."
        ),
    ] = None
    drain_delay: Annotated[
        Duration,
        Meta(
            description="Time for which connections are still accepted after SIGTERM or SIGQUIT, while `ready` "
            "answers 503. A second signal ends it."
        ),
    ] = Duration(0)
    compress: Annotated[
        bool | Compress,
        Meta(
            description="Whether responses are compressed for clients that accept it: `true`, or a table. See "
            "[compression.md](compression.md)."
        ),
    ] = False
    security_headers: Annotated[
        bool | SecurityHeaders,
        Meta(description="Security header fields for all responses: `true`, or a table. A route can override it."),
    ] = False
    hsts: Annotated[
        bool | str | Hsts,
        Meta(
            description="Strict-Transport-Security for responses over TLS: `true` (one year), a duration such as "
            '`"30d"`, or a table.'
        ),
    ] = False
    via: Annotated[
        Text | None,
        Meta(description="Name of this proxy in the Via field of requests and responses. Default: no Via field."),
    ] = None
    admin: Annotated[
        Text,
        Meta(
            description='Path of the unix socket for `rspctl`. `"auto"`: `rsp-PID.sock` in `/run/rsp` or '
            '`$XDG_RUNTIME_DIR/rsp`; `"off"`: no socket. A reload does not change it.'
        ),
    ] = "auto"
    pid_file: Annotated[
        Text | None,
        Meta(
            description="File that contains the process id of the master. Default: none. A reload does not change it."
        ),
    ] = None
    reload: Reload = Reload()
    discover_routes: Annotated[
        DiscoverRoutes | None,
        Meta(
            description="Routes that containers or services define with labels; see "
            "[routes-from-labels.md](routes-from-labels.md)."
        ),
    ] = None
    dns: Dns = Dns()
    lua: Lua = Lua()
    tls: Tls = Tls()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()


class Timer(Struct, frozen=True):
    """A periodic function: `every("10s", function() ... end)`."""

    interval: Annotated[Duration, Meta(description="Time from the start of one run to the start of the next.")]
    workers: Annotated[
        Literal["one", "all"],
        Meta(
            description="`one`: the function runs in one worker; if that worker ends, another one takes over. "
            "`all`: it runs in every worker."
        ),
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
    """Converts values as written in a configuration to rsp's value types, for ``msgspec.convert``."""
    if wanted in (Duration, Function, Size, Listen, Peer, Network, Secret, CpuSet):
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
