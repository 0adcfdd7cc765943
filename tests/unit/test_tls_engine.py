"""The TLS engine against itself and against Python's ssl: handshakes, bytes, names, certificates, and what goes wrong."""

import _ssl
import ctypes
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.tls import engine
from rsp.tls.engine import Context, TlsError
from tests.certificates import authority
from tests.unit.tls_sides import CA, SITE, VERSIONS, Maker, Stock, cut, needs_complete, pair, shake

STAFF = authority("Staff CA")


@pytest.fixture(scope="module")
def make(tmp_path_factory) -> Maker:
    return Maker(tmp_path_factory.mktemp("engine"))


def test_the_compiled_engine_is_what_runs_when_it_is_compiled():
    assert engine.__file__.endswith(".so") == engine.COMPLETE


# -- the handshake, and bytes both ways


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sides", ["engine engine", "engine stock", "stock engine"])
def test_both_sides_agree(make, version, kind, sides):
    theirs, ours = make.client(version), make.server(version, kind)
    one, other = sides.split()
    client = Context(theirs).client("example.com", None) if one == "engine" else Stock(theirs, server=False)
    server = Context(ours).server(b"example.com") if other == "engine" else Stock(ours, server=True)
    shake(client, server)
    for size in (1, 100, 16383, 16384, 16385, 300_000):
        data = bytes(range(256)) * (size // 256) + bytes(size % 256)
        assert server.open(client.seal(data)) == data
        assert client.open(server.seal(data)) == data
    assert not server.ended
    if one == "engine":
        assert server.open(client.close()) == b""
        assert server.ended
        if other == "engine":  # half closed: the other direction goes on
            assert client.open(server.seal(b"late")) == b"late"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_known_after_the_handshake(make, version):
    client, server = pair(make, version)
    ours, theirs = server.facts(), client.facts()
    assert ours.version == theirs.version == b"TLSv" + version.encode()
    assert ours.cipher == theirs.cipher != b""
    assert ours.alpn == theirs.alpn == b"http/1.1"
    assert ours.sni == b"example.com"
    assert (ours.certificate, ours.verified, ours.resumed, ours.policy) == (b"", False, False, b"")
    assert theirs.certificate == CA.issue(*SITE).der
    assert theirs.verified


def test_without_a_common_protocol_there_is_none(make):
    theirs = make.client()
    theirs.set_alpn_protocols(["spdy/3"])
    client, server = Context(theirs).client("example.com", None), Context(make.server()).server(b"")
    shake(client, server)
    assert client.facts().alpn == server.facts().alpn == b""


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_may_come_one_by_one(make, version):
    client = Context(make.client(version)).client("example.com", None)
    server = Context(make.server(version)).server(b"example.com")
    shake(client, server, size=1)
    assert b"".join(server.open(piece) for piece in cut(client.seal(b"GET / HTTP/1.1\r\n\r\n"), 1)).startswith(b"GET /")


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(1, 40_000), max_size=12), sizes=st.lists(st.integers(0, 70_000), max_size=6))
@pytest.mark.parametrize("version", VERSIONS)
def test_however_it_is_cut_it_is_the_same(make, version, cuts, sizes):
    client, server = pair(make, version)
    whole = [bytes([number]) * size for number, size in enumerate(sizes)]
    for sender, receiver in ((client, server), (server, client)):
        wire = b"".join(map(sender.seal, whole))
        got = b""
        for size in cuts:
            got += receiver.open(wire[:size])
            wire = wire[size:]
        assert got + receiver.open(wire) == b"".join(whole)


def test_large_bodies_both_ways_at_once(make):
    client, server = pair(make)
    body = bytes(range(256)) * (8 << 12)
    up, down = client.seal(body), server.seal(body)
    assert b"".join(map(server.open, cut(up, 65_537))) == body
    assert b"".join(map(client.open, cut(down, 262_144))) == body


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_suites_whose_records_are_longer(make, suite):
    theirs = make.client("1.2")
    theirs.set_ciphers(suite)
    client, server = Context(theirs).client("example.com", None), Context(make.server("1.2")).server(b"")
    shake(client, server)
    assert server.facts().cipher.decode() == suite
    assert server.open(client.seal(bytes(200_000))) == bytes(200_000)


def test_what_arrives_with_the_end_of_the_handshake_is_given(make):
    client = Context(make.client("1.3")).client("example.com", None)
    server = Context(make.server("1.3")).server(b"")
    client.open(b"")
    server.open(client.take())
    client.open(server.take())
    assert server.open(client.take() + client.seal(b"early")) == b"early"
    assert server.ready
    assert client.open(server.seal(b"behind the tickets, which have not been taken")).startswith(b"behind")


