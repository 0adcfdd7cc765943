"""The records of FastCGI, against a decoder that was written from the specification alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.http.cgi.records import RecordReader, begin, params, stdin
from rsp.http.errors import ProtocolError
from tests.fastcgi_peer import END, PARAMS, STDERR, STDIN, STDOUT, end, read_pairs, record

OK = b"Content-Type: text/html\r\n\r\nhello"


def cut(data: bytes) -> list[tuple[int, bytes]]:
    """The records in ``data``: types and contents."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 6])
        assert data[at] == 1
        assert data[at + 2 : at + 4] == b"\0\1"
        found.append((data[at + 1], data[at + 8 : at + 8 + size]))
        at += 8 + size + data[at + 6]
    assert at == len(data)
    return found


def read(data: bytes, *cuts: int) -> tuple[bytes, RecordReader]:
    reader, body, start = RecordReader(), b"", 0
    for stop in (*cuts, len(data)):
        body += b"".join(reader.feed(data[start:stop]))
        start = stop
    while reader.more:
        body += b"".join(reader.feed(b""))
    return body, reader


def test_a_request_begins_with_its_role_and_whether_the_connection_stays():
    assert begin(keep=True) == bytes.fromhex("0101000100080000 0001010000000000")
    assert begin(keep=False) == bytes.fromhex("0101000100080000 0001000000000000")


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=200), st.binary(max_size=60_000)), max_size=6))
def test_variables_come_out_as_they_went_in_and_none_begins_in_one_record_and_ends_in_the_next(pairs):
    records = cut(params(pairs))
    assert {kind for kind, _ in records} == {PARAMS}
    assert records[-1] == (PARAMS, b"")
    assert all(content for _, content in records[:-1])
    assert [pair for _, content in records for pair in read_pairs(content)] == pairs


def test_many_variables_go_in_several_records():
    pairs = [(b"A%d" % number, b"x" * 30_000) for number in range(5)]
    records = cut(params(pairs))
    assert len(records) == 4
    assert [pair for _, content in records for pair in read_pairs(content)] == pairs


def test_a_variable_that_no_record_holds_is_refused():
    assert params([(b"A", b"x" * 65528)])
    with pytest.raises(ValueError, match="A is too large"):
        params([(b"A", b"x" * 65530)])


@given(st.lists(st.binary(min_size=1, max_size=200_000), max_size=3), st.booleans())
def test_a_body_comes_out_as_it_went_in(pieces, last):
    records = cut(stdin(pieces, last))
    assert {kind for kind, _ in records} <= {STDIN}
    assert b"".join(content for _, content in records) == b"".join(pieces)
    assert [content for _, content in records].count(b"") == last


responses = st.lists(st.tuples(st.sampled_from((STDOUT, STDERR)), st.binary(min_size=1, max_size=90)), max_size=6)


@given(responses, st.lists(st.integers(0, 600), max_size=5), st.integers(0, 20))
def test_a_response_is_the_same_however_it_is_cut(parts, cuts, padding):
    data = b"".join(record(kind, content, padding=padding) for kind, content in parts) + end(padding=padding)
    body, reader = read(data, *sorted(min(each, len(data)) for each in cuts))
    assert body == b"".join(content for kind, content in parts if kind == STDOUT)
    assert reader.said == b"".join(content for kind, content in parts if kind == STDERR)
    assert reader.done
    assert not reader.fault


def test_a_response_is_cut_at_every_byte():
    data = record(STDOUT, OK, padding=3) + record(STDERR, b"oops") + record(STDOUT) + end()
    for at in range(len(data)):
        body, reader = read(data, at)
        assert (body, reader.done, reader.rest) == (OK, True, False)
        assert not read(data[:at])[1].done


def test_a_response_comes_byte_by_byte():
    data = record(STDERR, b"x", padding=1) + record(STDOUT, OK) + end(2)
    body, reader = read(data, *range(len(data)))
    assert (body, reader.done, reader.said) == (OK, True, b"x")
    assert "OVERLOADED" in reader.fault


def test_what_comes_behind_the_end_is_noted():
    assert read(end() + b"x")[1].rest
    assert not read(end(padding=4))[1].rest
    assert read(end(padding=4)[:-1])[1].rest  # the padding is still to come


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n", "speaks HTTP, not FastCGI"),
        (record(STDOUT, OK, version=2), "not a record of FastCGI 1"),
        (b"\0" * 8, "not a record of FastCGI 1"),
        (record(STDOUT, OK, number=2), "a record for request 2"),
        (record(STDOUT, OK, number=0), "a record for request 0"),
        (record(STDIN, b"x"), "a record of type 5"),
        (record(10, b"x", number=0), "a record of type 10"),
        (record(END, b"1234567"), "a malformed end"),
        (record(END, b""), "a malformed end"),
        (record(END, b"123456789"), "a malformed end"),
        (record(STDOUT) + record(STDOUT, b"x"), "more of STDOUT behind its end"),
    ],
)
def test_what_is_no_response_is_refused(data, said):
    with pytest.raises(ProtocolError, match=said):
        read(data)


@pytest.mark.parametrize(("status", "said"), [(1, "MPX"), (2, "OVERLOADED"), (3, "UNKNOWN_ROLE"), (9, "status 9")])
def test_a_peer_that_does_not_serve_the_request_says_why(status, said):
    _, reader = read(end(status))
    assert reader.done
    assert said in reader.fault


def test_a_program_that_ends_with_an_error_has_still_answered():
    body, reader = read(record(STDOUT, OK) + end(code=255))
    assert (body, reader.fault) == (OK, "")


def test_many_small_records_are_taken_in_turns():
    data = record(STDOUT, b"x") * 2000 + end()
    reader = RecordReader()
    assert len(reader.feed(data)) == 512
    assert reader.more
    turns, body = 1, 512
    while reader.more:
        body += len(reader.feed(b""))
        turns += 1
    assert (turns, body, reader.done) == (4, 2000, True)


def test_what_a_peer_writes_to_stderr_is_kept_within_bounds():
    reader = RecordReader()
    for _ in range(100):
        reader.feed(record(STDERR, b"x" * 60_000))
    assert len(reader.take_said()) == 4096
    assert reader.said == b""
