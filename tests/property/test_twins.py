"""The compiled twins against their specifications: the same bytes, the same meaning, the same errors.

Where nothing is compiled both sides are the specification; CI builds the twins and demands them.
"""

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsp import why_pure
from rsp.http import lines as lines_in_use
from rsp.http import message, names, request_id
from rsp.http import pieces as pieces_in_use
from rsp.http.errors import ProtocolError
from rsp.http.h1 import codec, head, write
from rsp.ipc import peer_stats as peer_stats_in_use
from rsp.ipc.peer_cells import TALLY
from rsp.ipc.peer_marks import MARKS
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard
from rsp.ipc.worker_cells import ROWS
from rsp.logs import combined as combined_in_use
from rsp.tls import engine
from tests.soak import examples

REQUEST = ("connection_bound", "count", "expect_continue", "fields", "forwarded", "framing", "host", "keep_alive", "method", "minor", "barred", "path",
           "plain", "referer", "request_id", "target", "te_trailers", "upgrade", "user_agent")  # fmt: skip
RESPONSE = (
    "connection_bound",
    "count",
    "fields",
    "framing",
    "has_length",
    "keep_alive",
    "length_line",
    "minor",
    "reason",
    "status",
    "upgrade",
)


def specification(name: str):
    """The module as its Python source says it, whatever is compiled."""
    path = Path(__file__).parents[2] / "rsp" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"specification_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ci_tests_the_twins():
    if os.environ.get("RSP_TEST_ALL") and not os.environ.get("RSP_PURE"):
        assert not why_pure
        assert codec.__file__.endswith(".so")
        assert combined_in_use.__file__.endswith(".so")
        assert engine.COMPLETE  # else the tests of tickets and stapling are skipped


MOST = 1 << 30  # fields


def understood(parse, names, *arguments):
    """What a parser says: the values of ``names``, or its error."""
    try:
        result = parse(*arguments)
    except ProtocolError as error:
        return error.status, str(error)
    return {name: getattr(result, name) for name in names}


