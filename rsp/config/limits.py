"""The schema of timeouts and limits: for all, for a listener, for a route.  Part of ``schema``: the same rules hold."""

from typing import Annotated, Final

from msgspec import Meta

from rsp.config.struct import Count, Struct
from rsp.config.units import Duration, Size


class Timeouts(Struct, frozen=True):
    """How long to wait for what. Precise to a second."""

    head: Annotated[Duration | None, Meta(description="For a request's whole head, from its first byte. Then 408.")] = (
        None
    )
    handshake: Annotated[
        Duration | None,
        Meta(description="For a TLS handshake, of clients and of peers. Then the connection is closed."),
    ] = None
    body: Annotated[
        Duration | None,
        Meta(description="Between two reads of a request's body; see also `limits.min_rate`. Then 408."),
    ] = None
    idle: Annotated[Duration | None, Meta(description="For a client's next request on an open connection.")] = None
    connect: Annotated[
        Duration | None, Meta(description="For a connection to a peer. Then the next peer, at last 504.")
    ] = None
    response: Annotated[Duration | None, Meta(description="For a peer's response head. Then 504.")] = None
    read: Annotated[
        Duration | None, Meta(description="Between two reads of a response's body. Then the connection is cut.")
    ] = None
    send: Annotated[
        Duration | None,
        Meta(description="For a client that takes less of a response than `limits.min_rate`. Then it is cut."),
    ] = None
    half_close: Annotated[
        Duration | None,
        Meta(
            description="For something to send to a client that has closed its sending side; then it has left (499). "
            "Up to a second longer. 0: no limit."
        ),
    ] = None
    request: Annotated[
        Duration | None,
        Meta(description="For a whole exchange, from head to the response's end. Then 504, or the cut. 0: no limit."),
    ] = None
    tunnel: Annotated[
        Duration | None,
        Meta(
            description="Silence on an upgraded connection, and in a call of gRPC, where it stands in for `body` and "
            "`read`. Then it is cut."
        ),
    ] = None
    keepalive: Annotated[Duration | None, Meta(description="For an idle connection to a peer.")] = None
    shutdown: Annotated[
        Duration | None, Meta(description="For running requests when rsp or a worker stops. Then they are cut.")
    ] = None


class Limits(Struct, frozen=True):
    """How large things may be, and how many."""

    line: Annotated[Size | None, Meta(description="Request line. Longer: 414.")] = None
    head: Annotated[Size | None, Meta(description="A whole head, of requests (431) and responses (502).")] = None
    fields: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Fields in a head. More: 431, or 502 for responses.")
    ] = None
    body: Annotated[Size | None, Meta(description="Body of a request. Larger: 413. 0: no limit.")] = None
    min_rate: Annotated[
        Size | None,
        Meta(
            description="Bytes a second, on average, that a client must send of a body with a length, or take of a "
            "response. 0: none."
        ),
    ] = None
    buffer: Annotated[
        Size | None,
        Meta(description="Bytes held for a peer or client that reads slowly, before the other side is paused."),
    ] = None
    connections: Annotated[
        Count | None,
        Meta(description="Client connections of one worker. More: 503. 0, and at most: what its descriptors allow."),
    ] = None
    per_client: Annotated[
        Count | None,
        Meta(
            description="Connections of one client address to one worker, `trusted` ones aside. More: 503. 0: no limit."
        ),
    ] = None
    temp: Annotated[
        Size | None,
        Meta(
            description="Bytes in temporary files of all workers together, for bodies that `request_buffering` and "
            "`response_buffering` hold. Beyond it, requests get 503, and less is held of responses."
        ),
    ] = None
    streams: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="Requests at a time on one HTTP/2 connection. More are refused (REFUSED_STREAM)."),
    ] = None


DEFAULT_TIMEOUTS: Final = Timeouts(
    head=Duration(10), handshake=Duration(10), body=Duration(30), idle=Duration(75), connect=Duration(3),
    response=Duration(60), read=Duration(60), send=Duration(60), half_close=Duration(1), request=Duration(0),
    tunnel=Duration(3600), keepalive=Duration(60), shutdown=Duration(30),
)  # fmt: skip
DEFAULT_LIMITS: Final = Limits(
    line=Size(8 << 10), head=Size(32 << 10), fields=100, body=Size(0), min_rate=Size(100), buffer=Size(64 << 10),
    connections=0, per_client=0, streams=128, temp=Size(1 << 30),
)  # fmt: skip
# What is still ahead when the route is known; the rest is for listeners and for the whole instance.
ROUTE_TIMEOUTS: Final = frozenset(("body", "connect", "response", "read", "send", "half_close", "request", "tunnel"))
ROUTE_LIMITS: Final = frozenset(("body", "min_rate"))
