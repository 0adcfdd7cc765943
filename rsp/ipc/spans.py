"""Spans on their way from workers to the control process, which sends them on (``control/otlp.py``).

The control process does not trust workers, so what a span may be is said here.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

INTERNAL: Final = 1  # kinds, by their numbers in OTLP
SERVER: Final = 2
CLIENT: Final = 3
MOST_SPANS: Final = 64  # of one request
TEXT: Final = 1024  # the longest text of a span: a target, a user agent

_TraceId = Annotated[str, Meta(pattern="^[0-9a-f]{32}\\Z")]
_SpanId = Annotated[str, Meta(pattern="^([0-9a-f]{16})?\\Z")]
_Text = Annotated[str, Meta(max_length=TEXT)]
_Nanoseconds = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Integer = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Value = bool | _Integer | float | _Text
Attributes = dict[_Text, Value]


class Span(msgspec.Struct, array_like=True, frozen=True):
    """``parent``: empty where a trace begins.  ``begun``, ``ended``: nanoseconds since the epoch.

    ``error``: why it failed, empty if it did not.
    """

    trace_id: _TraceId
    span_id: _SpanId
    parent: _SpanId
    state: Annotated[str, Meta(max_length=32 * 514)]
    flags: Annotated[int, Meta(ge=0, le=255)]
    name: _Text
    kind: Annotated[int, Meta(ge=INTERNAL, le=CLIENT)]
    begun: _Nanoseconds
    ended: _Nanoseconds
    error: _Text
    failed: bool
    attributes: Annotated[Attributes, Meta(max_length=64)]
