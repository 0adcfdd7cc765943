"""What HPACK's encoder writes, and what it puts into its table."""

import hpack as oracle
import pytest

from rsp.http.h2.hpack import Encoder


def sizes(encoder: Encoder, lines: bytes, times: int) -> list[int]:
    return [len(encoder.response(200, lines, -1)) for _ in range(times)]


def test_field_goes_into_the_table_when_it_comes_again():
    first, second, third, fourth = sizes(Encoder(), b"Server: abc\r\n", 4)
    assert (first, second) == (1 + 2 + 4, 1 + 1 + 4)  # its name's number fits into one byte when it is added
    assert third == fourth == 1 + 1


@pytest.mark.parametrize("name", ["Date", "ETag", "Content-Length", "Last-Modified", "Location", "Age", "Expires", "Set-Cookie", "X-Request-ID"])  # fmt: skip
def test_what_seldom_repeats_stays_out_of_the_table(name):
    assert len(set(sizes(Encoder(), b"%b: abc\r\n" % name.encode(), 5))) == 1


@pytest.mark.parametrize(("line", "never"), [
    (b"Authorization: Basic eA==", True), (b"proxy-authorization: x", True), (b"Cookie: a=b", True), (b"cookie: " + b"x" * 19, True), (b"cookie: " + b"x" * 20, False),
])  # fmt: skip
def test_secrets_never_go_into_a_table(line, never):
    encoder, decoder = Encoder(), oracle.Decoder()
    for _ in range(4):
        block = encoder.trailers([line])
        (field,) = decoder.decode(block, raw=True)
    assert isinstance(field, oracle.NeverIndexedHeaderTuple) == never
    assert (len(block) == 1) == (not never)


def test_many_new_values_drive_nothing_out():
    encoder = Encoder()
    sizes(encoder, b"Server: abc\r\n", 3)
    for number in range(5000):
        encoder.response(200, b"X-Number: %d\r\n" % number, -1)
    assert sizes(encoder, b"Server: abc\r\n", 1) == [2]


def test_large_fields_stay_out_of_the_table():
    assert len(set(sizes(Encoder(), b"X: %b\r\n" % (b"y" * 1000), 4))) == 1
    assert sizes(Encoder(), b"X: %b\r\n" % (b"y" * 900), 4)[-1] == 2


def test_new_size_of_the_table_is_told_once_and_obeyed():
    encoder = Encoder()
    sizes(encoder, b"A: b\r\n", 3)
    encoder.resize(1 << 20)
    assert encoder.response(200, b"A: b\r\n", -1) == b"\x88\xbe"
    encoder.resize(0)
    assert encoder.response(200, b"", -1) == b"\x20\x88"
    encoder.resize(4096)
    encoder.resize(100)
    encoder.resize(1 << 20)
    assert encoder.response(200, b"", -1) == b"\x3f\x45\x3f\xe1\x1f\x88"
    assert encoder.response(200, b"A: b\r\n", -1) == b"\x88\x40\x01a\x01b"  # it came a short time ago


def test_requests_and_responses_as_they_are_written():
    decoder, encoder = oracle.Decoder(), Encoder()
    block = encoder.request(
        b"POST", b"https", b"a.example", b"/", b"", b"Accept:  x \r\nTE: trailers\r\n", b"Connection: close\r\nA:\r\n"
    )
    assert decoder.decode(block) == [
        (":method", "POST"), (":scheme", "https"), (":authority", "a.example"), (":path", "/"),
        ("accept", "x"), ("te", "trailers"), ("a", ""),
    ]  # fmt: skip
    block = encoder.request(
        b"CONNECT", b"http", b"", b"/chat", b"websocket", b"", b"Upgrade: x\r\nTE: gzip\r\nKeep-Alive: 1\r\n"
    )
    assert decoder.decode(block) == [
        (":method", "CONNECT"), (":scheme", "http"), (":path", "/chat"), (":protocol", "websocket"),
    ]  # fmt: skip
    assert decoder.decode(encoder.response(103, b"Link: </x>\r\n", -1)) == [(":status", "103"), ("link", "</x>")]
    assert decoder.decode(encoder.trailers([b"Grpc-Status: 0", b"grpc-message:"])) == [
        ("grpc-status", "0"), ("grpc-message", ""),
    ]  # fmt: skip
