"""The schema of filters: access, authentication, limits, and other rules for the requests of a route.

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
    """A signed token (JWT, RFC 7519) in `Authorization:

    Bearer`. The claim `exp` is required; `nbf` and `iat` are checked if present.
    """

    jwks: Annotated[
        Text,
        Meta(
            description='Public keys of the issuer (JWKS): a URL such as `"https://id.example.com/jwks.json"`, or a '
            'file such as `"file:keys.json"`.'
        ),
    ]
    issuer: Annotated[Text | None, Meta(description="Required value of the claim `iss`. Default: any.")] = None
    audience: Annotated[
        Text | tuple[Text, ...] | None,
        Meta(
            description="Required value of the claim `aud`, which may be a list that contains it. For a list of "
            "values here, one of them is enough. Default: any."
        ),
    ] = None
    claims: Annotated[
        dict[str, str | int | bool | tuple[str, ...]],
        Meta(
            description='Required values of other claims: `{ role = "admin" }`. A claim that is a list must contain '
            'the value; for a list of values here, `{ role = { "admin", "staff" } }`, one of them is '
            'enough. A dot leads into a nested claim: `["realm.roles"]`. A token that does not match '
            "gets 403."
        ),
    ] = msgspec.field(default_factory=dict)
    algorithms: Annotated[
        tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...],
        Meta(
            min_length=1,
            description="Signature algorithms that are accepted, regardless of what the token or the key says.",
        ),
    ] = ("RS256", "ES256", "EdDSA")
    leeway: Annotated[
        Duration,
        Meta(
            description="Tolerance for clock differences in `exp`, `nbf` and `iat`. For `nbf` and `iat` it is at "
            "least 10 seconds."
        ),
    ] = Duration(0)
    refresh: Annotated[Duration, Meta(description="Time between two fetches of the keys.")] = Duration(300)
    ca: Annotated[
        Text | None,
        Meta(
            description="PEM file with the certificate authorities for the server in `jwks`. Default: those of the "
            "system."
        ),
    ] = None

    @property
    def source(self) -> str:
        """What its keys are known by, from the control process to the workers."""
        return self.jwks if self.ca is None else f"{self.jwks} {self.ca}"


class Auth(Struct, frozen=True):
    """Authentication of clients: exactly one of `basic`, `forward` and `jwt`."""

    basic: Annotated[
        Text | None,
        Meta(
            description="File with user names and hashed passwords (htpasswd): bcrypt, argon2, sha512-crypt or apr1. "
            "It is read again when it changes."
        ),
    ] = None
    realm: Annotated[Text, Meta(description="Name of the protected area, which browsers may show.")] = "restricted"
    forward: Annotated[
        Text | None,
        Meta(
            description="Name of the upstream that decides about each request (forward authentication). See "
            "[forward-auth.md](forward-auth.md)."
        ),
    ] = None
    path: Annotated[
        UrlPath, Meta(description="With `forward`: path of the request to that upstream, with or without a query.")
    ] = "/"
    copy: Annotated[
        tuple[Text, ...],
        Meta(
            description="With `forward`: fields of its response that are copied into the request to the peer. Fields "
            "with these names in the client's request are always removed, in every spelling."
        ),
    ] = ()
    style: Annotated[
        Literal["forward", "auth_request"],
        Meta(
            description="With `forward`: how responses other than 2xx are handled. `forward`: all are passed to the "
            "client (Traefik, Caddy); `auth_request`: 401 and 403 are passed, any other status is an "
            "error (nginx)."
        ),
    ] = "forward"
    jwt: Annotated[Jwt | None, Meta(description="Authentication by signed tokens (JWT) of an identity provider.")] = (
        None
    )


class Country(Struct, frozen=True):
    """Access by country of the client (ISO 3166-1 code such as `DE`).

    An address that the database does not contain has no country.
    """

    file: Annotated[
        Text,
        Meta(
            description="MaxMind database (mmdb) with countries, such as GeoLite2-Country. It is read again when it "
            "changes."
        ),
    ]
    allow: Annotated[
        Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(
            description='Countries whose clients are served: `{ "DE" }`. Clients from other countries get 403. '
            "Default: all."
        ),
    ] = None
    deny: Annotated[
        tuple[str, ...], Meta(description="Countries whose clients get 403. It takes precedence over every `allow`.")
    ] = ()


class RateLimit(Struct, frozen=True):
    """A rate limit: a bucket for each key, shared by all workers. Responses have RateLimit fields."""

    rate: Annotated[
        Text,
        Meta(
            description='Rate: `"10r/s"`, `"300r/m"`, `"1000r/h"` or `"50r/d"`. `"10r/s"` means one request every '
            "0.1 s."
        ),
    ]
    key: Annotated[
        Text,
        Meta(
            description="Requests with the same value of this text share a bucket. It may contain "
            "[placeholders](values.md). `{client}` is the client's IPv4 address, or the /64 network of "
            "its IPv6 address."
        ),
    ] = "{client}"
    burst: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Number of requests above the rate that pass at once. Requests are never delayed.",
        ),
    ] = 0
    status: Annotated[
        int,
        Meta(ge=400, le=599, description="Status for requests above the limit. The response has a Retry-After field."),
    ] = 429
    cluster: Annotated[
        Text | bool,
        Meta(
            description="One limit for several instances of rsp, counted in Redis: the name of a `store`, its URL, "
            "or `true` for the only `store` in the file. See [many-nodes.md](many-nodes.md#limits)."
        ),
    ] = False


class Concurrency(Struct, frozen=True):
    """A limit of concurrent requests with the same key, over all workers.

    An upgraded connection counts as one request for as long as it is open.
    """

    max: Annotated[int, Meta(ge=1, le=1_000_000, description="Largest number of concurrent requests.")]
    key: Annotated[
        Text,
        Meta(description="Requests with the same value of this text are counted together, as in `rate_limit`."),
    ] = "{client}"
    status: Annotated[int, Meta(ge=400, le=599, description="Status for requests above the limit.")] = 503


class Bandwidth(Struct, frozen=True):
    """Limits for the transfer rate of request and response bodies."""

    down: Annotated[Size | None, Meta(description="Rate of response bodies, in bytes a second. Default: no limit.")] = (
        None
    )
    up: Annotated[Size | None, Meta(description="Rate of request bodies, in bytes a second. Default: no limit.")] = None
    key: Annotated[
        Text | None,
        Meta(
            description="Requests with the same value of this text share the rate, over all workers. It may contain "
            "[placeholders](values.md). Default: each request has the whole rate."
        ),
    ] = None


class Cors(Struct, frozen=True):
    """Cross-origin resource sharing (CORS): what web pages of other origins may do. rsp answers preflight requests and
    adds the CORS fields to all responses of the route.
    """

    origins: Annotated[
        tuple[Text, ...],
        Meta(
            min_length=1,
            description='Origins whose pages may read responses: `{ "https://app.example.com", '
            '"https://*.example.org" }`, or `{ "*" }` for all.',
        ),
    ]
    methods: Annotated[
        tuple[Text, ...],
        Meta(
            description="Methods that pages may use in addition to GET, HEAD and POST, which are always allowed: `{ "
            '"PUT", "DELETE" }`.'
        ),
    ] = ()
    headers: Annotated[
        tuple[Text, ...],
        Meta(description='Request fields that pages may set: `{ "Authorization" }`, or `{ "*" }` for all.'),
    ] = ()
    expose: Annotated[
        tuple[Text, ...],
        Meta(description='Response fields that pages may read in addition to the safelisted ones: `{ "ETag" }`.'),
    ] = ()
    credentials: Annotated[bool, Meta(description="Whether pages may send cookies and passwords.")] = False
    max_age: Annotated[
        Duration, Meta(description="How long a browser may cache the response to a preflight request.")
    ] = Duration(600)


class SecurityHeaders(Struct, frozen=True):
    """Security header fields, which are set where a response does not have them. `""`: the field is not set."""

    content_type_options: Annotated[str, Meta(description="Value of X-Content-Type-Options.")] = "nosniff"
    frame_options: Annotated[str, Meta(description="X-Frame-Options.")] = "SAMEORIGIN"
    referrer_policy: Annotated[str, Meta(description="Referrer-Policy.")] = "strict-origin-when-cross-origin"
    content_security_policy: Annotated[str, Meta(description="Content-Security-Policy.")] = ""
    permissions_policy: Annotated[str, Meta(description="Permissions-Policy.")] = ""
    opener_policy: Annotated[str, Meta(description="Cross-Origin-Opener-Policy.")] = ""
    hsts: Annotated[
        bool | str | Hsts,
        Meta(
            description="Strict-Transport-Security, over TLS only: `true` (one year, without subdomains), a "
            "duration, or a table. The setting `hsts` takes precedence."
        ),
    ] = True


class Mirror(Struct, frozen=True):
    """Traffic mirroring: copies of requests are sent to another upstream, and its responses are discarded.

    See [traffic.md](traffic.md).
    """

    to: Annotated[Text, Meta(description="Name of the upstream that gets the copies.")]
    share: Annotated[Share, Meta(description="Share of the requests that are copied, from 0 to 1.")] = 1.0
    body: Annotated[Size, Meta(description="Requests with a larger body are not copied.")] = Size(1 << 20)


class Split(Struct, frozen=True):
    """A traffic split between several upstreams."""

    to: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]],
        Meta(min_length=1, description="Upstreams and their weights: `{ a = 90, b = 10 }`."),
    ]
    sticky: Annotated[
        bool, Meta(description="Whether a client stays with the upstream of its first request, by a cookie.")
    ] = False


class Failover(Struct, frozen=True):
    """Failover to another upstream when this one fails. The rules of `retry` apply."""

    to: Annotated[Text, Meta(description="Name of the other upstream.")]
    on: Annotated[
        tuple[Literal[500, 502, 503, 504, 429, 404, 403], ...],
        Meta(
            min_length=1,
            description="Statuses of a peer's response, or of rsp's own response in its place, after "
            "which the other upstream is used.",
        ),
    ] = (502, 503, 504)


class Fault(Struct, frozen=True):
    """Fault injection: delays and errors for tests."""

    delay: Annotated[Duration, Meta(description="How long requests are delayed.")] = Duration(0)
    abort: Annotated[
        Annotated[int, Meta(ge=400, le=599)] | None,
        Meta(
            description="Status of an error response that replaces the peer's. It is sent after `delay`. Default: "
            "no error."
        ),
    ] = None
    share: Annotated[Share, Meta(description="Share of the requests that are affected, from 0 to 1.")] = 1.0
