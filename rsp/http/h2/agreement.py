"""What both sides of a connection say of it: settings, windows, pings (RFC 9113 sections 6.3, 6.5, 6.7 and 6.9)."""

from typing import Final

from rsp.http.h2.errors import Http2Error, StreamError
from rsp.http.h2.guard import PINGED, SETTING, SMALL, UPDATE
from rsp.http.h2.output import Output
from rsp.http.h2.wire import frame_head, number_at

from rsp.http.h2.frames import (  # isort: skip
    ACK, ENABLE_CONNECT_PROTOCOL, ENABLE_PUSH, FLOW_CONTROL_ERROR, FRAME, FRAME_SIZE_ERROR, HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE, LARGEST_WINDOW, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, PING, PROTOCOL_ERROR, SETTINGS,
)  # fmt: skip

_LARGEST_FRAME: Final = 64 << 10  # that is sent, even if the other side takes larger ones
_STREAMS: Final = 100  # until the other side says so; it should not say less (RFC 9113 section 6.5.2)


class Agreement(Output):
    """``greeted``: the other side's first SETTINGS have come.

    ``begins_streams``    the other side may
    ``most``              streams that it takes at once
    ``extended_connect``  it takes CONNECT with :protocol (RFC 8441)
    """

    __slots__ = ("begins_streams", "extended_connect", "greeted", "most")

    def begin_agreement(self) -> None:
        """Once, right after it was made."""
        self.greeted = self.begins_streams = self.extended_connect = False
        self.most = _STREAMS

    def _is_idle_number(self, number: int) -> bool:
        """Whether no stream of that number has been there yet."""
        raise NotImplementedError

    def missing(self, number: int, kind: str, points: int) -> bool:
        """What came for a stream that is gone, or was never there, costs ``points``: whether it is to be ignored.

        It may have been on its way when this side reset the stream.  Raises :class:`Http2Error`.
        """
        if number == 0 or self._is_idle_number(number):
            raise Http2Error(PROTOCOL_ERROR, f"{kind} on {'stream 0' if number == 0 else 'a stream that is idle'}")
        self.guard.spend(points, self.context.now)
        return self._fate(number) is not False

    def take_window_update(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Http2Error(FRAME_SIZE_ERROR, "a WINDOW_UPDATE that has not 4 bytes")
        self.guard.spend(UPDATE, self.context.now)
        size = number_at(payload, 0) & LARGEST_WINDOW
        if number and number not in self.streams:
            self.missing(number, "WINDOW_UPDATE", 0)
        elif size == 0:
            if number:
                raise StreamError(PROTOCOL_ERROR, "a WINDOW_UPDATE of 0")
            raise Http2Error(PROTOCOL_ERROR, "a WINDOW_UPDATE of 0")
        else:
            self.window_update(number, size)

    def take_settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Http2Error(PROTOCOL_ERROR, "SETTINGS on a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise Http2Error(FRAME_SIZE_ERROR, "SETTINGS of an invalid size")
        self.greeted = True
        if flags & ACK:
            self.guard.spend(SMALL, self.context.now)
            return
        self.guard.spend(SETTING + SMALL * (len(payload) // 6), self.context.now)
        for at in range(0, len(payload), 6):
            self._set(number_at(b"\0\0" + payload[at : at + 2], 0), number_at(payload, at + 2))
        self.put(frame_head(0, SETTINGS, ACK, 0))
        self.settings_received()

    def _set(self, name: int, value: int) -> None:
        if name == INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise Http2Error(FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE above 2^31 - 1")
            self.resize_windows(value)
        elif name == MAX_FRAME_SIZE:
            if not FRAME <= value < 1 << 24:
                raise Http2Error(PROTOCOL_ERROR, "MAX_FRAME_SIZE below 16,384 or above 2^24 - 1")
            self.frame_size = min(value, _LARGEST_FRAME)
        elif name == HEADER_TABLE_SIZE:
            self.encoder.resize(value)
        elif name == MAX_CONCURRENT_STREAMS:
            self.most = value
        elif name == ENABLE_PUSH and (value > 1 or (value and not self.begins_streams)):
            raise Http2Error(PROTOCOL_ERROR, "an invalid ENABLE_PUSH")
        elif name == ENABLE_CONNECT_PROTOCOL:
            if value > 1 or (self.extended_connect and not value):
                raise Http2Error(PROTOCOL_ERROR, "an invalid ENABLE_CONNECT_PROTOCOL")
            self.extended_connect = value == 1

    def take_ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Http2Error(PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise Http2Error(FRAME_SIZE_ERROR, "a PING that has not 8 bytes")
        self.guard.spend(PINGED, self.context.now)
        if flags & ACK:
            self.ping_answered(payload)
        else:
            self.put(frame_head(8, PING, ACK, 0) + payload)

    def take_priority(self, number: int, payload: bytes) -> None:
        """The priorities of RFC 7540, which nothing here obeys (RFC 9113 section 5.3.2)."""
        if number == 0:
            raise Http2Error(PROTOCOL_ERROR, "PRIORITY on stream 0")
        if len(payload) != 5:
            raise Http2Error(FRAME_SIZE_ERROR, "a PRIORITY that has not 5 bytes")
        self.guard.spend(SMALL, self.context.now)
        if number_at(payload, 0) & LARGEST_WINDOW == number:
            raise Http2Error(PROTOCOL_ERROR, "a stream that depends on itself")

    def settings_received(self) -> None:
        """``most`` and ``extended_connect`` may have changed."""

    def ping_answered(self, payload: bytes) -> None:
        """The other side has all that was sent before."""
