"""Blocks of the sheet as the hot path writes them: a process's own column.

Made once for a configuration; nothing in them allocates.  ``series.pyx`` is the compiled twin of this file.
"""

from bisect import bisect_left
from typing import Final

from rsp.ipc.scoreboard import MOST
from rsp.ipc.series_cells import (
    BYTES,
    LISTENER_ACCEPTED,
    LISTENER_FAILED,
    LISTENER_HTTP2,
    LISTENER_RESUMED,
    LISTENER_STATUS,
    LISTENER_TLS,
    LISTENER_VERSION,
    ROUTE_RECEIVED,
    ROUTE_SENT,
    ROUTE_STATUS,
    SECONDS,
    TIMES_CONNECT,
    TIMES_DURATION,
    TIMES_FIRST_BYTE,
    TIMES_SIZE,
)  # fmt: skip

_TLS_VERSIONS: Final = {b"TLSv1.2": 0, b"TLSv1.3": 1}
_VERSIONS: Final = {b"1.0": 0, b"1.1": 1, b"2.0": 2}
_OTHER: Final = 2
_LONGEST: Final = 1e9  # seconds


class Series:
    """``cells``: of the sheet; ``first``: of the block, in the process's column."""

    __slots__ = ("_cells", "_first")

    def __init__(self, cells: memoryview, first: int) -> None:
        self._cells = cells
        self._first = first

    def _add(self, cell: int, amount: int) -> None:
        at = self._first + cell
        self._cells[at] = (self._cells[at] + amount) & MOST

    def _class(self, first: int, status: int) -> None:
        self._add(first + min(max(status // 100, 1), 5) - 1, 1)


class RouteSeries(Series):
    """Of a route and its upstream."""

    __slots__ = ()

    def answered(self, status: int, sent: int, received: int) -> None:
        """A request has ended; ``sent`` and ``received``: bytes of bodies."""
        self._class(ROUTE_STATUS, status)
        self._add(ROUTE_SENT, sent)
        self._add(ROUTE_RECEIVED, received)


class ListenerSeries(Series):
    """Of a listener."""

    __slots__ = ()

    def accepted(self) -> None:
        """A connection, ready for requests."""
        self._add(LISTENER_ACCEPTED, 1)

    def spoke_http2(self) -> None:
        """A connection that was accepted is one of HTTP/2."""
        self._add(LISTENER_HTTP2, 1)

    def answered(self, status: int, version: bytes) -> None:
        """A request has ended; ``version``: of HTTP, empty where it is not known."""
        self._class(LISTENER_STATUS, status)
        if version:
            self._add(LISTENER_VERSION + _VERSIONS[version], 1)

    def shaken(self, version: bytes, resumed: bool) -> None:
        """A TLS handshake is complete."""
        self._add(LISTENER_TLS + _TLS_VERSIONS.get(version, _OTHER), 1)
        self._add(LISTENER_RESUMED, resumed)

    def failed(self) -> None:
        """A TLS handshake has failed."""
        self._add(LISTENER_FAILED, 1)


class TimesSeries(Series):
    """Histograms, of an upstream or a route."""

    __slots__ = ()

    def took(self, seconds: float, first_byte: float, connect: float, size: int) -> None:
        """A request has ended; ``size``: of the response's body.  0.0 seconds: that has not happened."""
        self._observe(TIMES_DURATION, seconds)
        self._observe(TIMES_FIRST_BYTE, first_byte)
        self._observe(TIMES_CONNECT, connect)
        self._add(TIMES_SIZE + bisect_left(BYTES, size), 1)
        self._add(TIMES_SIZE + len(BYTES) + 1, size)

    def _observe(self, first: int, seconds: float) -> None:
        if seconds > 0.0:
            self._add(first + bisect_left(SECONDS, seconds), 1)
            self._add(first + len(SECONDS) + 1, int(min(seconds, _LONGEST) * 1e6))