def test_sealing_nothing_and_sealing_too_early(make):
    client = Context(make.client()).client("example.com", None)
    with pytest.raises(TlsError):
        client.seal(b"data")
    client, server = pair(make)
    assert client.seal(b"") == b""
    assert server.open(b"") == b""


@pytest.mark.parametrize("asked", [0, 1])
def test_key_updates(make, asked):
    client, server = Stock(make.client("1.3"), server=False), Context(make.server("1.3")).server(b"")
    shake(client, server)
    assert client.call("SSL_key_update", asked) == 1
    assert server.open(client.seal(b"with new keys")) == b"with new keys"
    assert client.open(server.seal(b"answer")) == b"answer"
    assert server.open(client.seal(b"again")) == b"again"


# -- names


@pytest.mark.parametrize("name", ["127.0.0.1", "::1"])
def test_addresses_are_verified_and_never_sent_as_names(make, name):
    seen = []
    stock = make.server()
    stock.sni_callback = lambda _, name, __: seen.append(name)
    client, server = Context(make.client()).client(name, None), Stock(stock, server=True)
    shake(client, server)
    assert client.facts().verified
    assert seen == [None]


def test_names_are_sent(make):
    seen = []
    stock = make.server()
    stock.sni_callback = lambda _, name, __: seen.append(name)
    shake(Context(make.client()).client("example.com", None), Stock(stock, server=True))
    assert seen == ["example.com"]


@pytest.mark.parametrize("name", ["", "a" * 300])
def test_names_that_no_certificate_has(make, name):
    with pytest.raises(ValueError):
        Context(make.client()).client(name, None)


@pytest.mark.parametrize(("name", "text"), [("example.org", "hostname mismatch"), ("127.0.0.2", "IP address mismatch")])
def test_another_name_is_refused(make, name, text):
    client, server = Context(make.client()).client(name, None), Context(make.server()).server(b"")
    with pytest.raises(TlsError, match=text) as caught:
        shake(client, server)
    assert caught.value.code == "CERTIFICATE_VERIFY_FAILED"
    assert caught.value.certificate == CA.issue(*SITE).der
    with pytest.raises(TlsError, match="alert"):
        server.open(client.take())


def test_names_are_not_verified_where_the_context_does_not_ask(make):
    context = make.client()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client, server = Context(context).client("example.org", None), Context(make.server()).server(b"")
    shake(client, server)
    assert client.facts().certificate
    assert not client.facts().verified


# -- what goes wrong


def test_versions_without_overlap(make):
    client, server = Context(make.client("1.2")).client("example.com", None), Context(make.server("1.3")).server(b"")
    with pytest.raises(TlsError, match="unsupported protocol") as caught:
        shake(client, server)
    assert caught.value.code == "UNSUPPORTED_PROTOCOL"
    with pytest.raises(TlsError) as caught:
        client.open(server.take())
    assert caught.value.code == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"GET / HTTP/1.1\r\n\r\n", "HTTP_REQUEST"), (b"\x16\x02\x01\0\5hello", "WRONG_VERSION_NUMBER"), (b"\0" * 99, "")],
)
def test_garbage_instead_of_a_handshake(make, data, code):
    server = Context(make.server()).server(b"")
    with pytest.raises(TlsError) as caught:
        server.open(data)
    assert not code or caught.value.code == code
    assert str(caught.value)
    with pytest.raises(TlsError):  # and it stays so
        server.open(b"")
    assert server.close() == b"" or not server.ready


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broken_record(make, version):
    client, server = pair(make, version)
    good, bad = client.seal(b"good"), bytearray(client.seal(b"bad"))
    bad[-1] ^= 1
    assert server.open(good + bytes(bad)) == b"good"
    assert server.take()  # an alert
    for use in (server.open, server.seal):
        with pytest.raises(TlsError) as caught:
            use(b"more")
        assert "BAD_RECORD_MAC" in caught.value.code or not engine.COMPLETE  # since OpenSSL 3.2 Python hides it


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=400), at=st.integers(0, 900))
def test_garbage_anywhere_in_a_handshake_ends_in_an_error_or_waits(make, data, at):
    client, server = Context(make.client()).client("example.com", None), Context(make.server()).server(b"")
    client.open(b"")
    hello = client.take()
    try:
        server.open(hello[:at] + data + hello[at:])
        server.open(data)
    except TlsError as error:
        assert str(error)
    else:
        assert not server.ready
    server.take()
    server.close()


