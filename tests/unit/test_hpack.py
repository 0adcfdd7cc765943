"""HPACK: the examples of RFC 7541, what ends a connection, what makes a message malformed."""

import hpack as oracle
import pytest
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

from rsp.http.h2 import huffman
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.frames import COMPRESSION_ERROR
from rsp.http.h2.hpack import Decoder, Fields
from rsp.http.h2.static_table import NUMBERS, STATIC

PLENTY = 1 << 20


def decode(block: bytes, limit: int = PLENTY, *, trailers: bool = False) -> Fields:
    return Decoder().decode(block, limit, trailers)


def literal(name: bytes, value: bytes) -> bytes:
    """Written out, not for the table."""
    return b"\x00%c%b%c%b" % (len(name), name, len(value), value)


def block_of(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(literal(*field) for field in fields)


def test_static_table_and_code_are_those_of_the_standard():
    assert tuple(HeaderTable.STATIC_TABLE) == STATIC
    assert list(huffman.LENGTHS) == REQUEST_CODES_LENGTH
    assert list(huffman.CODES) == REQUEST_CODES
    assert NUMBERS[b":path"] == 4


# RFC 7541 appendix C.3 to C.6: blocks of one connection, and what the last of them says.
REQUESTS = {
    "plain": ["828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
              "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"],
    "huffman": ["828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"],
}  # fmt: skip
RESPONSES = {
    "plain": [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b"
        "48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ],
    "huffman": [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
}  # fmt: skip


@pytest.mark.parametrize("form", REQUESTS)
def test_requests_of_the_standard(form):
    decoder = Decoder()
    for text in REQUESTS[form]:
        fields = decoder.decode(bytes.fromhex(text), PLENTY, False)
    assert (fields.method, fields.scheme, fields.path) == (b"GET", b"https", b"/index.html")
    assert fields.authority == b"www.example.com"
    assert fields.lines == b"custom-key: custom-value\r\n"
    assert fields.count == 5 and not fields.fault


@pytest.mark.parametrize("form", RESPONSES)
def test_responses_of_the_standard_with_a_table_of_256_bytes(form):
    decoder = Decoder(256)
    for text in RESPONSES[form]:
        fields = decoder.decode(bytes.fromhex(text), PLENTY, False)
    assert fields.status == b"200"
    assert fields.lines == (
        b"cache-control: private\r\ndate: Mon, 21 Oct 2013 20:13:22 GMT\r\nlocation: https://www.example.com\r\n"
        b"content-encoding: gzip\r\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\r\n"
    )


BROKEN = {
    "index 0": b"\x80",
    "an index behind the table": b"\xbe",
    "a name's index behind the table": b"\x7e\x01a",
    "an index that is far too large": b"\xff\xff\xff\xff\x7f",
    "an integer that does not end": b"\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
    "an integer above 64 bits": b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "an integer that is cut": b"\xff",
    "an integer that is cut later": b"\xff\x80",
    "a literal without a name": b"\x00",
    "a literal without a value": b"\x00\x01a",
    "a literal without a value that goes into the table": b"\x40\x01a",
    "a literal with a known name and no value": b"\x01",
    "a name that is cut": b"\x00\x05abc",
    "a value that is cut": b"\x00\x01a\x05abc",
    "a value that is cut by a byte": b"\x00\x01a\x05abcd",
    "a value whose length is cut": b"\x00\x01a\x7f",
    "a value longer than memory": b"\x00\x01a\x7f\xff\xff\xff\x7f",
    "an empty padding of a whole byte": b"\x00\x01a\x81\xff",
    "padding of more than 7 bits": b"\x00\x01a\x82\x1f\xff",
    "padding of zeros": b"\x00\x01a\x81\x18",
    "padding that is not all ones": b"\x00\x01a\x81\x1d",
    "EOS": b"\x00\x01a\x84\xff\xff\xff\xff",
    "EOS behind a byte": b"\x00\x01a\x85\x1f\xff\xff\xff\xff",
    "a long code that is cut": b"\x00\x01a\x82\xff\xfe",
    "a table above SETTINGS": b"\x3f\xe2\x1f",
    "a table size behind a field": b"\x88\x20",
    "a third table size": b"\x20\x3f\xe1\x1f\x20",
    "a table size that is cut": b"\x3f",
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_blocks_end_the_connection(what):
    with pytest.raises(Http2Error) as caught:
        decode(BROKEN[what])
    assert caught.value.code == COMPRESSION_ERROR
    with pytest.raises(oracle.HPACKError):
        if what == "a third table size":
            raise oracle.HPACKError  # the other implementation is more patient
        oracle.Decoder().decode(BROKEN[what], raw=True)


def test_table_sizes_at_the_beginning_of_a_block():
    decoder = Decoder()
    assert decoder.decode(b"\x20\x3f\xe1\x1f\x88", PLENTY, False).status == b"200"
    assert decoder.decode(b"\x40\x01a\x01b", PLENTY, False).lines == b"a: b\r\n"
    assert decoder.decode(b"\xbe", PLENTY, False).lines == b"a: b\r\n"
    assert decoder.decode(b"\x3f\x03\xbe", PLENTY, False).lines == b"a: b\r\n"  # 34 bytes are just enough
    assert decoder.decode(b"\x3f\x02", PLENTY, False).count == 0
    with pytest.raises(Http2Error):
        decoder.decode(b"\xbe", PLENTY, False)


def test_table_is_full_to_the_byte():
    decoder = Decoder(2 * 34)
    for letter in b"abc":
        decoder.decode(b"\x40\x01%c\x01x" % letter, PLENTY, False)
    assert decoder.decode(b"\xbf\xbe", PLENTY, False).lines == b"b: x\r\nc: x\r\n"
    with pytest.raises(Http2Error):
        decoder.decode(b"\xc0", PLENTY, False)
    decoder.decode(b"\x40\x02bb\x01x", PLENTY, False)  # a byte more drives out both
    with pytest.raises(Http2Error):
        decoder.decode(b"\xbf", PLENTY, False)


def test_larger_table_begins_when_the_encoder_says_so():
    """It may not have seen SETTINGS before (RFC 7541 section 4.2)."""
    decoder, large = Decoder(1 << 16), b"\x40\x01a\x7f\xa1\x0f" + b"x" * 2080
    decoder.decode(large * 2, PLENTY, False)
    with pytest.raises(Http2Error):
        decoder.decode(b"\xbf", PLENTY, False)
    assert decoder.decode(b"\x3f\xe1\xff\x03" + large * 2 + b"\xc0", PLENTY, False).count == 3


def test_integers_are_short_whatever_they_say():
    """RFC 7541 section 5.1: a decoder has limits of its own."""
    assert decode(b"\x00\x01a\x7f\x80\x80\x80\x00" + b"b" * 127).lines == b"a: " + b"b" * 127 + b"\r\n"
    with pytest.raises(Http2Error):
        decode(b"\x00\x01a\x7f\x80\x80\x80\x80\x00" + b"b" * 127)


def test_field_as_large_as_the_table_is_the_only_one():
    decoder = Decoder(34)
    assert decoder.decode(b"\x40\x01a\x01b\x40\x01c\x01d\xbe", PLENTY, False).lines == b"a: b\r\nc: d\r\nc: d\r\n"


def test_field_larger_than_the_table_empties_it():
    decoder = Decoder(100)
    decoder.decode(b"\x40\x01a\x01b", PLENTY, False)
    assert decoder.decode(b"\x40\x01a\x64" + b"x" * 100, PLENTY, False).count == 1
    with pytest.raises(Http2Error):
        decoder.decode(b"\xbe", PLENTY, False)


def test_name_of_an_entry_that_its_own_insertion_drives_out():
    decoder = Decoder(80)
    decoder.decode(b"\x40\x04name\x01b", PLENTY, False)
    fields = decoder.decode(b"\x7e\x28" + b"x" * 40, PLENTY, False)
    assert fields.lines == b"name: " + b"x" * 40 + b"\r\n"
    assert decoder.decode(b"\xbe", PLENTY, False).lines == fields.lines


def test_what_fields_say():
    fields = decode(
        block_of(
            (b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/x"),
            (b":protocol", b"websocket"), (b"accept", b"*/*"), (b"cookie", b"a=b"), (b"host", b"b.example"), (b"content-length", b"17"),
            (b"cookie", b"c=d"), (b"te", b"Trailers"), (b"x-empty", b""), (b"cookie", b""), (b"priority", b"u=1"),
        )
    )  # fmt: skip
    assert (fields.method, fields.scheme, fields.authority) == (b"POST", b"https", b"a.example")
    assert (fields.path, fields.protocol, fields.status) == (b"/x", b"websocket", None)
    assert (fields.host, fields.length, fields.urgency, fields.count) == (b"b.example", 17, 1, 14)
    assert fields.lines == (
        b"accept: */*\r\ncookie: a=b; c=d\r\ncontent-length: 17\r\nte: Trailers\r\nx-empty: \r\npriority: u=1\r\n"
    )
    assert not fields.fault and not fields.too_large


def test_an_empty_block_says_nothing():
    fields = decode(b"")
    assert (fields.lines, fields.count, fields.size, fields.length, fields.fault) == (b"", 0, 0, -1, "")
    assert fields.method is fields.host is None and fields.urgency == -1


@pytest.mark.parametrize(
    ("values", "urgency"),
    [
        ([b"u=0"], 0),
        ([b"u=7, i"], 7),
        ([b"u=8"], -1),
        ([b"i"], -1),
        ([b"u="], -1),
        ([b"i", b"u=5", b"u=2"], 5),
        ([b"U=1"], -1),
    ],
)
def test_urgency_of_priority(values, urgency):
    assert decode(block_of(*((b"priority", value) for value in values))).urgency == urgency


FAULTS = {
    "an upper-case name": [(b"Accept", b"a")],
    "a name with a space": [(b"a b", b"a")],
    "a name with a colon": [(b"a:b", b"a")],
    "a name with CR": [(b"a\r", b"a")],
    "a name with LF": [(b"a\nb", b"a")],
    "a name with NUL": [(b"a\0", b"a")],
    "a name that is not ASCII": [(b"\xe4", b"a")],
    "a name with DEL": [(b"\x7f", b"a")],
    "no name": [(b"", b"a")],
    "a value with CR": [(b"a", b"x\ry")],
    "a value with LF": [(b"a", b"x\ny")],
    "a value with a whole line": [(b"a", b"x\r\nhost: y")],
    "a value with NUL": [(b"a", b"x\0y")],
    "a value with a control character": [(b"a", b"x\x01y")],
    "a value with DEL": [(b"a", b"long enough \x7f")],
    "a value that begins with a space": [(b"a", b" x")],
    "a value that begins with a tab": [(b"a", b"\tx")],
    "a value that ends with a space": [(b"a", b"x ")],
    "a value that ends with a tab": [(b"a", b"x\t")],
    "a value that is a space": [(b"a", b" ")],
    "a cookie with LF": [(b"cookie", b"x\ny")],
    "a path with CR": [(b":path", b"/\r")],
    "a path with a space at its end": [(b":path", b"/ ")],
    "a method with LF": [(b":method", b"GET\n")],
    "an authority with NUL": [(b":authority", b"a\0")],
    "a status with a space": [(b":status", b" 200")],
    "an unknown pseudo-field": [(b":version", b"x")],
    "a pseudo-field without a name": [(b":", b"x")],
    "an upper-case pseudo-field": [(b":Path", b"/")],
    "a pseudo-field behind a field": [(b":method", b"GET"), (b"x", b"y"), (b":path", b"/")],
    "a pseudo-field behind Host": [(b"host", b"b"), (b":path", b"/")],
    "a pseudo-field behind Cookie": [(b"cookie", b"b"), (b":path", b"/")],
    "a method twice": [(b":method", b"GET"), (b":method", b"GET")],
    "a status twice": [(b":status", b"200"), (b":status", b"200")],
    "a path twice": [(b":path", b"/"), (b":path", b"/x")],
    "Connection": [(b"connection", b"close")],
    "Proxy-Connection": [(b"proxy-connection", b"close")],
    "Keep-Alive": [(b"keep-alive", b"timeout=5")],
    "Transfer-Encoding": [(b"transfer-encoding", b"chunked")],
    "Upgrade": [(b"upgrade", b"h2c")],
    "TE": [(b"te", b"gzip")],
    "TE with more": [(b"te", b"trailers, gzip")],
    "an empty TE": [(b"te", b"")],
    "lengths that differ": [(b"content-length", b"1"), (b"content-length", b"2")],
    "a length twice": [(b"content-length", b"1"), (b"content-length", b"1")],
    "a negative length": [(b"content-length", b"-1")],
    "a length with a sign": [(b"content-length", b"+1")],
    "an empty length": [(b"content-length", b"")],
    "a length that is hexadecimal": [(b"content-length", b"0x1")],
    "a list of lengths": [(b"content-length", b"1, 1")],
    "a length of 19 digits": [(b"content-length", b"1" * 19)],
    "hosts that differ": [(b"host", b"a"), (b"host", b"b")],
    "a host twice": [(b"host", b"a"), (b"host", b"a")],
}


@pytest.mark.parametrize("what", FAULTS)
def test_malformed_messages_leave_the_table_right(what):
    decoder = Decoder()
    added = b"\x40\x05x-new\x03say"
    fields = decoder.decode(block_of(*FAULTS[what]) + added + literal(b"a", b"b"), PLENTY, False)
    assert fields.fault
    assert fields.count == len(FAULTS[what]) + 2
    assert b"x-new" not in fields.lines and b"a: b" not in fields.lines
    fields = decoder.decode(b"\xbe", PLENTY, False)
    assert (fields.lines, fields.fault) == (b"x-new: say\r\n", "")


@pytest.mark.parametrize("what", FAULTS)
def test_malformed_fields_are_so_when_they_come_out_of_the_table(what):
    decoder = Decoder()
    for name, value in FAULTS[what]:
        decoder.decode(b"\x40%c%b%c%b" % (len(name), name, len(value), value), PLENTY, False)
    count = len(FAULTS[what])
    assert decoder.decode(bytes(0x80 | 61 + number for number in range(count, 0, -1)), PLENTY, False).fault


def test_first_of_two_pseudo_fields_stands():
    fields = decode(block_of((b":path", b"/a"), (b":path", b"/b")))
    assert fields.path == b"/a" and fields.fault


def test_values_that_look_odd_and_are_sound():
    fields = decode(
        block_of((b"a", b"x\ty z"), (b"b", b"\x80\xff"), (b"c!#$%&'*+-.^_`|~0", b'":,;'), (b"d", b"x" * 100))
    )
    assert not fields.fault
    assert fields.lines.count(b"\r\n") == 4


def test_trailers():
    fields = decode(block_of((b"grpc-status", b"0")), trailers=True)
    assert (fields.lines, fields.fault) == (b"grpc-status: 0\r\n", "")
    assert decode(block_of((b":status", b"200")), trailers=True).fault
    assert decode(b"\x88", trailers=True).fault


def test_limit_is_for_the_whole_section():
    block = block_of((b"a", b"b"), (b"c", b"d"))
    assert not decode(block, 68).too_large
    fields = decode(block, 67)
    assert fields.too_large and (fields.count, fields.size, fields.lines) == (2, 68, b"a: b\r\n")
    assert not fields.fault


def test_bomb_costs_its_own_size_and_no_more():
    """One line of 4,000 bytes, and then one byte for each time that it is meant again."""
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000, PLENTY, False)
    fields = decoder.decode(b"\xbe" * 60_000, 16_384, False)
    assert fields.too_large
    assert (fields.count, fields.size) == (60_000, 60_000 * 4033)
    assert len(fields.lines) <= 16_384


def test_cookie_crumbs_are_bounded_like_lines():
    fields = decode(literal(b"cookie", b"a=b") * 1000, 4100)
    assert fields.too_large and len(fields.lines) == len(b"cookie: \r\n") + 100 * 5 - 2
