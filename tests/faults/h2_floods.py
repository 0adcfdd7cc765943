"""Floods over HTTP/2: what a hostile client sends again and again, and the code with which rsp has to end it."""

from collections.abc import Callable
from typing import NamedTuple

from tests.h2_client import (
    ACK,
    COMPRESSION_ERROR,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    PADDED,
    PRIORITY,
    PROTOCOL_ERROR,
    SETTINGS,
    STREAM_CLOSED,
    WITH_PRIORITY,
    block,
    continuation,
    data,
    frame,
    headers,
    integer,
    literal,
    ping,
    priority,
    request_fields,
    reset,
    settings,
    window_update,
)


class Flood(NamedTuple):
    """``first`` once, then ``again(n)`` for n = 0, 1, ...; ``most``: bytes after which the client gives up.

    ``requests``  that may reach the peer before
    """

    name: str
    first: bytes
    again: Callable[[int], bytes]
    codes: tuple[int, ...] = (ENHANCE_YOUR_CALM,)
    most: int = 16 << 20
    requests: int = 0


GET = block(request_fields("/"))
POST = block(request_fields("/", method="POST"))
LENGTH_4 = block(request_fields("/", ("content-length", "4"), method="POST"))
HANGS = block(request_fields("/hang"))
RESETS = 600  # requests that are reset, at most: 500 points' worth, and what time gives meanwhile


def number(at: int) -> int:
    return 2 * at + 1


def _reset_by_rsp(name: str, provoke: Callable[[int], bytes], fields: bytes = POST, *, end: bool = False) -> Flood:
    """MadeYouReset (CVE-2025-8671): rsp itself resets the stream, and the request may have begun at the peer."""
    return Flood(
        f"made you reset: {name}",
        b"",
        lambda at: headers(number(at), fields, end=end) + provoke(number(at)),
        requests=RESETS,
    )


def _bomb(at: int) -> bytes:
    """4,000 bytes in the table, then 16,000 references to them: 64 MB."""
    insert = literal("x-large", "x" * 3900, 0x40) if at == 0 else b""
    return headers(number(at), GET + insert + b"\xbe" * (16000 - len(GET + insert)))


def _padded(at: int) -> bytes:
    return frame(0, PADDED, 1, b"\xff" + bytes(255))


