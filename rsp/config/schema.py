"""The schema of a configuration: types, bounds, defaults and descriptions in one table.

``docs/configuration.md`` is generated from it and every error message about a key comes out of it, so a new key
needs one line here.  A struct is what one declaration (``listen``, ``upstream``, ``route``) or one setting holds.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rsp.config.units import Duration, Listen, Peer, Size


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """What every part of a configuration is: immutable, strict about unknown keys."""


class Listener(Struct, frozen=True):
    """An address that clients connect to."""

    address: Annotated[
        Listen,
        Meta(description='`"host:port"`, `"[v6]:port"`, `"unix:/path"`, or a port alone for every IPv4 address.'),
    ]
    backlog: Annotated[
        int, Meta(ge=1, le=65535, description="Connections that may wait to be accepted, for each worker.")
    ] = 4096


class UpstreamPeer(Struct, frozen=True):
    """One backend of an upstream."""

    address: Annotated[
        Peer,
        Meta(description='`"host:port"`, `"[v6]:port"` or `"unix:/path"`. A host name is looked up every 30 s.'),
    ]
    weight: Annotated[int, Meta(ge=1, le=1000, description="Share of the requests, relative to the other peers.")] = 1


class Upstream(Struct, frozen=True):
    """A named group of backends that requests are balanced over."""

    name: Annotated[str, Meta(min_length=1, description="The name that routes refer to.")]
    peers: Annotated[
        tuple[UpstreamPeer, ...],
        Meta(
            min_length=1,
            description='The backends: addresses, or tables such as `{ "10.0.0.2:8000", weight = 2 }`.',
        ),
    ]
    policy: Annotated[
        Literal["round_robin"],
        Meta(description="How a peer is chosen. `round_robin` is smooth and weighted."),
    ] = "round_robin"
    keepalive: Annotated[
        int, Meta(ge=0, le=65535, description="Idle connections kept open to each peer, by each worker.")
    ] = 64


class Route(Struct, frozen=True):
    """Which requests go where. The most specific host wins, then the longest path, then the first declared."""

    to: Annotated[str, Meta(description="Name of the upstream that answers.")]
    host: Annotated[
        str | None,
        Meta(description="An exact host name or `*.example.com` (any depth of subdomain). Without it: every host."),
    ] = None
    path: Annotated[
        str, Meta(pattern="^/", description="Prefix of the path, compared with the normalised path as well.")
    ] = "/"


class Timeouts(Struct, frozen=True):
    """How long to wait for what. Precise to a second."""

    head: Annotated[Duration, Meta(description="For a request's whole head, from its first byte. Then 408.")] = (
        Duration(10)
    )
    body: Annotated[Duration, Meta(description="Between two reads of a request's body. Then 408.")] = Duration(30)
    idle: Annotated[Duration, Meta(description="For a client's next request on an open connection.")] = Duration(75)
    connect: Annotated[Duration, Meta(description="For a connection to a peer. Then the next peer, at last 504.")] = (
        Duration(3)
    )
    response: Annotated[Duration, Meta(description="For a peer's response head. Then 504.")] = Duration(60)
    read: Annotated[
        Duration, Meta(description="Between two reads of a response's body. Then the connection is cut.")
    ] = Duration(60)
    send: Annotated[Duration, Meta(description="For a client that takes nothing of a response. Then it is cut.")] = (
        Duration(60)
    )
    tunnel: Annotated[Duration, Meta(description="For a byte on an upgraded connection.")] = Duration(3600)
    keepalive: Annotated[Duration, Meta(description="For an idle connection to a peer.")] = Duration(60)
    shutdown: Annotated[
        Duration, Meta(description="For running requests when rsp or a worker stops. Then they are cut.")
    ] = Duration(30)


class Limits(Struct, frozen=True):
    """How large things may be."""

    line: Annotated[Size, Meta(description="Request line. Longer: 414.")] = Size(8 << 10)
    head: Annotated[Size, Meta(description="A whole head, of requests (431) and responses (502).")] = Size(32 << 10)
    fields: Annotated[int, Meta(ge=1, description="Fields in a head. More: 431, or 502 for responses.")] = 100
    buffer: Annotated[
        Size,
        Meta(description="Bytes held for a peer or client that reads slowly, before the other side is paused."),
    ] = Size(256 << 10)


class Settings(Struct, frozen=True):
    """Plain global variables of the configuration file, for the whole instance."""

    workers: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | Literal["auto"],
        Meta(description='Worker processes, 1 to 256, or `"auto"`: as many as usable cores. `-w` overrides it.'),
    ] = "auto"
    user: Annotated[
        str | None,
        Meta(description="User that workers run as, when rsp is started by root. Default: stay as started."),
    ] = None
    group: Annotated[str | None, Meta(description="Group that workers run as. Default: the user's own.")] = None
    access_log: Annotated[
        str,
        Meta(
            min_length=1,
            description='`"stdout"`, `"off"`, or a file\'s path, relative to where rsp was started.',
        ),
    ] = "stdout"
    max_memory: Annotated[
        Size | None,
        Meta(description="A worker with more resident memory is replaced without losing a request."),
    ] = None
    worker_timeout: Annotated[
        Duration, Meta(description="A worker whose loop has not run for so long is killed and replaced.")
    ] = Duration(10)
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()


class Config(Struct, frozen=True):
    """A whole configuration, checked."""

    settings: Settings
    listeners: tuple[Listener, ...]
    upstreams: tuple[Upstream, ...]
    routes: tuple[Route, ...]


def decode_hook(wanted: type, value: object) -> object:
    """Turns what people write into our own value types, for ``msgspec.convert``."""
    if wanted in (Duration, Size, Listen, Peer):
        return wanted.parse(value)
    raise NotImplementedError(wanted)


def encode_hook(value: object) -> object:
    """The reverse of :func:`decode_hook`."""
    for plain in (float, int, str):
        if isinstance(value, plain):
            return plain(value)
    raise NotImplementedError(type(value))
