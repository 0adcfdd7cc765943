"""Which responses are compressed, and what their heads say of it; the bodies of streams are test_coder.py's."""

import random
import zlib

import brotli
import pytest
import zstandard

from rsp.coding.gzip import Gzip
from rsp.config.content import Compress
from rsp.config.errors import ConfigError
from rsp.exchange.compression import Compression
from rsp.http.h1.codec import parse_request
from rsp.http.message import CHUNKED
from rsp.logs import log
from rsp.net.effort import Effort
from tests.unit.fake_streams import response_head
from tests.unit.fakes import FakeFilter, serving

APP = 'upstream "app" { "127.0.0.1:2" }\nroute { path = "/x", to = "app", compress = COMPRESS }\n'
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
BODY = b"a text that shrinks, " * 100
GZIP = "GET /x\nAccept-Encoding: gzip"
DECODERS = {
    "gzip": lambda data: zlib.decompress(data, 31),
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


def site(compress="true"):
    return APP.replace("COMPRESS", compress)


def fields_of(client):
    """By name in lower case; several lines are one list."""
    found = {}
    for line in client.fields.split(b"\r\n")[:-1]:
        name, _, value = line.decode().partition(": ")
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


def answered(request=GZIP, fields=TEXT, body=BODY, status=200, compress="true"):
    """The client's side of a response that is whole at once."""
    with serving(site(compress)) as worker:
        client = worker.ask(request)
        worker.accept().answer(status, body, fields)
        assert client.ended == "kept"
        return client, fields_of(client)


def is_coded(client, fields):
    coding = fields.get("content-encoding")
    if coding is None:
        assert client.body == BODY
        return None
    assert DECODERS[coding](client.body) == BODY
    assert client.framing == len(client.body) < len(BODY)
    return coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5, br;q=0.4", "gzip"),
        ("*", "zstd"),
        ("deflate", None),
        ("gzip;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("", None),
    ],
)
def test_the_coding_that_the_client_wants_most(accepted, coding):
    client, fields = answered(f"GET /x\nAccept-Encoding: {accepted}")
    assert is_coded(client, fields) == coding
    assert fields["vary"] == "Accept-Encoding"


def test_a_client_that_says_nothing():
    client, fields = answered("GET /x")
    assert is_coded(client, fields) is None and fields["vary"] == "Accept-Encoding"


def test_algorithms_are_the_order_among_equals():
    both = "GET /x\nAccept-Encoding: gzip, zstd"
    assert is_coded(*answered(both, compress='{ algorithms = { "gzip", "zstd" } }')) == "gzip"
    assert is_coded(*answered(both, compress='{ algorithms = { "br" } }')) is None


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("coding", sorted(DECODERS))
def test_all_levels(coding, level):
    assert is_coded(*answered(f"GET /x\nAccept-Encoding: {coding}", compress=f"{{ level = {level} }}")) == coding


@pytest.mark.parametrize(
    ("kind", "types", "wanted"),
    [
        ("text/html", None, True),
        ("TEXT/HTML;Charset=UTF-8", None, True),
        ("application/problem+json", None, True),
        ("image/svg+xml", None, True),
        ("text/event-stream", None, True),
        ("image/png", None, False),
        ("application/octet-stream", None, False),
        ("nonsense", None, False),
        ("text/html", '{ "application/json" }', False),
        ("application/json ; a=b", '{ "application/json" }', True),
        ("application/jsonx", '{ "application/json" }', False),
        ("application/a.b+json", '{ "application/*+json" }', True),
        ("application/axb", '{ "application/a.b" }', False),
        ("image/png", '{ "*/*" }', True),
        ("image/png", '{ "*" }', True),
        ("application/grpc-web+proto", '{ "*" }', False),
    ],
)
def test_types(kind, types, wanted):
    compress = "true" if types is None else f"{{ types = {types} }}"
    client, fields = answered(fields=f"Content-Type: {kind}\r\n".encode(), compress=compress)
    assert (is_coded(client, fields) is not None) == wanted
    assert ("vary" in fields) == wanted


def test_without_a_type_nothing_is_known_of_a_body():
    client, fields = answered(fields=b"", compress='{ types = { "*" } }')
    assert is_coded(client, fields) is None and fields == {}


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_small_ones_are_left_alone(size):
    _, fields = answered(body=b"a" * size)
    assert ("content-encoding" in fields) == ("vary" in fields) == (size >= 1000)