NAMES = st.sampled_from([*names.MEANING, *(prefix + b"a" for prefix in names.TOLD_PREFIXES)]) | st.sampled_from([
    b"X-Real_IP", b"X.Forwarded.For", b"Client_Cert", b"X-Forwarde", b"X-Forwarded", b"x-reaL-iP", b"X.A", b"X-A", b"Host", b"HOST", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"Keep-Alive", b"TE", b"Upgrade",
    b"Expect", b"User-Agent", b"Referer", b"X-Request-Id", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host",
    b"Forwarded", b"Proxy-Connection", b"Accept", b"X_A", b"Content_Length", b"Cookie", b"x-frame-options", b"Bad Name", b"",
    b"X-Request-Ie", b"hosu", b"Connectiom", b"Authorization", b"proxy-AUTHORIZATION", b"WWW-Authenticate", b"Proxy-Authenticate",
    b"Persistent-Auth",
])  # fmt: skip
VALUES = st.sampled_from([
    b"a", b"a.example:80", b"a:b", b"[::1]:80", b"5", b"0", b"00", b"-1", b"5, 5", b"99999999999999999999", b"chunked", b"Chunked",
    b"gzip, chunked", b"keep-alive", b"Keep-Alive", b"close", b"close, x-a", b"upgrade", b"websocket", b"100-continue", b"trailers",
    b"", b"10.0.0.1, 10.0.0.2", b"id-1", b"bad id", b"a" * 129, b"tab\there", b"\x80\xff", b"nul\x00", b"\x7f", b"cr\rx", b"lf\nx",
    b"x" * 100, b"a,b", b"host", b"NTLM", b"negotiate YII", b"Basic realm=a, nTLM", b"Basic bmVnbw==", b"nothing", b"true",
]) | st.binary(max_size=20)  # fmt: skip
SPACE = st.sampled_from([b"", b" ", b"  ", b"\t"])
LINES = st.lists(st.tuples(NAMES, SPACE, VALUES, SPACE), max_size=8)
HOST = st.sampled_from([b"Host: a\r\n", b"Host: a\r\n", b"Host: shop.example:8080\r\n", b"host:a \r\n", b""])
STARTS = st.sampled_from([
    b"GET / HTTP/1.1", b"GET /a?b HTTP/1.1", b"POST /a//b HTTP/1.1", b"PUT /a/./b?c=//d HTTP/1.1", b"GET /%61 HTTP/1.0", b"GET * HTTP/1.1",
    b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"CONNECT /a HTTP/1.1", b"GET http://b/x?y HTTP/1.1", b"GET /a#b HTTP/1.1",
    b"GET  / HTTP/1.1", b"GET / HTTP/1.2", b"GET / HTTP/2.0", b"GET /\xff HTTP/1.1", b"GET / http/1.1", b"G(T / HTTP/1.1", b"GET /x",
    b"HEAD /a\\b HTTP/1.1", b"get /..?/. HTTP/1.1", b"", b"GET /? HTTP/1.1", b"GET /a/ HTTP/1.1 ", b"GET /a\tb HTTP/1.1",
])  # fmt: skip
ANSWERS = st.sampled_from([
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 404 Not Found", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 101 S",
    b"HTTP/1.1 204 No Content", b"HTTP/1.1 100 Continue", b"HTTP/1.1 099 X", b"HTTP/1.1 600 \xe4", b"HTTP/1.2 200 OK", b"http/1.1 200 OK",
    b"HTTP/1.1  200 OK", b"HTTP/1.1 20x OK", b"HTTP/1.1 200 a\x00b", b"HTTP/2 200", b"", b"HTTP/1.1 200\tOK",
])  # fmt: skip
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST"])
BEHIND = st.sampled_from([b"", b"\r\n", b"Host: b\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]) | st.binary(max_size=12)
MUTATIONS = st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=2)), max_size=2)


def block(start: bytes, first: bytes, lines: list[tuple[bytes, ...]], mutations: list[tuple[int, bytes]]) -> bytes:
    text = start + b"\r\n" + first + b"".join(name + b":" + b"".join(rest) + b"\r\n" for name, *rest in lines) + b"\r\n"
    for position, piece in mutations:
        text = text[:position] + piece + text[position + 1 :]
    return text


@examples(250)
@given(start=STARTS, first=HOST, lines=LINES, mutations=MUTATIONS, behind=BEHIND)
@example(
    start=b"GET / HTTP/1.1",
    first=b"Host: a\r\n",
    lines=[(b"A%d" % one, b"", b"", b"") if one % 2 else (b"Keep-Alive", b"", b"", b"") for one in range(80)],
    mutations=[],
    behind=b"",
)
def test_requests_mean_the_same(start, first, lines, mutations, behind):
    given_block = block(start, first, lines, mutations)
    expected = understood(head.parse_request, REQUEST, given_block)
    assert understood(codec.parse_request, REQUEST, given_block) == expected
    stop = codec.end_of_head(given_block, 0)
    if stop == len(given_block):  # in the middle of what has arrived
        assert understood(codec.request_in, REQUEST, b"\n" + given_block + behind, 1, 1 + stop, MOST) == expected


@examples(250)
@given(start=ANSWERS, lines=LINES, method=METHODS, mutations=MUTATIONS, behind=BEHIND)
def test_responses_mean_the_same(start, lines, method, mutations, behind):
    given_block = block(start, b"", lines, mutations)
    expected = understood(head.parse_response, RESPONSE, given_block, method)
    assert understood(codec.parse_response, RESPONSE, given_block, method) == expected
    stop = codec.end_of_head(given_block, 0)
    if stop == len(given_block):
        arrived = b"\n" + given_block + behind
        assert understood(codec.response_in, RESPONSE, arrived, 1, 1 + stop, method, MOST) == expected


