"""Spans as OTLP has them, in its JSON encoding over HTTP (opentelemetry.io/docs/specs/otlp), and what a collector says.

Rules of this room: no clock, no socket.  A span is encoded by itself, when it arrives, so that a batch is only put
together.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Final, NamedTuple

import msgspec

from rsp import __version__
from rsp.ipc.spans import Span, Value

_ERROR: Final = 2  # STATUS_CODE_ERROR; one that has not failed is unset, not OK
_RETRYABLE: Final = frozenset((429, 502, 503, 504))  # OTLP/HTTP, "Retryable response codes"
_LONGEST_PAUSE: Final = 30.0  # seconds of Retry-After


def encode_span(span: Span) -> bytes:
    """One element of ``spans``.  Ids are in base 16 here, 64-bit integers are texts."""
    made: dict[str, object] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.begun),
        "endTimeUnixNano": str(max(span.begun, span.ended)),
        "attributes": _attributes(span.attributes),
    }
    if span.parent:
        made["parentSpanId"] = span.parent
    if span.state:
        made["traceState"] = span.state
    if span.failed:
        made["status"] = {"code": _ERROR, "message": span.error} if span.error else {"code": _ERROR}
    return msgspec.json.encode(made)


def batch(resource: Mapping[str, Value], spans: Iterable[bytes]) -> bytes:
    """An ExportTraceServiceRequest of spans that are encoded.  ``resource``: what they are all about."""
    described = msgspec.json.encode({"attributes": _attributes(resource)})
    scope = msgspec.json.encode({"name": "rsp", "version": __version__})
    return b'{"resourceSpans":[{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[%b]}]}]}' % (
        described, scope, b",".join(spans)
    )  # fmt: skip


def _attributes(values: Mapping[str, Value]) -> Sequence[dict[str, object]]:
    return [{"key": key, "value": wrapped} for key, value in values.items() if (wrapped := _wrapped(value)) is not None]


def _wrapped(value: Value) -> dict[str, object] | None:
    """An AnyValue; ``None``: JSON has no number for it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value} if isfinite(value) else None
    return {"stringValue": value}


# -- what the collector says


class Verdict(NamedTuple):
    """``rejected``: how many spans of the batch are lost; ``reason``: a clause, where something is wrong.

    ``again``: the batch may be sent once more, after ``pause`` seconds if the collector has named some.
    """

    rejected: int = 0
    reason: str = ""
    again: bool = False
    pause: float | None = None


class _Partial(msgspec.Struct, rename="camel"):
    rejected_spans: int | str = 0
    error_message: str = ""


class _Response(msgspec.Struct, rename="camel"):
    partial_success: _Partial | None = None


_decoder: Final = msgspec.json.Decoder(_Response)


def verdict(status: int, retry_after: bytes, body: bytes, count: int) -> Verdict:
    """Of a batch of ``count`` spans.  ``retry_after``: the value of that field; dates are not understood."""
    if 200 <= status < 300:
        return _accepted(body, count)
    reason = f"it answered {status}"
    if status not in _RETRYABLE:
        return Verdict(count, reason)
    return Verdict(count, reason, True, _seconds(retry_after))


def _accepted(body: bytes, count: int) -> Verdict:
    try:
        partial = _decoder.decode(body).partial_success
        rejected = int(partial.rejected_spans) if partial is not None else 0
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return Verdict()  # it has taken them, whatever it says of it
    if partial is None or rejected <= 0:
        return Verdict()
    return Verdict(min(rejected, count), f"it rejected {min(rejected, count)} of {count} spans")


def _seconds(value: bytes) -> float | None:
    text = value.strip()
    if not text.isdigit() or len(text) > 9:
        return None
    return min(float(text), _LONGEST_PAUSE)
