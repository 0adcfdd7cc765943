"""Numbers at the edges of what C, Lua and the shared memory can hold: nothing fails there, and both builds say the same."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsp.commands.rehearsal import Rehearsal
from rsp.config.errors import ConfigError
from rsp.http import request_id
from rsp.http.h1 import codec, write
from rsp.http.h1.codec import parse_request, parse_response
from rsp.ipc import peer_cells, worker_cells
from rsp.ipc.peer_stats import PeerStats
from rsp.ipc.scoreboard import RETIRED_ROW, Scoreboard, tally_at
from rsp.logs import combined as combined_in_use
from rsp.lua.evaluate import evaluate
from tests.property.test_twins import specification

EDGES = [2**31 - 3, 2**32 - 3, 2**53 - 3, 2**63 - 10]
SITE = """
listen "127.0.0.1:8000"
upstream "app" { "127.0.0.1:9001" }
function on_request(req) req.ctx.path = req.path sleep(0) end
function on_response(req, res)
  res.filter = function(chunk, last) return chunk:upper() .. (last and req.ctx.path or "") end
end
function on_log(req, res) assert(req.ctx.path == req.path) end
route { to = "app" }
"""
words = st.integers(-(2**63), 2**63 - 1)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
REQUEST = b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    path = tmp_path_factory.mktemp("counters") / "site.lua"
    path.write_text(SITE)
    config, files = evaluate(str(path))
    played = Rehearsal(config, str(path), files)
    yield played
    played.close()


@pytest.mark.parametrize("edge", EDGES)
def test_requests_with_hooks_go_on_over_every_edge(rehearsal, edge):
    hooks, context = rehearsal._hooks, rehearsal._context
    hooks._last = context._ids = edge
    for name in ("ACCEPTED", "REQUESTS", "RETRIES", "HEDGES", "BYTES_SENT", "STATUS_2XX", "STATUS_4XX"):
        context.stats.put(getattr(worker_cells, name), edge)
    for number in range(6):
        asked = rehearsal._ask(REQUEST % number, b"127.0.0.1", ANSWER)
        result = rehearsal._loop.run_until_complete(asked)
        assert hooks.failures == []
        assert result.status == 200
        assert result.body == b"ABC/%d" % number
        assert 0 < hooks._last <= 2**53
    context.publish()
    assert context.scoreboard.row(0)[worker_cells.REQUESTS] == edge + 6


@given(words, words, st.floats() | st.floats(-10, 1e6), words)
@example(-1, -(2**63), float("nan"), 0)
@example(2**31, 2**63 - 1, float("inf"), -5)
@example(200, 10**18, -0.002, 1)
def test_numbers_are_written_as_python_does(status, size, seconds, number):
    status = (status + 2**31) % 2**32 - 2**31  # a C int
    line = [b"c", b"s", b"GET", b"/", b"1.1", status, size, b"", b"", b"", seconds, seconds, b"id"]
    written = combined_in_use.combined(*line)
    assert written == specification("logs/combined").combined(*line)
    assert b'" %d %d "' % (status, size) in written
    assert (
        request_id.make_id(b"p", number)
        == specification("http/request_id").make_id(b"p", number)
        == b"p-%x" % (number % 2**64)
    )
    head = parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"GET")
    head.status = status
    assert codec.response_head(head, b"", size, b"") == write.response_head(head, b"", size, b"")
    request = parse_request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    request.framing = size
    given_ = (request, b"/", b"a", b"", b"", b"")
    assert codec.request_head(*given_) == write.request_head(*given_)


def test_the_longest_body_is_understood():
    longest = b"9" * 18
    assert parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % longest, b"GET").framing == int(longest)


def test_counters_in_cells_go_over_every_edge():
    board = Scoreboard()
    board.row(RETIRED_ROW)[worker_cells.ROWS] = 2
    place = PeerStats(board, 3, 0)
    for edge in EDGES:
        board.cells[tally_at(3, 0) + peer_cells.REQUESTS] = edge
        for _ in range(6):
            place.answered(1, 1, 200)
        assert board.total(3, peer_cells.REQUESTS) == edge + 6
        assert place.own(peer_cells.REQUESTS) == edge + 6
    row = board.row(0)
    for value in (-1, 2**64, 2**70):  # a worker may have written anything
        row[worker_cells.REQUESTS] = value
        assert 0 <= row[worker_cells.REQUESTS] < 2**64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('limits = { body = "99999999999999999GB" }', "expected at most 1073741824GB"),
        ("limits = { body = 2 ^ 70 }", "expected a size"),
        ("limits = { buffer = 1 / 0 }", "expected a size"),
        ("limits = { fields = 2 ^ 70 }", "fields"),
        ('timeouts = { idle = "9999999999999d" }', "expected less than 1e+10 seconds"),
        ("timeouts = { idle = 1e300 }", "expected a duration"),
        ('upstream "b" { "127.0.0.1:2", keepalive = 2 ^ 64 }', "keepalive"),
        ('upstream "b" { { "127.0.0.1:2", weight = 1e30 } }', "weight"),
        ('upstream "b" { "127.0.0.1:2", retry = { tries = 1e19 } }', "tries"),
    ],
)
def test_settings_that_no_number_in_c_can_hold_are_refused(tmp_path, text, message):
    path = tmp_path / "site.lua"
    path.write_text(f'listen "127.0.0.1:1"\nupstream "app" {{ "127.0.0.1:2" }}\n{text}\nroute {{ to = "app" }}\n')
    with pytest.raises(ConfigError) as caught:
        evaluate(str(path))
    assert message in str(caught.value)


@pytest.mark.parametrize("status", ["2 ^ 40", "-5", "1.5", "0/0", "1/0", "200LL", "99", "600"])
def test_statuses_of_hooks_are_checked(tmp_path, status):
    path = tmp_path / "site.lua"
    path.write_text(SITE.replace("res.filter =", f"res.status = {status} res.filter ="))
    config, files = evaluate(str(path))
    played = Rehearsal(config, str(path), files)
    result = played.ask(REQUEST % 1, b"127.0.0.1")
    played.close()
    assert result.status == 500
    assert "expected a number from 200" in result.log[0]


def test_all_digits_of_a_number_are_in_a_key_and_in_a_field(tmp_path):
    path = tmp_path / "site.lua"
    path.write_text("""
    listen "127.0.0.1:8000"
    on_request(function(req)
      local d = shared("d")
      d:set(1e15, "a") d:set(1e15 + 1, "b")
      return respond(200, d:get(1e15) .. d:get("1000000000000001"), { ["X-A"] = 2 ^ 53 - 1, ["X-B"] = 1.5, ["X-C"] = 7 })
    end)
    """)
    config, files = evaluate(str(path))
    played = Rehearsal(config, str(path), files)
    result = played.ask(REQUEST % 1, b"127.0.0.1")
    played.close()
    assert result.body == b"ab", result.log
    for line in (b"X-A: 9007199254740991\r\n", b"X-B: 1.5\r\n", b"X-C: 7\r\n"):
        assert line in result.fields
