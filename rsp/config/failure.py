"""The schema of what an upstream does about peers that fail: ejection, health checks, retries and hedging.

Part of ``schema``: the same rules hold.
"""

from typing import Annotated, Literal

from msgspec import Meta

from rsp.config.struct import Items, Struct, Text, UrlPath
from rsp.config.units import Duration, Size


class Failures(Struct, frozen=True):
    """Passive health checks: a peer is ejected after failures of real requests.

    A failure is no connection, no response in time, or an incomplete response. When the ejection ends, one request is
    sent as a test: a response brings the peer back, a failure doubles the ejection time.
    """

    count: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Number of consecutive failures, counted over all workers, "
            "that eject a peer. `0`: never eject.",
        ),
    ] = 3
    within: Annotated[Duration, Meta(description="Failures older than this are not counted.")] = Duration(10)
    out: Annotated[Duration, Meta(description="Length of the first ejection.")] = Duration(1)
    longest: Annotated[Duration, Meta(description="Longest ejection.")] = Duration(60)
    share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Largest share of the peers that may be ejected at the same time, from 0 to 1. "
            "At least one peer always stays.",
        ),
    ] = 1.0


class Outliers(Struct, frozen=True):
    """Outlier detection: a peer that does worse than the other peers of the upstream is ejected.

    Requests are counted over all workers.
    """

    errors: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of responses with status 500 or above at which a peer is ejected, "
            "from 0 to 1. `0`: do not compare errors.",
        ),
    ] = 0.3
    latency: Annotated[
        float,
        Meta(
            ge=0,
            description="Eject a peer whose median time to the response head is this many times the median of "
            "the other peers. `0`: do not compare latency.",
        ),
    ] = 5.0
    interval: Annotated[Duration, Meta(description="Length of the time window over which peers are compared.")] = (
        Duration(10)
    )
    requests: Annotated[int, Meta(ge=1, description="Peers with fewer requests in the interval are not evaluated.")] = (
        20
    )
    out: Annotated[
        Duration, Meta(description="Length of the first ejection. Each further ejection is twice as long.")
    ] = Duration(10)
    longest: Annotated[Duration, Meta(description="Longest ejection.")] = Duration(300)
    share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Largest share of the peers that may be ejected at the same time, from 0 "
            "to 1. At least one peer always stays.",
        ),
    ] = 0.5


class Health(Struct, frozen=True):
    """Active health checks. The control process makes them once for the whole instance."""

    type: Annotated[
        Literal["http", "tcp", "grpc"],
        Meta(
            description="Type of the check. `http`: a request; `tcp`: a connection is enough; `grpc`: the gRPC "
            "health checking protocol, `grpc.health.v1`."
        ),
    ] = "http"
    service: Annotated[
        str, Meta(description="With `grpc`: name of the service that must be SERVING. Default: the server as a whole.")
    ] = ""
    path: Annotated[UrlPath, Meta(description="Path of the request.")] = "/"
    method: Annotated[Literal["GET", "HEAD", "OPTIONS"], Meta(description="Method of the request.")] = "GET"
    host: Annotated[Text | None, Meta(description="Host of the request. Default: the address of the peer.")] = None
    status: Annotated[
        int | str | Annotated[tuple[int | str, ...], Items],
        Meta(description='Response statuses that pass the check: `200`, `"200-299"`, or `{ 200, "300-399" }`.'),
    ] = "200-399"
    body: Annotated[Text | None, Meta(description="Text that the first 64 KB of the response body must contain.")] = (
        None
    )
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="Port for the checks. Default: the port of the peer."),
    ] = None
    tls: Annotated[
        bool | None,
        Meta(
            description="Whether checks use TLS. Default: as the upstream, with the same verification. `true` for an "
            "upstream without `tls`: TLS without verification."
        ),
    ] = None
    interval: Annotated[Duration, Meta(description="Time between two checks of a peer, varied by up to 10 %.")] = (
        Duration(5)
    )
    timeout: Annotated[Duration, Meta(description="Timeout for one check as a whole.")] = Duration(2)
    rise: Annotated[
        int, Meta(ge=1, le=1000, description="Consecutive passed checks after which a peer is up again.")
    ] = 2
    fall: Annotated[int, Meta(ge=1, le=1000, description="Consecutive failed checks after which a peer is down.")] = 3
    panic: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Panic threshold, from 0 to 1: while fewer than this share of the peers are up, requests "
            "also go to peers that respond to checks but fail them.",
        ),
    ] = 0.5


class Retry(Struct, frozen=True):
    """When a failed request is sent to another peer.

    That is the case if no part of it has been sent, or if it is idempotent and no response has begun.
    """

    on: Annotated[
        tuple[Literal[500, 502, 503, 504, 429], ...],
        Meta(
            description="Response statuses after which an idempotent request is retried on another peer: `{ 502, "
            "503, 504 }`."
        ),
    ] = ()
    on_grpc: Annotated[
        tuple[
            Literal[
                "aborted", "cancelled", "deadline_exceeded", "internal", "resource_exhausted", "unavailable", "unknown"
            ],
            ...,
        ],
        Meta(
            description='gRPC statuses after which a call is retried on another peer: `{ "unavailable" }`. Applies '
            "to responses without a message only; see [grpc.md](grpc.md#retries)."
        ),
    ] = ()
    tries: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Largest number of peers that are tried for one request. `0`: all peers, at most 1,000.",
        ),
    ] = 0
    budget: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Retry budget: largest share of the requests of the last 10 s that may be retried after they "
            "have been sent, from 0 to 1. 10 retries a second are always allowed. `0`: no such retries.",
        ),
    ] = 0.2
    body: Annotated[
        Size,
        Meta(
            description="Largest request body that is kept for a retry. A request with a larger "
            "body is not retried once its body has been sent."
        ),
    ] = Size(64 << 10)


class Hedge(Struct, frozen=True):
    """Hedging: a second request is sent to another peer when the first takes long, and the first response wins.

    For safe methods only.
    """

    percentile: Annotated[
        float,
        Meta(
            gt=0, lt=100, description="Hedge once a request has taken longer than this percentile of recent responses."
        ),
    ] = 95.0
    after: Annotated[
        Duration | None, Meta(description="Hedge once a request has taken longer than this. Replaces `percentile`.")
    ] = None
