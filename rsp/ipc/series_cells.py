"""The cells of the sheet's blocks: what is counted for each route, upstream and listener.

Rules of this room: plain integers, and no .pxd beside it; compiled modules import them and declare them ``cdef int``.
A line is a metric: its name for Prometheus, and what it means.
"""

from typing import Final

from rsp.ipc.families import Family

# Bounds of buckets, the same for all, so that they can be added up.
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BYTES: Final = (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
_MICROSECONDS: Final = 1_000_000
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")

ROUTE: Final = Family("route", "route", "upstream")
ROUTE_STATUS: Final = ROUTE.counters("rsp_requests", "Requests that have ended.", "status_class", *_CLASSES)
ROUTE_SENT: Final = ROUTE.counter("rsp_response_bytes", "Bytes of response bodies sent to clients.", "bytes")
ROUTE_RECEIVED: Final = ROUTE.counter("rsp_request_bytes", "Bytes of request bodies received from clients.", "bytes")

LISTENER: Final = Family("listener", "listener")
LISTENER_ACCEPTED: Final = LISTENER.counter(
    "rsp_listener_connections", "Client connections accepted, over TLS those whose handshake is complete."
)
LISTENER_STATUS: Final = LISTENER.counters(
    "rsp_listener_requests", "Requests that have ended.", "status_class", *_CLASSES
)
LISTENER_VERSION: Final = LISTENER.counters(
    "rsp_http_requests", "Requests by version of HTTP; unreadable ones not.", "version", "1.0", "1.1", "2"
)
LISTENER_TLS: Final = LISTENER.counters(
    "rsp_tls_handshakes", "TLS handshakes that are complete.", "version", "1.2", "1.3", "other"
)
LISTENER_RESUMED: Final = LISTENER.counter(
    "rsp_tls_resumptions", "TLS handshakes that resumed a session, of those that are complete."
)
LISTENER_FAILED: Final = LISTENER.counter("rsp_tls_handshake_failures", "TLS handshakes that have failed.")
LISTENER_HTTP2: Final = LISTENER.counter(
    "rsp_http2_connections", "Client connections that speak HTTP/2, of those accepted."
)

UPSTREAM: Final = Family("upstream", "upstream")
TIMES_DURATION: Final = UPSTREAM.histogram(
    "rsp_upstream_duration_seconds",
    "Time from the choice of a peer to the end of the response, retries and waiting included.",
    SECONDS,
    "seconds",
    _MICROSECONDS,
)
TIMES_FIRST_BYTE: Final = UPSTREAM.histogram(
    "rsp_upstream_first_byte_seconds",
    "Time from the choice of a peer to the head of the response, retries and waiting included.",
    SECONDS,
    "seconds",
    _MICROSECONDS,
)
TIMES_CONNECT: Final = UPSTREAM.histogram(
    "rsp_upstream_connect_seconds",
    "Time to connect, TLS handshake included, of requests that did not find an idle connection.",
    SECONDS,
    "seconds",
    _MICROSECONDS,
)
TIMES_SIZE: Final = UPSTREAM.histogram(
    "rsp_upstream_response_size_bytes", "Size of the response's body as sent to the client.", BYTES, "bytes"
)

# Those of routes with metrics = true: cells as those of an upstream.
ROUTE_TIMES: Final = Family("route_times", "route")
ROUTE_TIMES.histogram(
    "rsp_route_duration_seconds",
    "Time from a request's head to the end of the response.",
    SECONDS,
    "seconds",
    _MICROSECONDS,
)
ROUTE_TIMES.histogram(
    "rsp_route_first_byte_seconds",
    "Time from a request's head to the head of the peer's response.",
    SECONDS,
    "seconds",
    _MICROSECONDS,
)
ROUTE_TIMES.histogram(
    "rsp_route_connect_seconds",
    "Time to connect, TLS handshake included, of requests that did not find an idle connection.",
    SECONDS,
    "seconds",
    _MICROSECONDS,
)
ROUTE_TIMES.histogram(
    "rsp_route_response_size_bytes", "Size of the response's body as sent to the client.", BYTES, "bytes"
)

FAMILIES: Final = {family.name: family for family in (ROUTE, LISTENER, UPSTREAM, ROUTE_TIMES)}
