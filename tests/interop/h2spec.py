"""The cases of h2spec (github.com/summerwind/h2spec), section by section, as what is sent and what must follow.

`generic` are its cases for what every server accepts; the numbers of the others are sections of RFC 7540, whose rules
RFC 9113 has kept, and of RFC 7541 (`hpack`).
"""

from typing import NamedTuple

from tests.h2_client import (
    ACK,
    COMPRESSION_ERROR,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Client,
    Field,
    block,
    continuation,
    data,
    frame,
    goaway,
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
from tests.interop.h2_expect import (
    PING_DATA,
    Step,
    acknowledged,
    answered,
    closed,
    connection_error,
    data_of,
    pings,
    pong,
    pong_or_closed,
    reset_of_stream,
    some_data,
    stream_ended,
    stream_error,
    turned_away,
)


class Case(NamedTuple):
    section: str
    title: str
    steps: tuple[Step, ...]
    bare: bool = False  # nothing is sent before them


def case(section: str, title: str, *steps: Step) -> Case:
    return Case(section, title, steps)


def ask(*more: Field, method: str = "GET", number: int = 1, end: bool = True, goes_on: bool = False) -> bytes:
    return headers(number, request_fields("/", *more, method=method), end=end, more=goes_on)


def with_block(*pieces: bytes) -> bytes:
    """A GET with representations of HPACK, in the place of ``b""`` the ordinary fields."""
    return headers(1, b"".join(piece or block(request_fields("/")) for piece in pieces))


def without(name: str) -> bytes:
    return headers(1, [field for field in request_fields("/") if field[0] != name])


def twice(name: str) -> bytes:
    """After the other pseudo-fields, as h2spec has it."""
    return ask(next(field for field in request_fields("/") if field[0] == name))


GET = ask()
POST = ask(method="POST", end=False)
REST = ("x-dummy", "x" * 4000)
CLOSED_WINDOW = settings((INITIAL_WINDOW_SIZE, 0))
PINGED = ping(PING_DATA)
PLAIN = block(request_fields("/"))
UNKNOWN = frame(0x16, 0, 0, bytes(8))
TEST = data(1, b"test", end=True)
HUFFMAN_NAME = b"\x85\xf2\xb2\x4a\x84\xff"  # x-test
HUFFMAN_VALUE = b"\x84\x9c\x48\xac\xa4"
USER_AGENT = b"\x0auser-agent"
HUFFMAN_AGENT = b"\x87\xb5\x05\xb1\x61\xcc\x5a\x93"
VALUE = b"\x06h2spec"


def dependent(number: int, on: int) -> bytes:
    payload = on.to_bytes(4) + b"\xff" + PLAIN
    return frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, number, payload)


def as_many_as_allowed_and_one(client: Client) -> None:
    most = client.settings[MAX_CONCURRENT_STREAMS]
    client.send(CLOSED_WINDOW, *(ask(number=1 + 2 * at) for at in range(most + 1)))
    stream_error(PROTOCOL_ERROR, REFUSED_STREAM, number=1 + 2 * most)(client)