@examples(150)
@given(
    start=STARTS,
    first=HOST,
    lines=LINES,
    extra=st.sampled_from([b"", b"A: 1\r\n"]),
    request_id=st.sampled_from([b"", b"id-1"]),
)
def test_requests_are_written_the_same(start, first, lines, extra, request_id):
    try:
        one = head.parse_request(block(start, first, lines, []))
    except ProtocolError:
        return
    arguments = one, one.target, one.host, one.fields, extra, request_id
    assert codec.request_head(*arguments) == write.request_head(*arguments)


@examples(150)
@given(start=ANSWERS, lines=LINES, method=METHODS, connection=st.sampled_from([b"", b"close", b"upgrade"]))
def test_responses_are_written_the_same(start, lines, method, connection):
    try:
        one = head.parse_response(block(start, b"", lines, []), method)
    except ProtocolError:
        return
    for framing in {one.framing, max(one.framing, message.CHUNKED)}:
        arguments = one, one.fields, framing, connection
        assert codec.response_head(*arguments) == write.response_head(*arguments)


@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"a"]), max_size=12).map(b"".join),
    start=st.integers(0, 12),
)
def test_the_end_of_a_head_is_the_same(data, start):
    start = min(start, len(data))
    assert codec.end_of_head(data, start) == head.end_of_head(data, start)


@given(st.integers(0, 2**60))
def test_ids_are_the_same(number):
    assert request_id.make_id(b"abc", number) == specification("http/request_id").make_id(b"abc", number)


TEXT = st.binary(max_size=40) | st.sampled_from([b"", b'"\\', b"x" * 3000])


@given(
    texts=st.tuples(TEXT, TEXT, TEXT), method=st.sampled_from([b"", b"GET"]), numbers=st.tuples(st.integers(100, 599), st.integers(0, 2**50)),
    times=st.tuples(st.floats(0, 1e6), st.floats(0, 10)), upstreams=st.sampled_from([b"", b"10.0.0.1:80"]),
)  # fmt: skip
def test_log_lines_are_the_same(texts, method, numbers, times, upstreams):
    target, referer, agent = texts
    arguments = (b"::1", b"stamp", method, target, b"1.1", *numbers, referer, agent, upstreams, *times, b"id")
    assert combined_in_use.combined(*arguments) == specification("logs/combined").combined(*arguments)


@pytest.mark.parametrize("value", [0.0004, 0.0005, 0.0015, 59.9994999, 1e5])
def test_times_are_rounded_the_same(value):
    arguments = (b"c", b"s", b"GET", b"/", b"1.1", 200, 0, b"", b"", b"", value, value, b"")
    assert combined_in_use.combined(*arguments) == specification("logs/combined").combined(*arguments)


FIELD = st.tuples(
    st.sampled_from([b"A", b"a", b"Set-Cookie", b"set-cookie", b"Cookie", b"X-A", b"X-AB", b"x_a", b"X.a", b"x!A"]),
    st.sampled_from([b":", b": ", b":\t "]),
    st.sampled_from([b"", b"1", b"a: b", b" ", b"x\t", b"A:", b"long " * 9]),
)


@examples(150)
@given(
    fields=st.lists(FIELD, max_size=6),
    name=st.sampled_from([b"a", b"A", b"X-a", b"set-COOKIE", b"cookie", b"X_A", b"none"]),
)
def test_single_fields_are_the_same(fields, name):
    block_ = b"".join(b"".join(parts) + b"\r\n" for parts in fields)
    own = specification("http/lines")
    for function in ("get", "each", "drop"):
        assert getattr(lines_in_use, function)(block_, name) == getattr(own, function)(block_, name)
    assert own.each(own.drop(block_, name), name) == []


