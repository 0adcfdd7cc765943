"""The schema of a route: which requests it matches, what answers them, and which filters they pass.

Part of ``schema``: the same rules hold.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from rsp.config.answers import HeaderRules, Redirect, Respond, ResponseRules
from rsp.config.content import INDEX, Compress, Files
from rsp.config.filters import (
    Auth,
    Bandwidth,
    Concurrency,
    Cors,
    Country,
    Failover,
    Fault,
    Mirror,
    RateLimit,
    SecurityHeaders,
    Split,
)
from rsp.config.limits import Limits, Timeouts
from rsp.config.observe import AccessLog
from rsp.config.struct import Items, Struct, Text, UrlPath
from rsp.config.tls import Hsts
from rsp.config.units import Function, Network, Size
from rsp.config.value_match import Wanteds

HELD: Final = 64 << 20  # bytes, where `response_buffering` is true


class Route(Struct, frozen=True):
    """A rule that sends matching requests to an upstream, or answers them.

    The most specific `host` wins, then `exact`, then `regex` in order of declaration, then the longest `path`.
    """

    to: Annotated[str | None, Meta(description="Name of the upstream that answers.")] = None
    redirect: Annotated[
        str | Redirect | None,
        Meta(description='Redirect, instead of `to`: a URL, or a table such as `{ to = "...", status = 308 }`.'),
    ] = None
    respond: Annotated[
        Respond | None, Meta(description='Fixed response, instead of `to`: `{ status = 410, body = "gone" }`.')
    ] = None
    split: Annotated[
        Split | None,
        Meta(
            description="Traffic split, instead of `to`: several upstreams, each with a share of the "
            "requests or clients."
        ),
    ] = None
    files: Annotated[
        str | Files | None,
        Meta(
            description='Static files, instead of `to`: a directory such as `"/srv/www"`, or a table. The prefix '
            "`path` is removed before the file is looked up; `exact` and `regex` remove nothing. See "
            "[files.md](files.md)."
        ),
    ] = None
    fallback: Annotated[
        UrlPath | None,
        Meta(
            description="With `files`: the file that is served with status 200 for a path that has no file, such as "
            '`"/index.html"`.'
        ),
    ] = None
    else_to: Annotated[
        Text | None,
        Meta(
            description="With `files`: name of the upstream for paths that have no file and for methods other than "
            "GET and HEAD. The path is passed unchanged. Default: such requests get 404 or 405."
        ),
    ] = None
    else_rewrite: Annotated[
        Text | None,
        Meta(
            description="With `else_to`: the path that the upstream is asked for, in place of the request's, with "
            'placeholders: `"/index.php{path}"`, `"/index.php?page={path}"`. Paths in its query are decoded first.'
        ),
    ] = None
    host: Annotated[
        str | Annotated[tuple[Text, ...], Meta(min_length=1)] | None,
        Meta(
            description="Host names without a port: a name, `*.example.com` (subdomains of any depth), `app.*` (any "
            "domain), or a list of these. Default: every host."
        ),
    ] = None
    listener: Annotated[
        Text | Annotated[tuple[Text, ...], Meta(min_length=1)] | None,
        Meta(
            description='Listeners whose requests match: an address as written in `listen`, such as `"0.0.0.0:8080"`, '
            "or a list of these. Default: every listener."
        ),
    ] = None
    path: Annotated[
        str,
        Meta(
            pattern="^/",
            description="Path prefix. `/api` matches `/api` and `/api/x`, but not `/apifoo`; `/api/` matches paths "
            "that begin with it. The normalised path must match as well. `*` is not a wildcard.",
        ),
    ] = "/"
    exact: Annotated[
        UrlPath | None, Meta(description="Exact path, instead of `path`. It takes precedence over `regex` and `path`.")
    ] = None
    regex: Annotated[
        Text | None,
        Meta(
            description="Regular expression (RE2 syntax), instead of `path`. It may match anywhere in the path. Its "
            "groups are available as `{1}`, or `{name}` for `(?P<name>...)`. Expressions are tried in "
            "order of declaration, after `exact` and before `path`."
        ),
    ] = None
    slash: Annotated[
        Literal["redirect"] | None,
        Meta(
            description='`"redirect"`: with `path = "/docs"`, a request for `/docs` is redirected to `/docs/`, with '
            "its query."
        ),
    ] = None
    methods: Annotated[
        Annotated[tuple[Text, ...], Meta(min_length=1)] | None,
        Meta(description='Methods that match: `{ "GET", "POST" }`. GET includes HEAD. Default: all.'),
    ] = None
    headers: Annotated[
        Wanteds,
        Meta(
            description="Condition on header fields of the request (`request_headers` and `response_headers` change "
            'fields): `{ ["X-Beta"] = "1" }`. `true`: the field must be present; `false`: it must be absent; a list: '
            'one of these values; a table such as `{ contains = "bot" }`: see below. See also '
            "[routes.md](routes.md#add-conditions)."
        ),
    ] = msgspec.field(default_factory=dict)
    query: Annotated[
        Wanteds,
        Meta(
            description='Condition on query parameters, percent-decoded, with values as for `headers`: `{ v = "2" }`.'
        ),
    ] = msgspec.field(default_factory=dict)
    cookies: Annotated[
        Wanteds,
        Meta(description='Condition on cookies of the request, with values as for `headers`: `{ beta = "1" }`.'),
    ] = msgspec.field(default_factory=dict)
    client: Annotated[
        Annotated[tuple[Network, ...], Meta(min_length=1)] | None,
        Meta(
            description='Client addresses and networks that match: `{ "10.0.0.0/8" }`. Default: all. See also '
            "`trusted`."
        ),
    ] = None
    client_ca: Annotated[
        Text | None,
        Meta(
            description="PEM file with the certificate authorities that must have issued the client's certificate "
            "(mTLS). All routes of a host must have the same value. Requests over plain HTTP get 403; "
            "requests on a connection that was verified for another host get 421."
        ),
    ] = None
    client_crl: Annotated[
        Text | None,
        Meta(
            description="PEM file with certificate revocation lists for `client_ca`. Certificates from an authority "
            "without a current list are refused."
        ),
    ] = None
    client_verify: Annotated[
        Literal["required", "optional"],
        Meta(
            description="`required`: clients must present a certificate; `optional`: clients without a certificate "
            "are served, too. An invalid certificate is always refused."
        ),
    ] = "required"
    hsts: Annotated[bool | str | Hsts | None, Meta(description="Overrides the setting `hsts` for this route.")] = None
    strip: Annotated[
        bool,
        Meta(
            description="Whether `path` is removed from the path that the peer gets. The removed prefix is sent as "
            "X-Forwarded-Prefix. See [values](values.md#change-the-path-that-peers-see)."
        ),
    ] = False
    rewrite: Annotated[
        Text | None,
        Meta(
            description="Replacement for `path` in the request to the peer, such as `/v2`. With `exact`, `regex`, "
            "`{path}` or `{uri}` it replaces the whole path, as in `/users/{1}`. See "
            "[values](values.md#change-the-path-that-peers-see)."
        ),
    ] = None
    rewrite_location: Annotated[
        bool,
        Meta(
            description="With `strip` or `rewrite`: whether paths in response fields (Location, Content-Location, "
            "Refresh, and path and domain of cookies) are changed back to those that the client uses."
        ),
    ] = False
    first: Annotated[
        bool,
        Meta(
            description="With `path`: take precedence over every `regex` if this is the longest matching path "
            "(nginx: `^~`)."
        ),
    ] = False
    send_host: Annotated[
        Text | None, Meta(description="Host that the peer gets. Default: the Host of the client's request.")
    ] = None
    request_headers: Annotated[
        HeaderRules | None, Meta(description="Changes to the header fields of the request to the peer.")
    ] = None
    response_headers: Annotated[
        ResponseRules | None, Meta(description="Changes to the header fields of the response to the client.")
    ] = None
    allow: Annotated[
        str | Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(
            description='Clients that are served: `"10.0.0.0/8"`, `"file:office.txt"`, or a list. Other clients get '
            "403. See [access.md](access.md)."
        ),
    ] = None
    deny: Annotated[
        str | tuple[str, ...],
        Meta(description="Clients that get 403, written as in `allow`. It takes precedence over `allow`."),
    ] = ()
    country: Annotated[
        Country | None,
        Meta(
            description="Access by country of the client, from a MaxMind database, in addition to `allow` and `deny`."
        ),
    ] = None
    auth: Annotated[Auth | None, Meta(description="Authentication by password, by token, or by another service.")] = (
        None
    )
    any: Annotated[
        bool,
        Meta(
            description="Whether one of `allow`, `country` and `auth` is enough. `false`: all that are given must pass."
        ),
    ] = False
    rate_limit: Annotated[
        RateLimit | tuple[RateLimit, ...] | None,
        Meta(description="Rate limit, counted over all workers. A list: every limit must be met."),
    ] = None
    concurrency: Annotated[
        Concurrency | tuple[Concurrency, ...] | None,
        Meta(description="Limit of concurrent requests, counted over all workers. A list: every limit must be met."),
    ] = None
    bandwidth: Annotated[Bandwidth | None, Meta(description="Limit of the transfer rate of bodies.")] = None
    cors: Annotated[Cors | None, Meta(description="Cross-origin resource sharing (CORS).")] = None
    security_headers: Annotated[
        bool | SecurityHeaders | None, Meta(description="Security header fields for responses: `true`, or a table.")
    ] = None
    request_buffering: Annotated[
        bool,
        Meta(
            description="Whether the whole request body is read before the request is sent to a peer. It is kept in "
            "memory up to `limits.buffer`, beyond that in a temporary file. gRPC calls and upgrades are "
            "never buffered."
        ),
    ] = False
    response_buffering: Annotated[
        bool | int | str,  # msgspec has no union of Size with others
        Meta(
            description="How much of a response is read from the peer ahead of a slow client: a size such as "
            '`"64MB"`, or `true` for 64 MB. Beyond `limits.buffer` it is kept in a temporary file. '
            "Buffering does not delay the response."
        ),
    ] = False
    compress: Annotated[
        bool | Compress | None,
        Meta(description="Overrides the setting `compress` for this route. See [compression.md](compression.md)."),
    ] = None
    mirror: Annotated[Mirror | None, Meta(description="Copies of requests to another upstream.")] = None
    failover: Annotated[
        Failover | None, Meta(description="Another upstream that requests are sent to when this one fails.")
    ] = None
    maintenance: Annotated[
        bool | Text,
        Meta(
            description='Maintenance mode: `true`, or `"file:/run/maintenance"` for as long as that file exists. '
            "All requests get 503."
        ),
    ] = False
    fault: Annotated[Fault | None, Meta(description="Fault injection: delays and errors for testing clients.")] = None
    timeouts: Annotated[
        Timeouts | None,
        Meta(
            description="Overrides `body`, `connect`, `response`, `read`, `send`, `half_close`, `request` and "
            "`tunnel` of the setting `timeouts`."
        ),
    ] = None
    limits: Annotated[Limits | None, Meta(description="Overrides `body` and `min_rate` of the setting `limits`.")] = (
        None
    )
    name: Annotated[
        Text | None,
        Meta(
            description="Name of the route in metrics and logs. Default: host and path as written; `#2` is appended "
            "to a second route with the same name."
        ),
    ] = None
    metrics: Annotated[
        bool, Meta(description="Whether the route has its own histograms in the [metrics](metrics.md).")
    ] = False
    access_log: Annotated[
        Text | AccessLog | Annotated[tuple[Text | AccessLog, ...], Items] | None,
        Meta(description="Overrides the setting `access_log` for this route."),
    ] = None
    on_request: Annotated[
        Function | None, Meta(description="Hook for requests, `function(req)`; [lua.md](lua.md) describes all hooks.")
    ] = None
    on_upstream: Annotated[Function | None, Meta(description="Hook that chooses the peer, `function(req, peers)`.")] = (
        None
    )
    on_response: Annotated[Function | None, Meta(description="Hook for responses, `function(req, res)`.")] = None
    on_error: Annotated[Function | None, Meta(description="Hook for error responses of rsp, `function(req, err)`.")] = (
        None
    )
    on_log: Annotated[Function | None, Meta(description="Hook at the end of a request, `function(req, res)`.")] = None
    fail_open: Annotated[bool | None, Meta(description="Overrides `lua.fail_open` for this route.")] = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host` as a list; empty: every host."""
        return (self.host,) if isinstance(self.host, str) else self.host or ()

    @property
    def listeners(self) -> tuple[str, ...]:
        """`listener` as a list; empty: every listener."""
        return (self.listener,) if isinstance(self.listener, str) else self.listener or ()

    @property
    def file_rules(self) -> Files | None:
        """`files` as a table."""
        return Files(root=self.files) if isinstance(self.files, str) else self.files

    @property
    def index_names(self) -> tuple[str, ...]:
        """The names of files that answer for a directory, the first that is there; empty: none does."""
        rules = self.file_rules
        if rules is None or rules.index is None:
            return (INDEX,) if rules is not None and self.else_to is None else ()
        return tuple(filter(None, (rules.index,) if isinstance(rules.index, str) else rules.index))

    def compress_rules(self, everywhere: bool | Compress) -> Compress | None:
        """What holds for its responses; ``everywhere``: the setting.  ``None``: they are not compressed."""
        given = everywhere if self.compress is None or (self.compress is True and everywhere) else self.compress
        return Compress() if given is True else given or None

    @property
    def held_bytes(self) -> int:
        """`response_buffering` as a number; 0: nothing is held."""
        held = self.response_buffering
        return HELD * held if isinstance(held, bool) else Size.parse(held)

    @property
    def upstreams(self) -> tuple[str, ...]:
        """The names of those that its requests go to: that of `to` or `else_to`, or those of `split`."""
        names = tuple(self.split.to) if self.split is not None else (self.to, self.else_to)
        return tuple(name for name in names if name is not None)

    @property
    def beside_files(self) -> tuple[str, ...]:
        """The upstreams that get what is no file: that of `else_to`, the one that is asked where it fails, and the one
        that gets copies."""
        others = (self.failover, self.mirror)
        names = (self.else_to, *(other.to for other in others if other is not None))
        return tuple(name for name in names if name is not None)
