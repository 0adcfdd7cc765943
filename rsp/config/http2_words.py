"""Words for HTTP/2 that people bring from other programs, by where they stand, and what says the same in rsp."""

from typing import Final

import msgspec

from rsp.config import grpc_words
from rsp.config.limits import Limits
from rsp.config.routes import Route
from rsp.config.schema import Listener
from rsp.config.tls import Tls, UpstreamTls
from rsp.config.upstreams import Upstream, UpstreamPeer

HTTP2: Final = 'listen "0.0.0.0:443" { tls = true }: HTTP/2 is on there, http2 = false switches it off'
_CLEAR: Final = 'listen "0.0.0.0:8080" { http2 = "prior-knowledge" }'
_STREAMS: Final = "limits = { streams = 128 }"
_PUSH: Final = "rsp sends no server push, which browsers no longer support"
_PEERS: Final = 'in rsp: http = 2, or http = "auto" with tls; gRPC is http = 2'
_BESIDE: Final = "in rsp: http = 2 belongs to the upstream, beside its peers"
_PEER_STREAMS: Final = "in rsp: max_conns limits the requests to a peer; the peer sets the limit for a connection"
_WINDOWS: Final = "rsp adjusts HTTP/2 windows automatically"
_KEY: Final = 'in rsp: http2 = false, or "prior-knowledge" without TLS; with tls = true HTTP/2 is on'

_VERSIONS: Final = {
    **dict.fromkeys(("1.1", "1.0", "http/1.1", "http1", "h1", "1", "false"), "1"),
    **dict.fromkeys(("2", "2.0", "http/2", "http2", "h2", "h2c", "grpc", "true"), "2"),
    **dict.fromkeys(("auto", "alpn", "both", "any", "negotiate", "h2,http/1.1"), '"auto"'),
}

_LIMIT: Final = "in rsp: streams = 128"
_TOWARDS_PEERS: Final = ("http2", "h2", "h2c", "grpc", "alpn", "proto", "httpversion", "proxyhttpversion", "scheme")

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("http2", "h2", "alpn", "httpversion", "httpprotocols", "http2protocoloptions"), HTTP2),
    **dict.fromkeys(("h2c", "cleartexthttp2", "http2cleartext", "allowh2c"), _CLEAR),
    **dict.fromkeys(
        ("http2maxconcurrentstreams", "maxconcurrentstreams", "http2maxstreams", "h2maxconcurrentstreams", "streams"),
        _STREAMS,
    ),
    **dict.fromkeys(("http2idletimeout", "http2recvtimeout"), 'timeouts = { idle = "75s" }'),
    **dict.fromkeys(("http2maxfieldsize", "http2maxheadersize"), 'limits = { head = "32KB" }'),
    **dict.fromkeys(("http2bodypreread", "http2bodyprereadsize", "http2chunksize"), 'limits = { buffer = "64KB" }'),
    **dict.fromkeys(("http2recvbuffersize", "initialwindowsize", "initialstreamwindowsize"), _WINDOWS),
    "http2maxrequests": "rsp does not limit the number of requests on a connection",
    **dict.fromkeys(("proxyhttpversion", "upstreamhttpversion"), "http = 2 in an upstream"),
    **dict.fromkeys(("http2push", "http2pushpreload", "push", "http2maxconcurrentpushes"), _PUSH),
}

WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Listener: {
        **dict.fromkeys(("alpn", "protocols", "protocol", "proto", "h2", "httpversion", "http"), _KEY),
        **dict.fromkeys(("h2c", "allowh2c", "cleartext"), 'in rsp: http2 = "prior-knowledge"'),
        **dict.fromkeys(("maxconcurrentstreams", "http2maxconcurrentstreams", "streams"), f"in rsp: {_STREAMS}"),
        **dict.fromkeys(("http3", "quic", "h3"), "rsp does not speak HTTP/3 yet"),
    },
    Upstream: {
        **dict.fromkeys((*_TOWARDS_PEERS, "protocol", "protocols", "version", "versions", "transport"), _PEERS),
        **dict.fromkeys(("streams", "maxstreams", "maxconcurrentstreams", "http2maxconcurrentstreams"), _PEER_STREAMS),
        "ongrpc": 'in rsp: retry = { on_grpc = { "unavailable" } }',
    },
    UpstreamPeer: dict.fromkeys((*_TOWARDS_PEERS, "http", "protocol", "version"), _BESIDE),
    Route: dict.fromkeys((*_TOWARDS_PEERS, "http"), _BESIDE),
    UpstreamTls: dict.fromkeys(("alpn", "alpnprotocols", "nextprotos", "npn", "http", "http2"), _BESIDE),
    Limits: dict.fromkeys(("stream", "maxstreams", "maxconcurrentstreams", "http2maxconcurrentstreams"), _LIMIT),
    Tls: dict.fromkeys(("alpn", "alpnprotocols", "nextprotos", "npn"), f"in rsp: {HTTP2}"),
    **grpc_words.THERE,
}


def instead(key: str, given: object) -> str:
    """``"; write ..."`` where ``http2`` of a listener is something else than it can be, or ``""``."""
    if key != "http2" or isinstance(given, dict | list):
        return ""
    if given in ("h2c", "cleartext", "plain", "prior_knowledge", "prior knowledge"):
        return '; write http2 = "prior-knowledge"'
    return "; write http2 = true" if given in ("on", "yes", "true", "h2", 2, "2", 1) else "; write http2 = false"


def version_of(given: object) -> str:
    """``"; write ..."`` where ``http`` of an upstream is something else than it can be, or ``""``."""
    version = _VERSIONS.get(str(given).lower())
    return f"; write http = {version}" if version is not None else ""
