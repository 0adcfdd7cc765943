"""The schema of what requests pass on their way: access, limits, and what else a route says in a line.

Part of ``schema``: the same rules hold.  ``docs/filters.md`` has the order in which requests pass them.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rsp.config.struct import Struct, Text, UrlPath
from rsp.config.tls import Hsts
from rsp.config.units import Duration, Size

Share = Annotated[float, Meta(ge=0, le=1)]


class Jwt(Struct, frozen=True):
    """A signed token (JWT, RFC 7519) in `Authorization: Bearer`. It needs `exp`; `nbf` and `iat` count if present."""

    jwks: Annotated[
        Text,
        Meta(description='The issuer\'s keys (JWKS): `"https://id.example.com/jwks.json"`, or `"file:keys.json"`.'),
    ]
    issuer: Annotated[Text | None, Meta(description="What `iss` has to be. Default: anything.")] = None
    audience: Annotated[
        Text | tuple[Text, ...] | None,
        Meta(description="What `aud` has to be or to have, or a list of which it has to have one. Default: anything."),
    ] = None
    claims: Annotated[
        dict[str, str | int | bool | tuple[str, ...]],
        Meta(
            description='What other claims have to be: `{ role = "admin" }`, or have, where they are lists; of a list '
            '`{ role = { "admin", "staff" } }`, one. A dot leads into a table: `["realm.roles"]`. Otherwise: 403.'
        ),
    ] = msgspec.field(default_factory=dict)
    algorithms: Annotated[
        tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...],
        Meta(min_length=1, description="Signatures that are accepted, whatever else a token or a key says."),
    ] = ("RS256", "ES256", "EdDSA")
    leeway: Annotated[
        Duration,
        Meta(
            description="How far the issuer's clock may be off, for `exp`, `nbf`, `iat`. The last two have 10 seconds "
            "in any case."
        ),
    ] = Duration(0)
    refresh: Annotated[Duration, Meta(description="How often the keys are fetched again.")] = Duration(300)
    ca: Annotated[
        Text | None,
        Meta(description="PEM file with the authorities of the server that has the keys. Default: the system's."),
    ] = None

    @property
    def source(self) -> str:
        """What its keys are known by, from the control process to the workers."""
        return self.jwks if self.ca is None else f"{self.jwks} {self.ca}"


class Auth(Struct, frozen=True):
    """Which requests are served: one of `basic`, `forward` and `jwt` says it."""

    basic: Annotated[
        Text | None,
        Meta(
            description="File with users and hashed passwords (htpasswd): bcrypt, argon2, sha512-crypt or apr1. It is "
            "read again when it changes."
        ),
    ] = None
    realm: Annotated[Text, Meta(description="Name of the protected area, which browsers may show.")] = "restricted"
    forward: Annotated[
        Text | None,
        Meta(
            description="Name of the upstream that is asked for each request. See [forward-auth.md](forward-auth.md)."
        ),
    ] = None
    path: Annotated[UrlPath, Meta(description="With `forward`: what it is asked for, with or without a query.")] = "/"
    copy: Annotated[
        tuple[Text, ...],
        Meta(
            description="With `forward`: fields of its answer that the peer gets. A client's own fields of these names "
            "are always removed, in every spelling."
        ),
    ] = ()
    style: Annotated[
        Literal["forward", "auth_request"],
        Meta(
            description="With `forward`: `forward` passes every answer but 2xx on to the client (Traefik, Caddy); "
            "`auth_request` takes 401 and 403 as they are meant, and every other one for an error (nginx)."
        ),
    ] = "forward"
    jwt: Annotated[Jwt | None, Meta(description="Tokens of an identity provider.")] = None


class Country(Struct, frozen=True):
    """Clients by country (ISO 3166-1: `DE`); those that the file does not know are in none."""

    file: Annotated[
        Text,
        Meta(
            description="MaxMind database (mmdb) with countries, GeoLite2-Country for example; read again when it "
            "changes."
        ),
    ]
    allow: Annotated[
        Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(description='Only clients in these are served: `{ "DE" }`.'),
    ] = None
    deny: Annotated[tuple[str, ...], Meta(description="Clients in these get 403; it wins over every `allow`.")] = ()


class RateLimit(Struct, frozen=True):
    """Requests in a time: a bucket for each key that all workers share. Answers have RateLimit fields."""

    rate: Annotated[
        Text,
        Meta(description='`"10r/s"`, `"300r/m"`, `"1000r/h"`, `"50r/d"`: one request each 0.1 s, 0.2 s, and so on.'),
    ]
    key: Annotated[
        Text,
        Meta(
            description="Requests for which this text is the same share a bucket; it has [placeholders](values.md). "
            "`{client}` is the client's address, of IPv6 its network of 64 bits."
        ),
    ] = "{client}"
    burst: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Requests above the rate that pass at once. No request waits.")
    ] = 0
    status: Annotated[
        int, Meta(ge=400, le=599, description="Status of the answer to requests above the limit, with Retry-After.")
    ] = 429
    cluster: Annotated[
        Text | bool,
        Meta(
            description="One limit for several instances, which count in this Redis: the name of a `store`, or its "
            "URL; true: the only `store` of the file. See [many-nodes.md](many-nodes.md#limits)."
        ),
    ] = False


class Concurrency(Struct, frozen=True):
    """Requests at a time with one key, over all workers; an upgraded connection is one as long as it is open."""

    max: Annotated[int, Meta(ge=1, le=1_000_000, description="Most requests that run at a time.")]
    key: Annotated[
        Text,
        Meta(description="Requests for which this text is the same are counted together, as in `rate_limit`."),
    ] = "{client}"
    status: Annotated[int, Meta(ge=400, le=599, description="Status of the answer to requests above the limit.")] = 503


class Bandwidth(Struct, frozen=True):
    """How fast bodies of requests and responses may go."""

    down: Annotated[Size | None, Meta(description="Bytes of response bodies a second.")] = None
    up: Annotated[Size | None, Meta(description="Bytes of request bodies a second.")] = None
    key: Annotated[
        Text | None,
        Meta(
            description="Requests for which this text is the same share the rate, over all workers; it has "
            "[placeholders](values.md). Default: each request has the rate for itself."
        ),
    ] = None


class Cors(Struct, frozen=True):
    """What pages of other origins may do (CORS). Preflights are answered, all responses of the route are marked."""

    origins: Annotated[
        tuple[Text, ...],
        Meta(
            min_length=1,
            description='Whose pages may read responses: `{ "https://app.example.com", "https://*.example.org" }`, '
            'or `{ "*" }` for all.',
        ),
    ]
    methods: Annotated[
        tuple[Text, ...],
        Meta(description='Methods that they may use: `{ "PUT", "DELETE" }`. GET, HEAD and POST need no permission.'),
    ] = ()
    headers: Annotated[
        tuple[Text, ...],
        Meta(description='Request fields that they may set: `{ "Authorization" }`, or `{ "*" }` for all.'),
    ] = ()
    expose: Annotated[
        tuple[Text, ...], Meta(description='Response fields that they may read, beside the usual ones: `{ "ETag" }`.')
    ] = ()
    credentials: Annotated[bool, Meta(description="Whether cookies and passwords may go along.")] = False
    max_age: Annotated[Duration, Meta(description="How long a browser may remember the answer to a preflight.")] = (
        Duration(600)
    )


class SecurityHeaders(Struct, frozen=True):
    """Fields that are set where a response does not have them. An empty text: that field is not set."""

    content_type_options: Annotated[str, Meta(description="X-Content-Type-Options.")] = "nosniff"
    frame_options: Annotated[str, Meta(description="X-Frame-Options.")] = "SAMEORIGIN"
    referrer_policy: Annotated[str, Meta(description="Referrer-Policy.")] = "strict-origin-when-cross-origin"
    content_security_policy: Annotated[str, Meta(description="Content-Security-Policy.")] = ""
    permissions_policy: Annotated[str, Meta(description="Permissions-Policy.")] = ""
    opener_policy: Annotated[str, Meta(description="Cross-Origin-Opener-Policy.")] = ""
    hsts: Annotated[
        bool | str | Hsts,
        Meta(
            description="Strict-Transport-Security, over TLS only: true for a year, without subdomains; a duration, or "
            "a table. The setting `hsts` goes before it."
        ),
    ] = True


class Mirror(Struct, frozen=True):
    """Copies of requests; what is answered to them is thrown away. See [traffic.md](traffic.md)."""

    to: Annotated[Text, Meta(description="Name of the upstream that gets them.")]
    share: Annotated[Share, Meta(description="Share of the requests that are copied, from 0 to 1.")] = 1.0
    body: Annotated[Size, Meta(description="Requests with a larger body are not copied.")] = Size(1 << 20)


class Split(Struct, frozen=True):
    """Shares for several upstreams."""

    to: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]],
        Meta(min_length=1, description="Upstreams and their weights: `{ a = 90, b = 10 }`."),
    ]
    sticky: Annotated[bool, Meta(description="A client stays where its first request went, by a cookie.")] = False


class Failover(Struct, frozen=True):
    """Another upstream, where this one fails, under the rules of `retry`."""

    to: Annotated[Text, Meta(description="Name of that upstream.")]
    on: Annotated[
        tuple[Literal[500, 502, 503, 504, 429, 404, 403], ...],
        Meta(min_length=1, description="Statuses, of a peer or of rsp in its place, after which it is asked."),
    ] = (502, 503, 504)


class Fault(Struct, frozen=True):
    """Delays and errors on purpose (fault injection)."""

    delay: Annotated[Duration, Meta(description="How long requests wait.")] = Duration(0)
    abort: Annotated[
        Annotated[int, Meta(ge=400, le=599)] | None,
        Meta(description="Status of the answer, instead of the peer's; after `delay`."),
    ] = None
    share: Annotated[Share, Meta(description="Share of the requests that are affected, from 0 to 1.")] = 1.0
