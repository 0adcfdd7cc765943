"""The ClientHello: what rsp reads in it is what OpenSSL reads in it, however it is cut; all else is refused."""

import ipaddress
import ssl
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.tls.hello import LARGEST, HelloError, HelloReader, looks_like_http
from tests.certificates import authority
from tests.soak import examples
from tests.unit.tls_lab import parse

SERVER_NAME, ALPN, VERSIONS, PADDING = 0, 16, 43, 21
UNEXPECTED, OVERFLOW, ILLEGAL, DECODE, VERSION, UNRECOGNIZED = 10, 22, 47, 50, 70, 112
SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=20)


def block(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width) + data


def names(*found: bytes, kind: int = 0) -> bytes:
    return block(b"".join(bytes([kind]) + block(name) for name in found))


def protocols(*found: bytes) -> bytes:
    return block(b"".join(block(name, 1) for name in found))


def message(*extensions: tuple[int, bytes], session: bytes = b"s" * 32, tail: bytes | None = None) -> bytes:
    """A ClientHello; ``tail``: what stands in the place of the extensions."""
    after = block(b"".join(kind.to_bytes(2) + block(data) for kind, data in extensions)) if tail is None else tail
    body = b"\x03\x03" + b"r" * 32 + block(session, 1) + block(b"\x13\x01\xc0\x2b") + block(b"\0", 1) + after
    return b"\x01" + block(body, 3)


def records(data: bytes, *sizes: int) -> bytes:
    """``data`` in records of these sizes, the last one again and again."""
    found, left = [], list(sizes or (16384,))
    while data:
        size = left.pop(0) if len(left) > 1 else left[0]
        found.append(b"\x16\x03\x01" + block(data[:size]))
        data = data[size:]
    return b"".join(found)


@cache
def real(
    name: str | None = "www.example.com", alpn: tuple[str, ...] = ("h2", "http/1.1"), newest: str = "TLSv1_3"
) -> bytes:
    """What Python's ``ssl`` says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion[newest]
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


@cache
def listener() -> tuple[ssl.SSLContext, list[str | None]]:
    """OpenSSL as a server, and the names that it has been asked for."""
    issued = authority().issue("example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    with tempfile.TemporaryDirectory() as directory:
        context.load_cert_chain(issued.write(Path(directory), "site"))
    return context, asked


def openssl(data: bytes) -> list[str | None]:
    """The names that OpenSSL finds in a hello: one, perhaps ``None``; none at all if it refuses the hello before."""
    context, asked = listener()
    asked.clear()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(data)
    try:
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    except ssl.SSLError:
        pass
    return asked[:1]


def alert_of(data: bytes) -> int:
    with pytest.raises(HelloError) as caught:
        parse(data)
    assert caught.value.record == b"\x15\x03\x03\x00\x02\x02" + bytes([caught.value.alert])
    return caught.value.alert


# -- what a hello says


def test_what_a_client_of_today_says():
    hello = parse(real())
    assert (hello.sni, hello.alpn) == (b"www.example.com", (b"h2", b"http/1.1"))
    assert hello.versions == (0x0304, 0x0303)


def test_what_an_older_client_says():
    hello = parse(real(newest="TLSv1_2"))
    assert (hello.sni, hello.versions) == (b"www.example.com", (0x0303,))


@pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
def test_the_ciphers_that_a_client_offers(newest):
    """In its order; before OpenSSL 3.6, the last one says that it knows of renegotiation (RFC 5746 section 3.3)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion[newest]
    usable = [one for one in context.get_ciphers() if not {"PSK", "SRP"} & set(one["name"].split("-"))]
    known = [(one["id"] & 0xFFFF).to_bytes(2) for one in usable]
    offered = parse(real(newest=newest)).ciphers
    pairs = [offered[at : at + 2] for at in range(0, len(offered), 2)]
    if ssl.OPENSSL_VERSION_INFO < (3, 6):
        assert pairs.pop() == b"\0\xff"
    assert pairs == [pair for pair in known if newest == "TLSv1_3" or pair[0] != 0x13]


def test_a_client_without_name_and_protocols():
    hello = parse(real(None, ()))
    assert (hello.sni, hello.alpn) == (b"", ())


def test_a_hello_without_extensions():
    hello = parse(records(message(tail=b"")))
    assert (hello.sni, hello.alpn, hello.versions) == (b"", (), (0x0303,))
    assert parse(records(message())).sni == b""


def test_what_follows_the_hello_is_not_part_of_it():
    """Early data, or the next message in the same record, which OpenSSL judges."""
    data = records(message((SERVER_NAME, names(b"a.example"))))
    assert parse(data + b"\x17\x03\x03\0\x01x").sni == b"a.example"
    together = records(message((SERVER_NAME, names(b"a.example"))) + b"\x01\0\0\x01x")
    assert parse(together).sni == b"a.example"


# -- however it arrives


