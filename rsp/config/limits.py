"""The schema of timeouts and limits: for all, for a listener, for a route.  Part of ``schema``: the same rules hold."""

from typing import Annotated, Final

from msgspec import Meta

from rsp.config.struct import Count, Struct
from rsp.config.units import Duration, Size


class Timeouts(Struct, frozen=True):
    """Timeouts. They are precise to one second. `response`, `read`, `body`, `request` and `connect` are never
    early."""

    head: Annotated[
        Duration | None,
        Meta(description="Time for a request head to arrive, from its first byte. After that the client gets 408."),
    ] = None
    handshake: Annotated[
        Duration | None,
        Meta(description="Time for a TLS handshake with a client or a peer. After that the connection is closed."),
    ] = None
    body: Annotated[
        Duration | None,
        Meta(
            description="Time between two reads of a request body. After that the client gets 408. See also "
            "`limits.min_rate`."
        ),
    ] = None
    idle: Annotated[
        Duration | None,
        Meta(
            description="Time for the next request on an open client connection. After that the connection is closed."
        ),
    ] = None
    connect: Annotated[
        Duration | None,
        Meta(
            description="Time to connect to a peer. After that the next peer is tried; if none is "
            "left, the client gets 504."
        ),
    ] = None
    response: Annotated[
        Duration | None, Meta(description="Time until the response head of a peer. After that the client gets 504.")
    ] = None
    read: Annotated[
        Duration | None,
        Meta(description="Time between two reads of a response body. After that the connection is closed."),
    ] = None
    send: Annotated[
        Duration | None,
        Meta(
            description="Time during which a client may read a response more slowly than `limits.min_rate`. After "
            "that the connection is closed."
        ),
    ] = None
    half_close: Annotated[
        Duration | None,
        Meta(
            description="Time during which a request continues without anything to send, once the client has closed "
            "its sending side. After that the request ends with status 499, up to a second late. `0`: no "
            "limit."
        ),
    ] = None
    request: Annotated[
        Duration | None,
        Meta(
            description="Time for a whole request, from its head to the end of the response. After that the client "
            "gets 504, or the connection is closed if the response has begun. `0`: no limit."
        ),
    ] = None
    tunnel: Annotated[
        Duration | None,
        Meta(
            description="Idle timeout of an upgraded connection, and of a gRPC call, where it replaces `body` and "
            "`read`. After that the connection is closed."
        ),
    ] = None
    keepalive: Annotated[Duration | None, Meta(description="Idle timeout of a connection to a peer.")] = None
    shutdown: Annotated[
        Duration | None,
        Meta(
            description="Time for running requests to finish when rsp or a worker stops. After "
            "that their connections are closed."
        ),
    ] = None


class Limits(Struct, frozen=True):
    """Largest sizes and numbers."""

    line: Annotated[Size | None, Meta(description="Largest request line. A longer line gets 414.")] = None
    head: Annotated[
        Size | None, Meta(description="Largest head. A larger request head gets 431, a larger response head 502.")
    ] = None
    fields: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Number of header fields in a head. A request with more "
            "gets 431, a response with more becomes 502."
        ),
    ] = None
    body: Annotated[Size | None, Meta(description="Largest request body. A larger body gets 413. `0`: no limit.")] = (
        None
    )
    min_rate: Annotated[
        Size | None,
        Meta(
            description="Lowest average rate, in bytes a second, at which a client must send a body that has a "
            "length, or read a response. `0`: no lower limit."
        ),
    ] = None
    buffer: Annotated[
        Size | None,
        Meta(
            description="Bytes that are buffered for a slow peer or client before reading from the other side pauses."
        ),
    ] = None
    connections: Annotated[
        Count | None,
        Meta(
            description="Client connections of each worker. Further connections get 503. `0`: as many as the limit of "
            "open files allows, which is also the upper bound."
        ),
    ] = None
    per_client: Annotated[
        Count | None,
        Meta(
            description="Connections from one client address to each worker, except from `trusted` addresses. "
            "Further ones get 503. `0`: no limit."
        ),
    ] = None
    temp: Annotated[
        Size | None,
        Meta(
            description="Size of the temporary files of all workers together, which hold bodies for "
            "`request_buffering` and `response_buffering`. Above it, requests get 503, and less of the "
            "responses is buffered."
        ),
    ] = None
    streams: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="Concurrent requests on one HTTP/2 connection. Further ones are refused with REFUSED_STREAM."),
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