def test_a_cut_stream_gives_what_is_whole(make):
    client, server = pair(make)
    assert server.open(client.seal(b"whole") + client.seal(b"half")[:-1]) == b"whole"
    assert not server.ended


def test_after_close_notify_nothing_is_read(make):
    client, server = pair(make)
    assert server.open(client.seal(b"last") + client.close() + b"garbage") == b"last"
    assert server.ended
    assert client.close() == b""  # once
    with pytest.raises(TlsError):
        client.seal(b"more")
    assert server.ended


def test_close_notify_in_the_place_of_a_handshake_is_an_end(make):
    client = Context(make.client()).client("example.com", None)
    client.open(b"")
    assert client.open(b"\x15\x03\x03\0\2\1\0") == b""
    assert client.ended
    assert not client.ready


def test_renegotiation_is_refused(make):
    client, server = Stock(make.client("1.2"), server=False), Context(make.server("1.2")).server(b"")
    shake(client, server)
    client.object.context.options &= ~ssl.OP_NO_RENEGOTIATION
    assert client.call("SSL_renegotiate") == 1
    client.call("SSL_do_handshake")
    hello = client.take()
    assert hello
    assert server.open(hello) == b""
    with pytest.raises(ssl.SSLError, match="NO_RENEGOTIATION"):
        client.open(server.take())


@needs_complete
@pytest.mark.parametrize("asked", [0, 1])
def test_a_flood_of_messages_after_the_handshake_is_cut_off(make, asked):
    client, server = Stock(make.client("1.3"), server=False), Context(make.server("1.3")).server(b"")
    shake(client, server)

    def flood(count: int) -> bytes:
        for _ in range(count):
            client.call("SSL_key_update", asked)
            client.call("SSL_do_handshake")
        return client.take()

    for _ in range(5):  # each a turn
        assert server.open(flood(20) + client.seal(b"request")) == b"request"
        client.open(server.take())
    with pytest.raises(TlsError, match="too many messages"):
        server.open(flood(1000))
    assert len(server.take()) < 2000


# -- client certificates


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_certificate_is_verified(make, version):
    own = STAFF.issue("ada", client=True)
    server = Context(make.server(version, ca=STAFF), b"p" * 32).server(b"example.com")
    client = Context(make.client(version, own=own)).client("example.com", None)
    shake(client, server)
    facts = server.facts()
    assert (facts.certificate, facts.verified, facts.policy) == (own.der, True, b"p" * 32)


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_required_certificate_there_is_no_handshake(make, version):
    server = Context(make.server(version, ca=STAFF), b"p" * 32).server(b"example.com")
    with pytest.raises(TlsError) as caught:
        shake(Context(make.client(version)).client("example.com", None), server)
    assert caught.value.code == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    assert server.take()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_optional_certificate(make, version):
    context = Context(make.server(version, ca=STAFF, optional=True), b"p" * 32)
    server = context.server(b"example.com")
    shake(Context(make.client(version)).client("example.com", None), server)
    assert (server.facts().certificate, server.facts().verified) == (b"", False)
    wrong = Context(make.client(version, own=CA.issue("eve", client=True))).client("example.com", None)
    with pytest.raises(TlsError) as caught:
        shake(wrong, context.server(b"example.com"))
    assert caught.value.code == "CERTIFICATE_VERIFY_FAILED"
    assert caught.value.certificate == CA.issue("eve", client=True).der


def test_an_expired_certificate(make):
    own = STAFF.issue("old", client=True, begins=-9, ends=-1)
    server = Context(make.server(ca=STAFF), b"p" * 32).server(b"")
    with pytest.raises(TlsError, match="expired"):
        shake(Context(make.client(own=own)).client("example.com", None), server)


@needs_complete
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("ca", "count"), [([STAFF], 1), ([STAFF, CA], 2), ([STAFF, CA.issue("leaf")], 0)])
def test_authorities_are_announced_all_of_them_or_none(make, version, ca, count):
    stock = make.server(version)
    stock.load_verify_locations(cadata="".join(one.pem.decode() for one in ca))
    stock.verify_mode = ssl.CERT_OPTIONAL
    client, counts, usual = Stock(make.client(version), server=False), [], Stock.open

    def look(data: bytes) -> bytes:
        plain = usual(client, data)
        names = client.call("SSL_get0_peer_CA_list", result=ctypes.c_void_p)
        counts.append(ctypes.CDLL(_ssl.__file__).OPENSSL_sk_num(ctypes.c_void_p(names)))
        return plain

    client.open = look
    shake(client, Context(stock).server(b""))
    assert max(0, *counts) == count