GENERIC = [
    case("generic/1", "a client's preface", pings),
    case("generic/2", "PRIORITY on an idle stream", priority(1, 0, 255), PINGED, pong),
    case("generic/2", "WINDOW_UPDATE on a half-closed stream", CLOSED_WINDOW, GET, window_update(1, 1), some_data),
    case("generic/2", "PRIORITY on a half-closed stream", CLOSED_WINDOW, GET, priority(1), window_update(1, 1), some_data),
    case("generic/2", "RST_STREAM on a half-closed stream", GET, reset(1), PINGED, pong_or_closed),
    case("generic/2", "PRIORITY on a closed stream", GET, stream_ended, priority(1), PINGED, pong),
    case("generic/3.1", "DATA", POST, TEST, answered),
    case("generic/3.1", "DATA twice", POST, data(1, b"test"), TEST, answered),
    case("generic/3.1", "DATA with padding", POST, frame(0, END_STREAM | PADDED, 1, b"\5test" + bytes(5)), answered),
    case("generic/3.2", "HEADERS", GET, answered),
    case("generic/3.2", "HEADERS with padding", frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, b"\10" + PLAIN + bytes(8)), answered),
    case("generic/3.2", "HEADERS with a priority", dependent(1, 0), answered),
    case("generic/3.3", "PRIORITY: weight 1", priority(1, 0, 0), GET, answered),
    case("generic/3.3", "PRIORITY: weight 256", priority(1, 0, 255), GET, answered),
    case("generic/3.3", "PRIORITY: dependency", priority(3, 1, 0), GET, answered),
    case("generic/3.3", "PRIORITY: exclusive", priority(1, 1 << 31, 0), GET, answered),
    case("generic/3.3", "PRIORITY of an idle stream, then a lower stream", priority(3), GET, answered),
    case("generic/3.4", "RST_STREAM", GET, reset(1), PINGED, pong_or_closed),
    case("generic/3.5", "SETTINGS", settings((MAX_CONCURRENT_STREAMS, 100)), acknowledged, pings),
    case("generic/3.7", "PING", PINGED, pong),
    case("generic/3.8", "GOAWAY", goaway(), PINGED, pong_or_closed),
    case("generic/3.9", "WINDOW_UPDATE of the connection", window_update(0, 1), PINGED, pong),
    case("generic/3.9", "WINDOW_UPDATE of a stream", GET, window_update(1, 1), answered),
    case("generic/3.10", "CONTINUATION", headers(1, PLAIN[:5], more=True), continuation(1, PLAIN[5:]), answered),
    case("generic/3.10", "CONTINUATION twice", headers(1, PLAIN[:5], more=True), continuation(1, PLAIN[5:10], more=True), continuation(1, PLAIN[10:]), answered),
    case("generic/4", "GET", GET, answered),
    case("generic/4", "HEAD", ask(method="HEAD"), answered),
    case("generic/4", "POST", POST, TEST, answered),
    case("generic/4", "POST with trailers", ask(("trailer", "x-test"), method="POST", end=False), data(1, b"test"), headers(1, [("x-test", "ok")]), answered),
    case("generic/5", "an indexed field", with_block(b"", literal("user-agent", "h2spec", 0x40), b"\xbe"), answered),
    case("generic/5", "incremental indexing, indexed name", with_block(b"", b"\x7a" + VALUE), answered),
    case("generic/5", "incremental indexing, indexed name, Huffman", with_block(b"", b"\x7a" + HUFFMAN_VALUE), answered),
    case("generic/5", "incremental indexing, name", with_block(b"", b"\x40" + USER_AGENT + VALUE), answered),
    case("generic/5", "incremental indexing, name, Huffman", with_block(b"", b"\x40" + HUFFMAN_NAME + HUFFMAN_VALUE), answered),
    case("generic/5", "without indexing, indexed name", with_block(b"", b"\x0f\x2b" + VALUE), answered),
    case("generic/5", "without indexing, Huffman", with_block(b"", b"\x00" + HUFFMAN_AGENT + HUFFMAN_VALUE), answered),
    case("generic/5", "without indexing, name", with_block(b"", literal("x-test", "h2spec")), answered),
    case("generic/5", "without indexing, name, Huffman", with_block(b"", b"\x00" + HUFFMAN_NAME + HUFFMAN_VALUE), answered),
    case("generic/5", "never indexed, indexed name", with_block(b"", b"\x1f\x2b" + VALUE), answered),
    case("generic/5", "never indexed, Huffman", with_block(b"", b"\x10" + HUFFMAN_AGENT + HUFFMAN_VALUE), answered),
    case("generic/5", "never indexed, name", with_block(b"", literal("x-test", "h2spec", 0x10)), answered),
    case("generic/5", "never indexed, name, Huffman", with_block(b"", b"\x10" + HUFFMAN_NAME + HUFFMAN_VALUE), answered),
    case("generic/5", "a table size update", with_block(integer(128, 5, 0x20), b""), answered),
    case("generic/5", "two table size updates", with_block(integer(128, 5, 0x20) + integer(4096, 5, 0x20), b""), answered),
]  # fmt: skip
FRAMES = [
    case("3.5", "a client's preface", pings),
    Case("3.5", "an invalid preface", (b"INVALID CONNECTION PREFACE\r\n\r\n", turned_away), bare=True),
    case("4.1", "a frame of unknown type", UNKNOWN, PINGED, pong),
    case("4.1", "undefined flags", ping(PING_DATA, 0x16), pong),
    case("4.1", "the reserved bit", frame(PING, 0, 1 << 31, PING_DATA), pong),
    case("4.2", "DATA of 2^14 bytes", POST, data(1, b"x" * 16384, end=True), answered),
    case("4.2", "DATA of more than SETTINGS_MAX_FRAME_SIZE", POST, data(1, b"x" * 16385, end=True), stream_error(FRAME_SIZE_ERROR)),
    case("4.2", "HEADERS of more than SETTINGS_MAX_FRAME_SIZE", ask(*[REST] * 5), connection_error(FRAME_SIZE_ERROR)),
    case("4.3", "an incomplete representation", headers(1, b"\x40"), connection_error(COMPRESSION_ERROR)),
    case("4.3", "PRIORITY inside a field section", ask(goes_on=True), priority(1), continuation(1, [REST]), connection_error(PROTOCOL_ERROR)),
    case("4.3", "HEADERS of another stream inside a field section", ask(goes_on=True), ask(number=3), continuation(1, [REST]), connection_error(PROTOCOL_ERROR)),
    case("5.1", "idle: DATA", TEST, connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    case("5.1", "idle: RST_STREAM", reset(1), connection_error(PROTOCOL_ERROR)),
    case("5.1", "idle: WINDOW_UPDATE", window_update(1, 100), connection_error(PROTOCOL_ERROR)),
    case("5.1", "idle: CONTINUATION", continuation(1, PLAIN), connection_error(PROTOCOL_ERROR)),
    case("5.1", "half closed: DATA", GET, TEST, stream_error(STREAM_CLOSED)),
    case("5.1", "half closed: HEADERS", GET, GET, stream_error(STREAM_CLOSED)),
    case("5.1", "half closed: CONTINUATION", GET, continuation(1, PLAIN), stream_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    case("5.1", "closed by RST_STREAM: DATA", POST, reset(1), TEST, stream_error(STREAM_CLOSED)),
    case("5.1", "closed by RST_STREAM: HEADERS", POST, reset(1), GET, stream_error(STREAM_CLOSED)),
    case("5.1", "closed by RST_STREAM: CONTINUATION", POST, reset(1), continuation(1, [REST]), stream_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    case("5.1", "closed: DATA", GET, stream_ended, TEST, stream_error(STREAM_CLOSED)),
    case("5.1", "closed: HEADERS", GET, stream_ended, GET, connection_error(STREAM_CLOSED)),
    case("5.1", "closed: CONTINUATION", GET, stream_ended, continuation(1, [REST]), connection_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    case("5.1.1", "an even stream", ask(number=2), connection_error(PROTOCOL_ERROR)),
    case("5.1.1", "a stream below the last", ask(number=5), ask(number=3), connection_error(PROTOCOL_ERROR)),
    case("5.1.2", "more streams than allowed", as_many_as_allowed_and_one),
    case("5.3.1", "HEADERS that depends on itself", dependent(1, 1), stream_error(PROTOCOL_ERROR)),
    case("5.3.1", "PRIORITY that depends on itself", priority(1, 1), stream_error(PROTOCOL_ERROR)),
    case("5.4.1", "an invalid PING: closed", frame(PING, 0, 3, bytes(8)), closed),
    case("5.4.1", "an invalid PING: GOAWAY", frame(PING, 0, 3, bytes(8)), connection_error(PROTOCOL_ERROR)),
    case("5.5", "an extension frame", UNKNOWN, PINGED, pong),
    case("5.5", "an extension frame inside a field section", ask(goes_on=True), UNKNOWN, connection_error(PROTOCOL_ERROR)),
    case("6.1", "DATA of stream 0", data(0, b"test", end=True), connection_error(PROTOCOL_ERROR)),
    case("6.1", "DATA of a stream that is not open", ask(method="POST"), TEST, stream_error(STREAM_CLOSED)),
    case("6.1", "DATA with more padding than it has", ask(("content-length", "4"), method="POST", end=False), frame(0, END_STREAM | PADDED, 1, b"\6test"), connection_error(PROTOCOL_ERROR)),
    case("6.2", "HEADERS, then PRIORITY instead of CONTINUATION", ask(end=False, goes_on=True), priority(1), continuation(1, [REST]), connection_error(PROTOCOL_ERROR)),
    case("6.2", "HEADERS, then HEADERS of another stream", ask(end=False, goes_on=True), ask(number=3), continuation(1, [REST]), connection_error(PROTOCOL_ERROR)),
    case("6.2", "HEADERS of stream 0", ask(number=0), connection_error(PROTOCOL_ERROR)),
    case("6.2", "HEADERS with more padding than it has", frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, bytes([len(PLAIN) + 2]) + PLAIN), stream_error(PROTOCOL_ERROR)),
    case("6.3", "PRIORITY of stream 0", priority(0), connection_error(PROTOCOL_ERROR)),
    case("6.3", "PRIORITY of 4 bytes", GET, frame(PRIORITY, 0, 1, bytes(4)), stream_error(FRAME_SIZE_ERROR)),
    case("6.4", "RST_STREAM of stream 0", reset(0), connection_error(PROTOCOL_ERROR)),
    case("6.4", "RST_STREAM of an idle stream", reset(1), connection_error(PROTOCOL_ERROR)),
    case("6.4", "RST_STREAM of 3 bytes", POST, frame(RST_STREAM, 0, 1, bytes(3)), connection_error(FRAME_SIZE_ERROR)),
    case("6.5", "SETTINGS with ACK and a payload", frame(SETTINGS, ACK, 0, b"\0"), connection_error(FRAME_SIZE_ERROR)),
    case("6.5", "SETTINGS of stream 1", frame(SETTINGS, 0, 1, settings((3, 100))[9:]), connection_error(PROTOCOL_ERROR)),
    case("6.5", "SETTINGS of 3 bytes", frame(SETTINGS, 0, 0, b"\0\3\0"), connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    case("6.5.2", "SETTINGS_ENABLE_PUSH 2", settings((ENABLE_PUSH, 2)), connection_error(PROTOCOL_ERROR)),
    case("6.5.2", "SETTINGS_INITIAL_WINDOW_SIZE 2^31", settings((INITIAL_WINDOW_SIZE, 1 << 31)), connection_error(FLOW_CONTROL_ERROR)),
    case("6.5.2", "SETTINGS_MAX_FRAME_SIZE below its first value", settings((MAX_FRAME_SIZE, 16383)), connection_error(PROTOCOL_ERROR)),
    case("6.5.2", "SETTINGS_MAX_FRAME_SIZE 2^24", settings((MAX_FRAME_SIZE, 1 << 24)), connection_error(PROTOCOL_ERROR)),
    case("6.5.2", "an unknown setting", settings((0xFF, 1)), PINGED, pong),
    case("6.5.3", "SETTINGS_INITIAL_WINDOW_SIZE twice in one frame", settings((INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)), acknowledged, GET, data_of(1)),
    case("6.5.3", "SETTINGS is acknowledged", settings((ENABLE_PUSH, 0)), acknowledged, pings),
    case("6.7", "PING", PINGED, pong),
    case("6.7", "PING with ACK", ping(b"an error", ACK), PINGED, pong),
    case("6.7", "PING of stream 1", frame(PING, 0, 1, bytes(8)), connection_error(PROTOCOL_ERROR)),
    case("6.7", "PING of 6 bytes", frame(PING, 0, 0, bytes(6)), connection_error(FRAME_SIZE_ERROR)),
    case("6.8", "GOAWAY of stream 1", frame(GOAWAY, 0, 1, bytes(8)), connection_error(PROTOCOL_ERROR)),
    case("6.9", "WINDOW_UPDATE by 0", window_update(0, 0), connection_error(PROTOCOL_ERROR)),
    case("6.9", "WINDOW_UPDATE by 0 of a stream", POST, window_update(1, 0), stream_error(PROTOCOL_ERROR)),
    case("6.9", "WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"), connection_error(FRAME_SIZE_ERROR)),
    case("6.9.1", "a window of 1", settings((INITIAL_WINDOW_SIZE, 1)), acknowledged, GET, data_of(1)),
    case("6.9.1", "the connection's window above 2^31-1", window_update(0, LARGEST_WINDOW) * 2, connection_error(FLOW_CONTROL_ERROR)),
    case("6.9.1", "a stream's window above 2^31-1", POST, window_update(1, LARGEST_WINDOW) * 2, reset_of_stream(FLOW_CONTROL_ERROR)),
    case("6.9.2", "windows follow SETTINGS_INITIAL_WINDOW_SIZE", CLOSED_WINDOW, acknowledged, GET, settings((INITIAL_WINDOW_SIZE, 1)), data_of(1)),
    case("6.9.2", "a negative window", settings((INITIAL_WINDOW_SIZE, 3)), acknowledged, GET, data_of(3), settings((INITIAL_WINDOW_SIZE, 2)), acknowledged, window_update(1, 2), data_of(1)),
    case("6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE too large", settings((INITIAL_WINDOW_SIZE, 1 << 31)), connection_error(FLOW_CONTROL_ERROR)),
    case("6.10", "CONTINUATION twice", ask(goes_on=True), continuation(1, [("x-dummy", "x")], more=True), continuation(1, [("x-dummy", "x")]), answered),
    case("6.10", "CONTINUATION, then DATA", ask(method="POST", end=False, goes_on=True), continuation(1, [REST], more=True), TEST, connection_error(PROTOCOL_ERROR)),
    case("6.10", "CONTINUATION of stream 0", ask(goes_on=True), continuation(0, [REST]), connection_error(PROTOCOL_ERROR)),
    case("6.10", "CONTINUATION after HEADERS with END_HEADERS", GET, continuation(1, [REST]), connection_error(PROTOCOL_ERROR)),
    case("6.10", "CONTINUATION after CONTINUATION with END_HEADERS", ask(goes_on=True), continuation(1, [REST]), continuation(1, [REST]), connection_error(PROTOCOL_ERROR)),
    case("6.10", "CONTINUATION after DATA", ask(method="POST", end=False, goes_on=True), TEST, continuation(1, [REST], more=True), connection_error(PROTOCOL_ERROR)),
    case("7", "GOAWAY with an unknown code", goaway(0, 0xFF), PINGED, pong_or_closed),
    case("7", "RST_STREAM with an unknown code", POST, reset(1, 0xFF), PINGED, pong_or_closed),
]  # fmt: skip
FIELDS = [
    case("8.1", "a second HEADERS without END_STREAM", POST, data(1, b"test"), headers(1, [("x-test", "ok")], end=False), stream_error(PROTOCOL_ERROR)),
    case("8.1.2", "a name with uppercase letters", ask(("X-TEST", "ok")), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.1", "an unknown pseudo-field", ask((":test", "ok")), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.1", "a response's pseudo-field", ask((":status", "200")), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.1", "a pseudo-field in trailers", POST, data(1, b"test"), headers(1, [(":method", "POST")], end=False), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.1", "a pseudo-field after a field", headers(1, [("x-test", "ok"), *request_fields("/")]), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.2", "Connection", ask(("connection", "keep-alive")), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.2", "TE other than trailers", ask(("trailers", "test"), ("te", "trailers, deflate")), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.3", ":path is empty", headers(1, request_fields("")), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.3", "without :method", without(":method"), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.3", "without :scheme", without(":scheme"), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.3", "without :path", without(":path"), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.3", ":method twice", twice(":method"), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.3", ":scheme twice", twice(":scheme"), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.3", ":path twice", twice(":path"), stream_error(PROTOCOL_ERROR)),
    case("8.1.2.6", "Content-Length below the length of DATA", ask(("content-length", "1"), method="POST", end=False), TEST, stream_error(PROTOCOL_ERROR)),
    case("8.1.2.6", "Content-Length below the length of all DATA", ask(("content-length", "1"), method="POST", end=False), data(1, b"test"), TEST, stream_error(PROTOCOL_ERROR)),
    case("8.2", "PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\3" + PLAIN), connection_error(PROTOCOL_ERROR)),
    case("hpack/2.3.3", "an index above the tables", with_block(b"", b"\xc6"), connection_error(COMPRESSION_ERROR)),
    case("hpack/2.3.3", "a name's index above the tables", with_block(b"", b"\x7f\7\0"), connection_error(COMPRESSION_ERROR)),
    case("hpack/4.2", "a table size update at the end", with_block(b"", b"\x21"), connection_error(COMPRESSION_ERROR)),
    case("hpack/5.2", "Huffman padding above 7 bits", with_block(b"", b"\0" + HUFFMAN_NAME + b"\x84\x49\x50\x9f\xff"), connection_error(COMPRESSION_ERROR)),
    case("hpack/5.2", "Huffman padding of zeros", with_block(b"", b"\0" + HUFFMAN_NAME + b"\x83\x49\x50\x90"), connection_error(COMPRESSION_ERROR)),
    case("hpack/5.2", "EOS", with_block(b"", b"\0" + HUFFMAN_NAME + b"\x87\x49\x51\xff\xff\xff\xfa\x7f"), connection_error(COMPRESSION_ERROR)),
    case("hpack/6.1", "index 0", with_block(b"", b"\x80"), connection_error(COMPRESSION_ERROR)),
    case("hpack/6.3", "a table size above SETTINGS_HEADER_TABLE_SIZE", with_block(integer(4097, 5, 0x20), b""), connection_error(COMPRESSION_ERROR)),
]  # fmt: skip
CASES = GENERIC + FRAMES + FIELDS
