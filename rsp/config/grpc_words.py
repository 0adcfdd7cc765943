"""Words for gRPC that people bring from other programs, by where they stand, and what says the same in rsp."""

from typing import Final

import msgspec

from rsp.config.failure import Health, Retry
from rsp.config.limits import Timeouts

_CALLS: Final = 'upstream "calls" { "10.0.0.1:50051", http = 2 } and route { to = "calls" }'
_RETRY: Final = 'retry = { on_grpc = { "unavailable" } } in an upstream'
_CHECK: Final = 'health = "grpc" in an upstream'
_TUNNEL: Final = 'timeouts = { tunnel = "1h" }: calls may be silent for that long'

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("grpc", "grpcpass", "grpcbackend"), _CALLS),
    **dict.fromkeys(("grpcnextupstream", "retrygrpcon", "grpcretry", "retryablestatuscodes"), _RETRY),
    **dict.fromkeys(("grpcreadtimeout", "grpcsendtimeout", "maxgrpctimeout", "streamidletimeout"), _TUNNEL),
    **dict.fromkeys(("grpchealthcheck", "grpchealth", "grpccheck"), _CHECK),
    "grpcconnecttimeout": 'timeouts = { connect = "3s" }',
    "grpcsetheader": 'request_headers = { set = { ["x-name"] = "value" } } in a route',
    "grpchideheader": 'response_headers = { remove = { "x-name" } } in a route',
    **dict.fromkeys(
        ("grpcweb", "grpcjsontranscoder"), "rsp passes gRPC-Web on like any request and does not translate it"
    ),
}

_SERVICE: Final = 'in rsp: type = "grpc", service = "name"'
THERE: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Health: {
        **dict.fromkeys(("grpc", "grpcservice", "servicename", "grpchealthcheck", "servicenames"), _SERVICE),
        **dict.fromkeys(("mode", "protocol", "kind"), 'in rsp: type = "http", "tcp" or "grpc"'),
    },
    Timeouts: dict.fromkeys(
        ("grpc", "stream", "streams", "streaming", "streamidle", "streamidletimeout", "maxstreamduration"),
        'in rsp: tunnel = "1h": calls may be silent for that long',
    ),
    Retry: dict.fromkeys(
        ("grpc", "ongrpcstatus", "retryablestatuscodes", "grpcstatus", "codes", "retryon"),
        'in rsp: on_grpc = { "unavailable" }, or on = { 502, 503 }',
    ),
}