@pytest.mark.parametrize("data", [real(), records(message((SERVER_NAME, names(b"a.example"))), 7)], ids=["one", "many"])
def test_each_cut(data):
    whole = parse(data)
    for cut in range(len(data)):
        reader = HelloReader()
        assert reader.feed(data[:cut]) is None
        hello = reader.feed(data[cut:])
        assert hello is not None and (hello.sni, hello.alpn) == (whole.sni, whole.alpn)
        assert reader.received == data


@given(sizes=SIZES, pieces=SIZES, name=st.sampled_from((b"a.example", b"b.example")), pad=st.integers(0, 2000))
def test_any_records_in_any_pieces(sizes, pieces, name, pad):
    data = records(message((PADDING, bytes(pad)), (SERVER_NAME, names(name)), (ALPN, protocols(b"h2"))), *sizes)
    reader = HelloReader()
    left, found = data, None
    while left:
        size = pieces.pop(0) if len(pieces) > 1 else pieces[0]
        assert found is None
        found, left = reader.feed(left[:size]), left[size:]
    assert found is not None and (found.sni, found.alpn) == (name, (b"h2",))


def test_larger_than_a_record():
    """As with post-quantum keys, and more."""
    data = records(message((PADDING, bytes(40000)), (SERVER_NAME, names(b"a.example"))))
    assert len(data) > 2 << 14
    assert parse(data).sni == b"a.example"
    assert openssl(data) == ["a.example"]


def test_the_largest_is_taken_and_one_byte_more_is_not():
    spare = LARGEST - len(records(message((PADDING, b"")))) - 3 * 5
    data = records(message((PADDING, bytes(spare))))
    assert len(data) == LARGEST
    assert parse(data) is not None
    assert alert_of(records(message((PADDING, bytes(spare + 1))))) == ILLEGAL


def test_a_size_that_is_too_large_is_refused_at_once():
    assert alert_of(b"\x16\x03\x01" + block(b"\x01\x01\x00\x01")) == ILLEGAL


def test_small_pieces_cost_no_more_in_a_large_hello():
    """What a quadratic reader takes a minute for: 10,900 records of one byte, in pieces of one byte."""
    data = records(message((PADDING, bytes(10800))), 1)
    assert len(data) > LARGEST - 1000
    reader = HelloReader()
    began = time.process_time()
    found = [reader.feed(data[at : at + 1]) for at in range(len(data))]
    assert time.process_time() - began < 2
    assert found[-1] is not None


@pytest.mark.parametrize("unit", [b"\0\x2a\0\0", b""])
def test_many_extensions_and_protocols_are_read_in_time(unit):
    many = [(0x4000 + number, b"") for number in range(12000)] if unit else [(ALPN, protocols(*[b"a"] * 32000))]
    began = time.process_time()
    assert parse(records(message(*many))) is not None
    assert time.process_time() - began < 1


# -- names


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (b"a", b"a"), (b"WWW.Example.COM", b"www.example.com"), (b"example.com.", b"example.com"),
        (b"xn--bcher-kva.example", b"xn--bcher-kva.example"), (b"_dmarc.a-b.example", b"_dmarc.a-b.example"),
        (b"a" * 63 + b".example", b"a" * 63 + b".example"), (b"1.example", b"1.example"),
        (b"10.0.0.1", b""), (b"::1", b""), (b"[::1]", b""), (b"fe80::1", b""), (b"127.1", b""), (b"2130706433", b""),
    ],
)  # fmt: skip
def test_names(said, read):
    assert parse(records(message((SERVER_NAME, names(said))))).sni == read


@pytest.mark.parametrize(
    "said",
    [
        b".", b"..", b".example", b"a..example", b"a.example..", b"a b", b"a\0.example", b"\xc3\xbc.example", b"a/b",
        b"a.example\n", b"*.example", b"a" * 64 + b".example", b"a.example:443", b".".join([b"a" * 40] * 7), b"user@a.example",
        b"10.0.0.1:443", b"[::1]:443", b'"', b"%", b"\r\nevil: 1",
    ],
)  # fmt: skip
def test_what_is_no_host_name_is_refused(said):
    assert alert_of(records(message((SERVER_NAME, names(said))))) == UNRECOGNIZED


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"\0\0", names(b""), names(b"a", b"b"), names(b"a", kind=1), names(b"a") + b"x", names(b"a")[:-1],
        block(b"\0"), block(b"\0\0\x05a"), block(b"\0\0\x01a\0"),
    ],
)  # fmt: skip
def test_anything_but_one_host_name_is_refused(data):
    assert alert_of(records(message((SERVER_NAME, data)))) == DECODE


@given(
    st.text(alphabet="aZ09.-_:[]*", max_size=70)
    | st.ip_addresses().map(str)
    | st.binary(max_size=70).map(lambda b: b.decode("latin-1"))
)
@settings(deadline=None)
def test_a_name_is_the_one_that_openssl_reads(said):
    data = records(message((SERVER_NAME, names(said.encode("latin-1"))), *needed()))
    try:
        hello = parse(data)
    except HelloError:
        return
    assert hello is not None
    seen = openssl(data)
    assert seen == [said]
    try:
        ipaddress.ip_address(said.removesuffix(".").strip("[]"))
    except ValueError:
        assert hello.sni == (b"" if said.replace(".", "").isdigit() else said.lower().removesuffix(".").encode())
    else:
        assert hello.sni == b""