FLOODS = [
    Flood("rapid reset", b"", lambda at: headers(number(at), GET) + reset(number(at)), requests=RESETS),
    Flood("rapid reset of requests that hang", b"", lambda at: headers(number(at), HANGS) + reset(number(at)), requests=RESETS),
    Flood("rapid reset, paid for with bytes", headers(1, HANGS, end=False), lambda at: data(1, b"x") * 20 + headers(number(at + 1), GET) + reset(number(at + 1)), requests=RESETS),
    _reset_by_rsp("WINDOW_UPDATE by 0", lambda it: window_update(it, 0), end=False),
    _reset_by_rsp("WINDOW_UPDATE by 0, request whole", lambda it: window_update(it, 0), HANGS, end=True),
    _reset_by_rsp("a window above 2^31-1", lambda it: window_update(it, LARGEST_WINDOW) * 2, HANGS, end=True),
    _reset_by_rsp("DATA behind the end", lambda it: data(it, b"x"), HANGS, end=True),
    _reset_by_rsp("HEADERS behind the end", lambda it: headers(it, GET), HANGS, end=True),
    _reset_by_rsp("trailers without END_STREAM", lambda it: headers(it, [("x", "y")], end=False)),
    _reset_by_rsp("a pseudo-field in trailers", lambda it: headers(it, [(":path", "/")])),
    _reset_by_rsp("more than Content-Length", lambda it: data(it, b"12345"), LENGTH_4),
    _reset_by_rsp("less than Content-Length", lambda it: data(it, b"123", end=True), LENGTH_4),
    Flood("made you reset: PRIORITY of 4 bytes", b"", lambda at: headers(number(at), HANGS) + frame(PRIORITY, 0, number(at), bytes(4)), (FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM), requests=RESETS),
    Flood("made you reset: PRIORITY on itself", b"", lambda at: headers(number(at), HANGS) + priority(number(at), number(at)), (PROTOCOL_ERROR, ENHANCE_YOUR_CALM), requests=RESETS),
    Flood("made you reset: HEADERS on itself", b"", lambda at: frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, number(at), number(at).to_bytes(4) + b"\0" + GET), (PROTOCOL_ERROR, ENHANCE_YOUR_CALM)),
    Flood("malformed requests", b"", lambda at: headers(number(at), GET + literal("X-Upper", "1"))),
    Flood("fields without a name", b"", lambda at: headers(number(at), GET + literal("", ""))),
    Flood("more streams than allowed", b"", lambda at: headers(number(at), HANGS), requests=128),
    Flood("CONTINUATION", headers(1, GET, more=True), lambda at: continuation(1, literal(f"x-{at}", "x" * 60), more=True)),
    Flood("CONTINUATION, large", headers(1, GET, more=True), lambda at: continuation(1, literal(f"x-{at}", "x" * 16000), more=True)),
    Flood("CONTINUATION, empty", headers(1, GET, more=True), lambda _: continuation(1, b"", more=True)),
    Flood("SETTINGS", b"", lambda _: settings()),
    Flood("SETTINGS, large", b"", lambda _: settings(*[(INITIAL_WINDOW_SIZE, 65535)] * 2000)),
    Flood("SETTINGS that move windows", b"".join(headers(number(at), HANGS) for at in range(100)), lambda at: settings((INITIAL_WINDOW_SIZE, at % 2)) , requests=128),
    Flood("SETTINGS with ACK", b"", lambda _: frame(SETTINGS, ACK)),
    Flood("PING", b"", lambda _: ping()),
    Flood("PING with ACK", b"", lambda _: ping(flags=ACK)),
    Flood("PRIORITY", b"", lambda at: priority(number(at % 1000), 0)),
    Flood("WINDOW_UPDATE", b"", lambda _: window_update(0, 1)),
    Flood("WINDOW_UPDATE of a stream", headers(1, HANGS), lambda _: window_update(1, 1), requests=1),
    Flood("WINDOW_UPDATE of a closed stream", headers(1, HANGS) + reset(1), lambda _: window_update(1, 1), requests=1),
    Flood("empty DATA", headers(1, POST, end=False), lambda _: data(1), requests=1),
    Flood("DATA of padding", headers(1, POST, end=False), _padded, requests=1),
    Flood("empty HEADERS", headers(1, POST, end=False), lambda _: headers(1, b""), (ENHANCE_YOUR_CALM, STREAM_CLOSED), requests=1),
    Flood("DATA of a closed stream", headers(1, POST, end=False) + reset(1), lambda _: data(1, b"x"), (ENHANCE_YOUR_CALM, STREAM_CLOSED), requests=1),
    Flood("RST_STREAM of a closed stream", headers(1, POST, end=False), lambda _: reset(1), requests=1),
    Flood("GOAWAY", b"", lambda _: frame(GOAWAY, 0, 0, bytes(8))),
    Flood("unknown frames", b"", lambda _: frame(0x42)),
    Flood("HPACK bomb", b"", _bomb, most=32 << 20),
    Flood("table size updates", b"", lambda at: headers(number(at), integer(0, 5, 0x20) * 1000 + GET), (COMPRESSION_ERROR,)),
    Flood("an endless integer", b"", lambda at: headers(number(at), b"\x7f" + b"\xff" * 10000), (COMPRESSION_ERROR,)),
    Flood("the last stream first", headers(LARGEST_WINDOW, GET), lambda at: headers(number(at), GET), (PROTOCOL_ERROR,), requests=1),
]  # fmt: skip
