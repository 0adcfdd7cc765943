"""Spans in OTLP's JSON, as OpenTelemetry's own messages read them; and what a collector says of a batch."""

import json
from math import inf, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.control.otlp import Verdict, batch, encode_span, verdict
from rsp.ipc.spans import CLIENT, SERVER, TEXT, Span
from tests.collector import attributes, decode


def span(**changed: object) -> Span:
    made = Span(
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7", parent="", state="", flags=3,
        name="GET /", kind=SERVER, begun=1_700_000_000_000_000_001, ended=1_700_000_000_100_000_000, error="",
        failed=False, attributes={},
    )  # fmt: skip
    return msgspec.structs.replace(made, **changed)


def test_a_span_is_what_it_was() -> None:
    given_attributes = {
        "text": 'ü "\n\x00',
        "int": -(2**63),
        "large": 2**63 - 1,
        "float": 0.25,
        "yes": True,
        "no": False,
    }
    made = span(
        parent="a" * 16, state="a=b", kind=CLIENT, failed=True, error="connection refused", attributes=given_attributes
    )
    request = decode(batch({"service.name": "shop"}, [encode_span(made), encode_span(span())]))
    (group,) = request.resource_spans
    assert attributes(group.resource) == {"service.name": "shop"}
    (scope,) = group.scope_spans
    assert scope.scope.name == "rsp"
    first, second = scope.spans
    assert first.trace_id.hex() == made.trace_id
    assert first.span_id.hex() == made.span_id
    assert first.parent_span_id.hex() == made.parent
    assert (first.trace_state, first.flags, first.name, first.kind) == ("a=b", 3, "GET /", 3)
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (made.begun, made.ended)
    assert (first.status.code, first.status.message) == (2, "connection refused")
    assert attributes(first) == given_attributes
    assert second.parent_span_id == b"" and second.status.code == 0


def test_what_json_has_no_number_for_is_left_out() -> None:
    made = decode(batch({}, [encode_span(span(attributes={"inf": inf, "nan": nan, "one": 1.0}))]))
    assert attributes(made.resource_spans[0].scope_spans[0].spans[0]) == {"one": 1.0}


def test_no_span_ends_before_it_begins() -> None:
    made = json.loads(encode_span(span(begun=5, ended=3)))
    assert made["endTimeUnixNano"] == "5"


text = st.text(max_size=TEXT)
values = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | text


@given(text, text, st.dictionaries(text, values, max_size=5))
def test_any_text_survives(name: str, error: str, given_attributes: dict[str, object]) -> None:
    made = decode(batch({}, [encode_span(span(name=name, error=error, failed=True, attributes=given_attributes))]))
    found = made.resource_spans[0].scope_spans[0].spans[0]
    assert (found.name, found.status.message) == (name, error)
    assert attributes(found) == given_attributes


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": "4BF92F3577B34DA6A3CE929D0E0E4736"}, {"trace_id": ""}, {"trace_id": '"' * 32},
        {"span_id": "0"}, {"trace_id": "a" * 32 + "\n"}, {"parent": "x" * 16}, {"name": "a" * (TEXT + 1)}, {"kind": 9}, {"begun": -1},
        {"ended": 2**63}, {"flags": 256}, {"attributes": {"a": [1]}}, {"attributes": {"a": 2**64 - 1}},
        {"attributes": {"a": "a" * (TEXT + 1)}}, {"attributes": {str(key): 1 for key in range(65)}},
    ],
)  # fmt: skip
def test_workers_are_not_trusted(wrong: dict[str, object]) -> None:
    good = msgspec.msgpack.encode(span())
    assert msgspec.msgpack.decode(good, type=Span) == span()
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(span(**wrong)), type=Span)


@pytest.mark.parametrize(
    ("status", "retry_after", "body", "expected"),
    [
        (200, b"", b"{}", Verdict()),
        (200, b"", b"", Verdict()),
        (202, b"", b"not json", Verdict()),
        (200, b"", b'{"partialSuccess":{}}', Verdict()),
        (200, b"", b'{"partialSuccess":{"rejectedSpans":"0","errorMessage":"hm"}}', Verdict()),
        (200, b"", b'{"partialSuccess":{"rejectedSpans":"3"}}', Verdict(3, "it rejected 3 of 10 spans")),
        (200, b"", b'{"partialSuccess":{"rejectedSpans":4}}', Verdict(4, "it rejected 4 of 10 spans")),
        (200, b"", b'{"partialSuccess":{"rejectedSpans":"999"}}', Verdict(10, "it rejected 10 of 10 spans")),
        (200, b"", b'{"partialSuccess":{"rejectedSpans":"-5"}}', Verdict()),
        (200, b"", b'{"partialSuccess":{"rejectedSpans":"x"}}', Verdict()),
        (200, b"", b"[" * 100_000, Verdict()),
        (400, b"5", b"", Verdict(10, "it answered 400")),
        (404, b"", b"", Verdict(10, "it answered 404")),
        (500, b"", b"", Verdict(10, "it answered 500")),
        (429, b"5", b"", Verdict(10, "it answered 429", True, 5.0)),
        (503, b" 7 ", b"", Verdict(10, "it answered 503", True, 7.0)),
        (503, b"86400", b"", Verdict(10, "it answered 503", True, 30.0)),
        (503, b"9" * 5000, b"", Verdict(10, "it answered 503", True, None)),
        (503, b"-1", b"", Verdict(10, "it answered 503", True, None)),
        (502, b"Thu, 26 Nov 2026 07:00:00 GMT", b"", Verdict(10, "it answered 502", True, None)),
        (504, b"", b"", Verdict(10, "it answered 504", True, None)),
    ],
)
def test_what_the_collector_says(status: int, retry_after: bytes, body: bytes, expected: Verdict) -> None:
    assert verdict(status, retry_after, body, 10) == expected
