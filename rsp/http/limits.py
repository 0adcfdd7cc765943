"""Timeouts and limits in force for a connection or an exchange: the instance's, overridden by listener and route."""

from typing import Final

from rsp.config.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Timeouts
from rsp.config.limits import Limits as Sizes
from rsp.config.units import Duration, Size
from rsp.system.descriptors import Room

# Seconds that the clock of a worker may be behind, by which short timeouts would be early.
_BEHIND: Final = 1.0


def _first(name: str, *layers: Timeouts | Sizes | None) -> float:
    """The first of ``layers`` that sets ``name``."""
    for layer in layers:
        value = getattr(layer, name, None)
        if value is not None:
            return float(value)
    raise AttributeError(name)


class Limits:
    """Plain numbers, seconds and bytes, merged once per configuration.  Layers: the most specific first."""

    # fmt: off
    __slots__ = (
        "_for_calls", "_layers", "body_limit", "body_time", "buffer", "connect_time", "connections", "fields",
        "half_close_time", "handshake_time", "head_limit", "head_time", "idle_time", "keepalive_time", "line_limit",
        "lingering", "min_rate", "per_client", "read_time", "request_time", "response_time", "send_time",
        "shutdown_time", "streams", "temp", "tunnel_time",
    )
    # fmt: on

    def __init__(self, timeouts: tuple[Timeouts | None, ...], limits: tuple[Sizes | None, ...], room: Room) -> None:
        times = (*timeouts, DEFAULT_TIMEOUTS)
        self.head_time = _first("head", *times)
        self.handshake_time = _first("handshake", *times)
        self.body_time = _first("body", *times) + _BEHIND
        self.idle_time = _first("idle", *times)
        self.connect_time = _first("connect", *times)
        self.response_time = _first("response", *times) + _BEHIND
        self.read_time = _first("read", *times) + _BEHIND
        self.send_time = _first("send", *times)
        self.half_close_time = _first("half_close", *times)
        self.request_time = _first("request", *times)
        self.tunnel_time = _first("tunnel", *times)
        self.keepalive_time = _first("keepalive", *times)
        self.shutdown_time = _first("shutdown", *times)
        sizes = (*limits, DEFAULT_LIMITS)
        self.line_limit = int(_first("line", *sizes))
        self.head_limit = int(_first("head", *sizes))
        self.fields = int(_first("fields", *sizes))
        self.body_limit = int(_first("body", *sizes))
        self.min_rate = int(_first("min_rate", *sizes))
        self.buffer = int(_first("buffer", *sizes))
        self.connections = min(int(_first("connections", *sizes)) or room.clients, room.clients)
        self.lingering = room.lingering
        self.per_client = int(_first("per_client", *sizes))
        self.streams = int(_first("streams", *sizes))
        self.temp = int(_first("temp", *sizes))
        self._layers = timeouts, limits, room
        self._for_calls: Limits | None = None

    def for_calls(self) -> "Limits":
        """Of calls of gRPC and of tunnels, which may be silent for long: ``tunnel`` in the place of ``body`` and
        ``read``, and no ``min_rate``."""
        if self._for_calls is None:
            timeouts, limits, room = self._layers
            silence = Duration(self.tunnel_time)
            times, sizes = Timeouts(body=silence, read=silence), Sizes(min_rate=Size(0))
            self._for_calls = Limits((times, *timeouts), (sizes, *limits), room)
            self._for_calls._for_calls = self._for_calls
        return self._for_calls

    def overdue(self, begun: bool, asks_on: bool = False) -> str:
        """Which timeout a peer has exceeded, for the log; ``begun``: the head of its response is there; ``asks_on``: a
        call that is still being made."""
        if begun:
            key, seconds = "tunnel" if self._for_calls is self else "read", self.read_time - _BEHIND
        else:
            key, seconds = ("tunnel", self.tunnel_time) if asks_on else ("response", self.response_time - _BEHIND)
        missing = "data" if begun or asks_on else "response"
        return f"timed out: no {missing} within {Duration(seconds)} (timeouts.{key})"