@examples(100)
@given(
    fields=st.lists(FIELD, max_size=8),
    names=st.frozensets(st.sampled_from([b"a", b"set-cookie", b"x-a", b"x-ab", b"cookie", b"none"])),
)
def test_fields_that_are_left_out_are_the_same(fields, names):
    block_ = b"".join(b"".join(parts) + b"\r\n" for parts in fields)
    kept = specification("http/lines").without(block_, names)
    assert lines_in_use.without(block_, names) == lines_in_use.without(block_, tuple(names)) == kept


@examples(150)
@given(
    fields=st.lists(FIELD, max_size=8),
    names=st.lists(st.sampled_from([b"a", b"set-cookie", b"x-a", b"x-ab", b"cookie", b"none"]), unique=True).map(tuple),
)
def test_fields_that_are_there_are_the_same(fields, names):
    block_ = b"".join(b"".join(parts) + b"\r\n" for parts in fields)
    assert lines_in_use.which(block_, names) == specification("http/lines").which(block_, names)


PIECE = st.binary(max_size=20)


@examples(100)
@given(first=PIECE, second=PIECE, third=PIECE, start=st.integers(0, 25), stop=st.integers(0, 25))
def test_bytes_that_are_put_together_or_cut_are_the_same(first, second, third, start, stop):
    own = specification("http/pieces")
    assert pieces_in_use.joined(first, second) == own.joined(first, second)
    assert pieces_in_use.part(first, start, stop) == own.part(first, start, stop)
    assert lines_in_use.with_line(first, second, third) == specification("http/lines").with_line(first, second, third)


@examples(100)
@given(value=st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\0", b"\x01", b"\xff"])).map(b"".join))
def test_what_may_stand_in_a_line_is_the_same(value):
    assert lines_in_use.one_line(value) == specification("http/lines").one_line(value)


# -- what a peer has counted


_CELL = st.integers(0, 5000) | st.sampled_from([2**63, 2**64 - 1])
_OF_A_PEER = st.one_of(
    st.tuples(st.just("add"), st.integers(0, TALLY - 1), st.integers(-3, 3)),
    st.tuples(st.just("set_own"), st.integers(0, TALLY - 1), _CELL),
    st.tuples(st.just("set_mark"), st.integers(0, MARKS - 1), _CELL),
    st.tuples(st.just("answered"), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(100, 700)),
    st.tuples(st.just("count_status"), st.integers(0, 1000)),
    st.tuples(st.just("succeeded"), st.integers(1, 5000)),
    st.tuples(st.just("failed"), st.integers(1, 5000), st.integers(0, 3000)),
    st.tuples(st.just("standing"), st.integers(0, 6000)),
    st.tuples(st.just("total"), st.integers(0, TALLY - 1)),
    st.tuples(st.just("mark"), st.integers(0, MARKS - 1)),
    st.tuples(st.just("own"), st.integers(0, TALLY - 1)),
    st.tuples(st.just("last_success")),
)
_BOARDS = Scoreboard(), Scoreboard()


@given(st.lists(st.tuples(st.integers(0, 2), _OF_A_PEER), max_size=40))
def test_counts_of_a_peer(calls):
    written = specification("ipc/peer_stats").PeerStats
    sides = []
    for board, make in zip(_BOARDS, (peer_stats_in_use.PeerStats, written), strict=True):
        board.clear_place(5)
        board.row(RETIRED_ROW)[ROWS] = 3
        sides.append([make(board, 5, row) for row in range(3)])
    for row, (name, *arguments) in calls:
        first, second = (getattr(side[row], name)(*arguments) for side in sides)
        assert (first is second is None) or first % 2**64 == second % 2**64, name
    one, other = (
        [*board.marks(0, 6), *(board.tally(5, row, cell) for row in range(3) for cell in range(TALLY))]
        for board in _BOARDS
    )
    assert one == other
    assert _BOARDS[0].all_totals(5) == [_BOARDS[0].total(5, cell) for cell in range(TALLY)]
