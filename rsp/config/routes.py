"""The schema of a route: which requests it is for, what becomes of them, and what they pass on the way.

Part of ``schema``: the same rules hold.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

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
from rsp.config.struct import Struct, Text, UrlPath
from rsp.config.tls import Hsts
from rsp.config.units import Function, Network, Size

HELD: Final = 64 << 20  # bytes, where `response_buffering` is true


class HeaderRules(Struct, frozen=True):
    """Changes to the fields of a message, in this order."""

    remove: Annotated[tuple[str, ...], Meta(description='Names: `{ "Cookie", "X-Debug" }`.')] = ()
    set: Annotated[
        dict[str, str],
        Meta(
            description='Replaces what was there: `{ ["X-Env"] = "live", ["X-Client"] = "{client}" }`. See '
            "[values](values.md)."
        ),
    ] = msgspec.field(default_factory=dict)
    add: Annotated[dict[str, str], Meta(description="Comes in addition to what was there.")] = msgspec.field(
        default_factory=dict
    )


class ResponseRules(HeaderRules, frozen=True):
    """Changes to the fields of a message, in this order."""

    own: Annotated[
        bool,
        Meta(description="Of `response_headers`: whether they apply to rsp's own answers as well, errors included."),
    ] = True


class Redirect(Struct, frozen=True):
    """An answer that sends the client elsewhere."""

    to: Annotated[
        str,
        Meta(
            min_length=1,
            description="URL, or path on the same host, with [placeholders](values.md): "
            "`https://www.example.com{path}`. The request's query is kept unless there is a `?`, `{query}` or `{uri}`.",
        ),
    ]
    status: Annotated[Literal[301, 302, 303, 307, 308], Meta(description="301 and 308 are for good.")] = 302


class Respond(Struct, frozen=True):
    """An answer by rsp itself."""

    status: Annotated[int, Meta(ge=200, le=599, description="Status code.")] = 200
    body: Annotated[str, Meta(description="Body, with [placeholders](values.md).")] = ""
    type: Annotated[str, Meta(description="Content-Type.")] = "text/plain; charset=utf-8"
    headers: Annotated[dict[str, str], Meta(description="More fields, with [placeholders](values.md).")] = (
        msgspec.field(default_factory=dict)
    )


class Route(Struct, frozen=True):
    """Which requests go where: the most specific host wins, then `exact`, `regex` in order, the longest `path`."""

    to: Annotated[str | None, Meta(description="Name of the upstream that answers.")] = None
    redirect: Annotated[
        str | Redirect | None, Meta(description='Instead of `to`: a URL, or `{ to = "...", status = 308 }`.')
    ] = None
    respond: Annotated[Respond | None, Meta(description='Instead of `to`: `{ status = 410, body = "gone" }`.')] = None
    split: Annotated[
        Split | None, Meta(description="Instead of `to`: shares of the clients or requests for several upstreams.")
    ] = None
    files: Annotated[
        str | Files | None,
        Meta(
            description='Instead of `to`: a directory whose files are served, `"/srv/www"`, or a table. `path` is '
            "taken off before the file is looked up; with `exact` or `regex` nothing is. See [files.md](files.md)."
        ),
    ] = None
    fallback: Annotated[
        UrlPath | None,
        Meta(
            description="With `files`: the file that is served, with status 200, for paths without a file: "
            '`"/index.html"`.'
        ),
    ] = None
    else_to: Annotated[
        Text | None,
        Meta(
            description="With `files`: the upstream for paths without a file and for methods other than GET and HEAD; "
            "it gets the path unchanged. Without it they are answered 404 and 405."
        ),
    ] = None
    host: Annotated[
        str | Annotated[tuple[Text, ...], Meta(min_length=1)] | None,
        Meta(
            description="A host name, `*.example.com` (any depth of subdomain) or `app.*` (any domain), without a "
            "port, or a list of them. Without it: every host."
        ),
    ] = None
    path: Annotated[
        str,
        Meta(
            pattern="^/",
            description="The path and all below it: `/api` covers `/api` and `/api/x`, not `/apifoo`; `/api/` covers "
            "what begins with it. Compared with the normalised path as well. `*` stands for nothing.",
        ),
    ] = "/"
    exact: Annotated[
        UrlPath | None, Meta(description="Instead of `path`: this path alone. It goes before all others.")
    ] = None
    regex: Annotated[
        Text | None,
        Meta(
            description="Instead of `path`: a regular expression (RE2), searched for in the path; what its groups find "
            "is `{1}`, or `{name}` for `(?P<name>...)`. In order of declaration, behind `exact`, before `path`."
        ),
    ] = None
    slash: Annotated[
        Literal["redirect"] | None,
        Meta(description='`"redirect"`: with `path = "/docs"`, `/docs` is redirected to `/docs/`, with its query.'),
    ] = None
    methods: Annotated[
        Annotated[tuple[Text, ...], Meta(min_length=1)] | None,
        Meta(description='Only these methods: `{ "GET", "POST" }`. GET includes HEAD.'),
    ] = None
    headers: Annotated[
        dict[str, str | bool],
        Meta(
            description='Only requests with these fields: `{ ["X-Beta"] = "1" }`; true: whatever the value; false: '
            "only requests without the field."
        ),
    ] = msgspec.field(default_factory=dict)
    query: Annotated[
        dict[str, str | bool],
        Meta(
            description='Only requests with these parameters in the query, decoded: `{ v = "2" }`; true: whatever the '
            "value; false: only requests without the parameter."
        ),
    ] = msgspec.field(default_factory=dict)
    client: Annotated[
        Annotated[tuple[Network, ...], Meta(min_length=1)] | None,
        Meta(description='Only these clients: `{ "10.0.0.0/8" }`. See `trusted`.'),
    ] = None
    client_ca: Annotated[
        Text | None,
        Meta(
            description="PEM file with the authorities that a client's certificate has to come from (mTLS). It belongs "
            "to the host: all routes of one host name the same. Over plain HTTP: 403; on a connection that was not "
            "verified by it: 421."
        ),
    ] = None
    client_crl: Annotated[
        Text | None,
        Meta(
            description="PEM file with revocation lists for `client_ca`. Certificates of authorities without a current "
            "list are refused."
        ),
    ] = None
    client_verify: Annotated[
        Literal["required", "optional"],
        Meta(description="`optional`: clients without a certificate are served as well; a wrong one is refused."),
    ] = "required"
    hsts: Annotated[bool | str | Hsts | None, Meta(description="Overrides `hsts`.")] = None
    strip: Annotated[
        bool,
        Meta(
            description="Take `path` off before the request goes to the peer, which gets it as X-Forwarded-Prefix. See "
            "[values](values.md#change-the-path-that-peers-see)."
        ),
    ] = False
    rewrite: Annotated[
        Text | None,
        Meta(
            description="What peers are asked for in the place of `path`, or of the whole path with `exact`, `regex`, "
            "`{path}` or `{uri}`: `/v2`, `/users/{1}`. See [values](values.md#change-the-path-that-peers-see)."
        ),
    ] = None
    rewrite_location: Annotated[
        bool,
        Meta(
            description="With `strip` or `rewrite`: Location, Content-Location, Refresh and the paths and domains of "
            "cookies in responses are mapped back."
        ),
    ] = False
    first: Annotated[
        bool, Meta(description="Of `path`: where it is the longest, it goes before every `regex` (nginx: `^~`).")
    ] = False
    send_host: Annotated[Text | None, Meta(description="The Host that the peer sees. Default: the client's.")] = None
    request_headers: Annotated[HeaderRules | None, Meta(description="Changes to the request for the peer.")] = None
    response_headers: Annotated[ResponseRules | None, Meta(description="Changes to the response for the client.")] = (
        None
    )
    allow: Annotated[
        str | Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(
            description='Clients that are served: `"10.0.0.0/8"`, `"file:office.txt"`, or a list. Others: 403. See '
            "[access.md](access.md)."
        ),
    ] = None
    deny: Annotated[str | tuple[str, ...], Meta(description="Clients that get 403, as in `allow`; it wins.")] = ()
    country: Annotated[
        Country | None, Meta(description="Clients by country, from a MaxMind database, beside `allow` and `deny`.")
    ] = None
    auth: Annotated[
        Auth | None, Meta(description="Authentication: by a password, by a token, or by another service.")
    ] = None
    any: Annotated[
        bool, Meta(description="One of `allow`, `country` and `auth` is enough; else all that are there have to hold.")
    ] = False
    rate_limit: Annotated[
        RateLimit | tuple[RateLimit, ...] | None,
        Meta(description="Requests in a time, over all workers. A list: each has to hold."),
    ] = None
    concurrency: Annotated[
        Concurrency | tuple[Concurrency, ...] | None,
        Meta(description="Requests at a time, over all workers. A list: each has to hold."),
    ] = None
    bandwidth: Annotated[Bandwidth | None, Meta(description="Bytes of bodies a second.")] = None
    cors: Annotated[Cors | None, Meta(description="What pages of other origins may do.")] = None
    security_headers: Annotated[
        bool | SecurityHeaders | None, Meta(description="Fields that make browsers careful: true, or a table.")
    ] = None
    request_buffering: Annotated[
        bool,
        Meta(
            description="Take a request's whole body before a peer is asked: in memory up to `limits.buffer`, beyond "
            "that in a temporary file. Calls of gRPC and upgrades are passed on as they come."
        ),
    ] = False
    response_buffering: Annotated[
        bool | int | str,  # msgspec has no union of Size with others
        Meta(
            description='How much of a response is taken from the peer for a client that reads slowly: `"64MB"`, or '
            "true for as much. Beyond `limits.buffer` it waits in a temporary file. Nothing is delayed by it."
        ),
    ] = False
    compress: Annotated[
        bool | Compress | None, Meta(description="Overrides `compress`. See [compression.md](compression.md).")
    ] = None
    mirror: Annotated[Mirror | None, Meta(description="Copies of requests for another upstream.")] = None
    failover: Annotated[Failover | None, Meta(description="Another upstream, where this one fails.")] = None
    maintenance: Annotated[
        bool | Text,
        Meta(description='True, or `"file:/run/maintenance"`: as long as that file exists, the answer is 503.'),
    ] = False
    fault: Annotated[Fault | None, Meta(description="Delays and errors on purpose, to see what clients do.")] = None
    timeouts: Annotated[
        Timeouts | None,
        Meta(description="Overrides `body`, `connect`, `response`, `read`, `send`, `half_close`, `request`, `tunnel`."),
    ] = None
    limits: Annotated[Limits | None, Meta(description="Overrides `body` and `min_rate`.")] = None
    name: Annotated[
        Text | None,
        Meta(description="Name in metrics and logs. Default: host and path as written, `#2` for a second one."),
    ] = None
    metrics: Annotated[
        bool, Meta(description="Whether the route has histograms of its own in [metrics](metrics.md).")
    ] = False
    access_log: Annotated[
        Text | AccessLog | tuple[Text | AccessLog, ...] | None, Meta(description="Overrides `access_log`.")
    ] = None
    on_request: Annotated[
        Function | None, Meta(description="Hook, `function(req)`; see [lua.md](lua.md) for all of them.")
    ] = None
    on_upstream: Annotated[Function | None, Meta(description="Hook, `function(req, peers)`.")] = None
    on_response: Annotated[Function | None, Meta(description="Hook, `function(req, res)`.")] = None
    on_error: Annotated[Function | None, Meta(description="Hook, `function(req, err)`.")] = None
    on_log: Annotated[Function | None, Meta(description="Hook, `function(req, res)`.")] = None
    fail_open: Annotated[bool | None, Meta(description="Overrides `lua.fail_open`.")] = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host` as a list; empty: every host."""
        return (self.host,) if isinstance(self.host, str) else self.host or ()

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