def needed() -> tuple[tuple[int, bytes], ...]:
    """What TLS 1.2 with ECDSA needs beside a name: groups, signatures."""
    return (10, block(b"\0\x1d\0\x17")), (13, block(b"\x04\x03\x08\x04")), (11, block(b"\0", 1))


@given(st.integers(0, 600), st.binary(min_size=1, max_size=4), st.sampled_from((real(), real(newest="TLSv1_2"))))
@examples(400)
def test_a_changed_hello_says_the_same_to_both_or_is_refused(at, change, hello):
    """The name decides about verification, so OpenSSL may never see another one than rsp has seen."""
    data = hello[:at] + change + hello[at + len(change) :]
    try:
        found = parse(data)
    except HelloError:
        return
    asked = openssl(data)
    if asked and found is not None:
        name = asked[0] or ""
        assert found.sni == name.lower().removesuffix(".").encode() or ipaddress.ip_address(name.strip("[]"))


# -- ALPN, versions


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0", block(b"\0"), block(b"\x02a"), block(b"\x01a\0"), protocols(b"h2") + b"x", protocols(b"h2")[:-1]],
)
def test_malformed_protocols_are_refused(data):
    assert alert_of(records(message((ALPN, data)))) == DECODE


@given(st.lists(st.binary(min_size=1, max_size=255), min_size=1, max_size=20))
def test_protocols(found):
    assert parse(records(message((ALPN, protocols(*found))))).alpn == tuple(found)


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=127))
def test_versions(found):
    data = block(b"".join(version.to_bytes(2) for version in found), 1)
    assert parse(records(message((VERSIONS, data)))).versions == tuple(found)


@pytest.mark.parametrize("data", [b"", b"\0", b"\x01\x03", b"\x03\x03\x04\x03", b"\x02\x03", b"\x04\x03\x04"])
def test_malformed_versions_are_refused(data):
    assert alert_of(records(message((VERSIONS, data)))) == DECODE


# -- what is no hello


@pytest.mark.parametrize(
    ("data", "alert"),
    [
        (b"\x16\x03\x01\0\0", UNEXPECTED),  # an empty record (RFC 8446 section 5.1)
        (b"\x16\x03\x01\x40\x01", OVERFLOW),
        (b"\x16\x02\x00\0\x05", VERSION),
        (b"\x16\x03\x01\0\x04\x02\0\0\x05", UNEXPECTED),  # a server's hello
        (b"\x15\x03\x01\0\x02\x02\x28", UNEXPECTED),
        (b"\x17\x03\x03", UNEXPECTED),
        (b"\x80\x2e\x01\x00\x02", VERSION),  # SSL 2
        (b"\xff\xff\xff", UNEXPECTED),
        (b"\0", UNEXPECTED),
        (b"GET / HTTP/1.1\r\n", UNEXPECTED),
        (records(message(), 20)[:25] + b"\x14\x03\x03\0\x01\x01", UNEXPECTED),  # something in between
    ],
)
def test_what_is_no_hello_is_refused(data, alert):
    assert alert_of(data) == alert


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\0\0\0", b"\x01\0\0\x05abcde", b"\x01\0\0\x22" + bytes(34),
        message(session=bytes(33)), message(tail=b"\0"), message(tail=b"\0\x04\0\0\0"), message(tail=b"\0\x04\0\0\0\0\0"),
        message(tail=block(b"\0\x15\0\x01")), message(tail=block(b"\0\x15\0")),
        message(tail=b"\0\0\0\x15\0\0"), message(tail=b"\0\x05\0\x15\0\0"),
    ],
)  # fmt: skip
def test_lengths_that_do_not_fit_are_refused(data):
    assert alert_of(records(data)) == DECODE


@pytest.mark.parametrize("kind", [SERVER_NAME, ALPN, 0x2A2A])
def test_an_extension_that_comes_twice_is_refused(kind):
    content = {SERVER_NAME: names(b"a.example"), ALPN: protocols(b"h2")}.get(kind, b"")
    assert alert_of(records(message((kind, content), (PADDING, b""), (kind, content)))) == ILLEGAL


@given(st.binary(max_size=300))
def test_anything_at_all(data):
    for sent in (data, records(data) if data else b"", records(b"\x01" + block(data, 3)), records(message(tail=data))):
        try:
            parse(sent)
        except HelloError:
            pass


@pytest.mark.parametrize(
    "data", [b"G", b"GET ", b"get / HTTP/1.1", b"PRI * HTTP/2.0", b"M-SEARCH * HTTP/1.1", b"CONNECT a:1 HTTP/1.1"]
)
def test_plain_http_is_known(data):
    assert looks_like_http(data)
    assert looks_like_http(bytearray(data))


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01", b"\x80", b" GET", b"GE\0", b"A" * 40, b"\r\n"])
def test_what_is_not_plain_http(data):
    assert not looks_like_http(data)