def test_what_does_not_shrink_is_left_alone():
    body = random.Random(0).randbytes(2000)
    client, fields = answered(body=body, compress="{ min_size = 0 }")
    assert client.body == body and "content-encoding" not in fields and fields["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "line",
    [
        "Content-Encoding: gzip",
        "content-encoding: identity",
        "Cache-Control: no-transform",
        "Cache-Control: max-age=5, No-Transform",
        "cache-control: public\r\nCache-Control: no-transform",
    ],
)
def test_what_is_not_to_be_changed(line):
    client, fields = answered(fields=TEXT + line.encode() + b"\r\n")
    assert client.body == BODY and "vary" not in fields
    assert client.fields == TEXT + line.encode() + b"\r\n"


def test_fields_that_only_look_like_it():
    client, fields = answered(fields=TEXT + b"Cache-Control: x-no-transform, public\r\nX-Vary: Accept-Encoding\r\n")
    assert is_coded(client, fields) == "gzip" and fields["vary"] == "Accept-Encoding"


def test_a_client_may_forbid_it():
    client, fields = answered(GZIP + "\nCache-Control: no-transform")
    assert is_coded(client, fields) is None and fields["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("status", [201, 400, 404, 500, 503])
def test_other_statuses(status):
    assert is_coded(*answered(status=status)) == "gzip"


@pytest.mark.parametrize("status", [204, 205, 304])
def test_statuses_without_content(status):
    _, fields = answered(status=status, body=b"")
    assert "content-encoding" not in fields and "vary" not in fields


def test_parts_are_not_compressed_but_vary():
    client, fields = answered(fields=TEXT + b'Content-Range: bytes 0-2099/9000\r\nETag: "a"\r\n', status=206)
    assert is_coded(client, fields) is None
    assert fields["vary"] == "Accept-Encoding" and fields["etag"] == '"a"'
    client, fields = answered(fields=b"Content-Type: image/png\r\nContent-Range: bytes 0-2099/9000\r\n", status=206)
    assert "vary" not in fields


@pytest.mark.parametrize(
    ("line", "vary"),
    [
        ("Vary: Origin", "Origin, Accept-Encoding"),
        ("Vary: Origin, accept-encoding", "Origin, accept-encoding"),
        ("Vary: Accept-Encoding\r\nVary: Cookie", "Accept-Encoding, Cookie"),
        ("Vary: *", "*"),
        ("Vary: X-Accept-Encoding", "X-Accept-Encoding, Accept-Encoding"),
    ],
)
def test_vary_is_said_once(line, vary):
    assert answered(fields=TEXT + line.encode() + b"\r\n")[1]["vary"] == vary


@pytest.mark.parametrize(("tag", "weak"), [('"abc"', 'W/"abc"'), ('W/"abc"', 'W/"abc"'), ("abc", "W/abc")])
def test_etags_become_weak(tag, weak):
    fields = TEXT + f"ETag: {tag}\r\n".encode()
    assert answered(fields=fields)[1]["etag"] == weak
    assert answered("GET /x", fields=fields)[1]["etag"] == tag


def test_what_is_true_of_the_body_as_it_was():
    lines = (
        b"Accept-Ranges: bytes\r\nContent-MD5: a\r\nDigest: b\r\nContent-Digest: c\r\nRepr-Digest: d\r\nX-Own: 1\r\n"
    )
    _, fields = answered(fields=lines + TEXT)
    assert sorted(fields) == ["content-encoding", "content-type", "vary", "x-own"]
    assert len(answered("GET /x", fields=lines + TEXT)[1]) == 8


@pytest.mark.parametrize(
    ("request_line", "known", "tag", "vary"),
    [
        (GZIP, 'W/"abc"', 'W/"abc"', "Accept-Encoding"),
        (GZIP, '"x", W/"abc"', 'W/"abc"', "Accept-Encoding"),
        (GZIP, '"abc"', '"abc"', None),
        (GZIP, 'W/"abcd"', '"abc"', None),
    ],
)
def test_a_304_has_the_tag_that_the_client_knows(request_line, known, tag, vary):
    _, fields = answered(f"{request_line}\nIf-None-Match: {known}", b'ETag: "abc"\r\n', b"", 304)
    assert (fields["etag"], fields.get("vary")) == (tag, vary)


def test_a_304_without_anything():
    assert answered(fields=b"", body=b"", status=304)[1] == {}
    assert answered(fields=b'ETag: "abc"\r\n', body=b"", status=304)[1] == {"etag": '"abc"'}


@pytest.mark.parametrize(
    ("length", "coded"),
    [(b"Content-Length: 2000\r\n", True), (b"Content-Length: 999\r\n", False), (b"", True)],
)
def test_head_has_the_fields_of_get(length, coded):
    request = parse_request(b"HEAD / HTTP/1.1\r\nHost: t\r\nAccept-Encoding: br\r\n\r\n")
    head = response_head(200, 0, TEXT + b'ETag: "a"\r\n')
    head.length_line = length
    assert Compression(Compress(), Effort()).begin(request, head, [], True) == ([], None)
    assert head.length_line == (b"" if coded else length)
    assert (
        (b"Content-Encoding: br\r\n" in head.fields) == (b'W/"a"' in head.fields) == (b"Vary" in head.fields) == coded
    )


# -- whose responses


def test_the_setting_holds_for_all_routes_and_each_may_differ():
    text = """compress = { algorithms = { "br" } }
      upstream "app" { "127.0.0.1:2" }
      route { path = "/all", to = "app" }
      route { path = "/true", to = "app", compress = true }
      route { path = "/own", to = "app", compress = { algorithms = { "gzip" } } }
      route { path = "/none", to = "app", compress = false }
      route { path = "/fixed", respond = { body = "%s" } }
    """
    with serving(text % BODY.decode()) as worker:
        for path, coding in (("/all", "br"), ("/true", "br"), ("/own", "gzip"), ("/none", None)):
            client = worker.ask(f"GET {path}\nAccept-Encoding: gzip, br")
            peer = worker.accept() if worker.pool().attempts else worker.pool().stream
            peer.answer(200, BODY, TEXT)
            assert is_coded(client, fields_of(client)) == coding
        client = worker.ask("GET /fixed\nAccept-Encoding: gzip, br")
        assert is_coded(client, fields_of(client)) == "br"


def test_without_compress_nothing_is_known_of_it():
    with serving(site("false")) as worker:
        client = worker.ask(GZIP)
        worker.accept().answer(200, BODY, TEXT)
        assert client.body == BODY and client.fields == TEXT
        assert worker.context.effort is None


def test_filters_see_what_it_was_and_have_the_last_word():
    seen = []

    def response(exchange):
        seen.append(b"".join(exchange.passage.held.pieces))
        exchange.passage.held.head.fields += b"Content-Encoding: own\r\n" * named
        return 0

    for named in (False, True):
        with serving(site(), own=(FakeFilter(response=response),)) as worker:
            client = worker.ask(GZIP)
            worker.accept().answer(200, BODY, TEXT)
            assert (client.body == BODY) == named
    assert seen == [BODY, BODY]


def test_a_library_that_fails(monkeypatch, capfd):
    monkeypatch.setattr(log, "_last", {})

    def fail(self, data, level):
        raise MemoryError

    monkeypatch.setattr(Gzip, "whole", fail)
    client, fields = answered()
    assert is_coded(client, fields) is None and fields["vary"] == "Accept-Encoding"
    assert "compress: a response is not compressed: MemoryError" in capfd.readouterr().err


def test_a_library_that_is_missing(monkeypatch):
    def missing(name):
        raise ImportError("No module named 'brotli'")

    monkeypatch.setattr("rsp.exchange.compression.named", missing)
    with pytest.raises(
        ConfigError, match="compress: a library cannot be loaded: No module named 'brotli'; restart rsp"
    ):
        with serving(site()):
            pass


def test_types_that_are_remembered_are_bounded():
    known = Compression(Compress(), Effort())
    request = parse_request(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    for number in range(3000):
        known.begin(request, response_head(200, CHUNKED, b"Content-Type: text/x%d\r\n" % number), [], False)
    begun = response_head(200, CHUNKED, b"Content-Type: text/" + b"x" * 5000 + b"\r\n")
    known.begin(request, begun, [], False)
    assert b"Vary" in begun.fields
