"""The header of the PROXY protocol, byte by byte; ``tests/property/`` compares it with another implementation."""

import pytest

from rsp.net.proxy_header import (
    ALPN,
    AUTHORITY,
    CLIENT_SSL,
    CRC32C,
    LOCAL,
    MOST,
    NOOP,
    SIGNATURE,
    SSL,
    SSL_CIPHER,
    SSL_CN,
    SSL_VERSION,
    UNIQUE_ID,
    ProxyError,
    binary,
    crc32c,
    line,
    read_header,
    tlv,
)

SOURCE, DESTINATION = ("192.0.2.7", 4711), ("198.51.100.1", 443)
V6_SOURCE, V6_DESTINATION = ("2001:db8::7", 4711), ("2001:db8::1", 443)
INET = bytes((192, 0, 2, 7, 198, 51, 100, 1)) + (4711).to_bytes(2) + (443).to_bytes(2)


def v2(command=0x21, family=0x11, body=INET, size=None):
    return SIGNATURE + bytes((command, family)) + (len(body) if size is None else size).to_bytes(2) + body


def with_checksum(header):
    """In the place of the first one that is zero."""
    at = header.index(tlv(CRC32C, bytes(4))) + 3
    return header[:at] + crc32c(header).to_bytes(4) + header[at + 4 :]


def addresses(header):
    return header.source, header.destination


@pytest.mark.parametrize(
    ("data", "source", "destination"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", SOURCE, DESTINATION),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", ("0.0.0.0", 0), ("255.255.255.255", 65535)),
        (b"PROXY TCP6 2001:DB8:0:0::7 2001:db8::1 4711 443\r\n", V6_SOURCE, V6_DESTINATION),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 4711 443\r\n", SOURCE, DESTINATION),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None, None),
        (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None, None),
        (v2(), SOURCE, DESTINATION),
        (v2(family=0x21, body=bytes.fromhex("20010db8" + "0" * 23 + "7" + "20010db8" + "0" * 23 + "1" + "126701bb")),
         V6_SOURCE, V6_DESTINATION),
        (v2(command=0x20), None, None),
        (v2(command=0x20, family=0xFF, body=b"anything"), None, None),
        (v2(family=0x00, body=b""), None, None),
        (v2(family=0x12), None, None),
        (v2(family=0x31, body=bytes(216)), None, None),
        (LOCAL["v1"], None, None),
        (LOCAL["v2"], None, None),
    ],
)  # fmt: skip
def test_a_header_says_where_the_client_is(data, source, destination):
    found = read_header(data + b"\r\n\r\n")
    assert found is not None
    header, size = found
    assert (addresses(header), size) == ((source, destination), len(data))
    for cut in range(len(data)):
        assert read_header(data[:cut]) is None, cut


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "without a PROXY header"),
        (b"\x16\x03\x01", "without a PROXY header"),
        (b"PRI * HTTP/2.0\r\n", "without a PROXY header"),
        (b"proxy TCP4", "without a PROXY header"),
        (b"\r\n\r\n\0\r\nQUIT\r", "without a PROXY header"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n", "does not end with CRLF"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", "not valid"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443 \r\n", "not valid"),
        (b"PROXY TCP4  192.0.2.7 198.51.100.1 4711 443\r\n", "not valid"),
        (b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n", "not valid"),
        (b"PROXY UNKNOWNS\r\n", "not valid"),
        (b"PROXY \r\n", "not valid"),
        (b"PROXY TCP4 192.0.2.07 198.51.100.1 4711 443\r\n", "address"),
        (b"PROXY TCP4 2001:db8::1 2001:db8::1 4711 443\r\n", "address"),
        (b"PROXY TCP4 192.0.2 198.51.100.1 4711 443\r\n", "address"),
        (b"PROXY TCP6 192.0.2.7 198.51.100.1 4711 443\r\n", "address"),
        (b"PROXY TCP6 fe80::1%eth0 fe80::1 4711 443\r\n", "address"),
        (b"PROXY TCP4 192.0.2.7\0 198.51.100.1 4711 443\r\n", "address"),
        (b"PROXY TCP4 \xff 198.51.100.1 4711 443\r\n", "address"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 04711 443\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 \r\n", "port"),
        (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "more than 107 bytes"),
        (v2(command=0x11), "version 1"),
        (v2(command=0x31), "version 3"),
        (v2(command=0x22), "unknown command (2)"),
        (v2(family=0x41), "unknown family (0x41)"),
        (v2(family=0x13), "unknown family (0x13)"),
        (v2(body=INET[:-1]), "too short"),
        (v2(family=0x21), "too short"),
        (v2(family=0x31), "too short"),
        (v2(body=INET + b"\1\0"), "cut off"),
        (v2(body=INET + b"\1\0\2h"), "longer than the header"),
        (v2(body=INET + tlv(SSL, b"\1\0\0\0")), "cut off"),
        (v2(body=INET + tlv(SSL, b"\1\0\0\0\0\x21\0\7TLS")), "longer than the header"),
        (v2(body=INET + tlv(CRC32C, b"\0\0\0\0")), "wrong checksum"),
        (v2(body=INET + tlv(CRC32C, b"\0\0")), "wrong checksum"),
        (with_checksum(v2(body=INET + tlv(CRC32C, bytes(4)) * 2)), "two checksums"),  # each costs a pass over all
    ],
)
def test_what_is_no_header_is_refused(data, words):
    with pytest.raises(ProxyError, match=words.replace("(", r"\(").replace(")", r"\)")):
        read_header(data)


@pytest.mark.parametrize("cut", [1, 5, 13])
def test_what_cannot_become_a_header_is_refused_before_it_is_whole(cut):
    data = {1: b"G", 5: b"PROXI", 13: SIGNATURE + b"\x11"}[cut]
    with pytest.raises(ProxyError):
        read_header(data)


def test_a_header_is_bounded():
    most = MOST - 16 - len(INET)
    assert read_header(v2(body=INET + tlv(0xE0, bytes(most - 3)))) is not None
    with pytest.raises(ProxyError, match=f"{MOST} are the most"):
        read_header(v2(size=MOST - 15)[:16])  # before the rest of it has come
    with pytest.raises(ProxyError, match="107 bytes"):
        read_header(b"PROXY UNKNOWN " + b"x" * 93)


def test_what_the_proxy_adds_is_kept_without_checksum_and_padding():
    within = tlv(SSL_VERSION, b"TLSv1.3") + tlv(SSL_CN, b"alice") + tlv(SSL_CIPHER, b"TLS_AES_128_GCM_SHA256")
    kept = tlv(ALPN, b"h2") + tlv(AUTHORITY, b"shop.example") + tlv(UNIQUE_ID, b"\0\xff")
    kept += tlv(SSL, b"\x07\0\0\0\0" + within) + tlv(0xEA, b"\1vpce-1") + tlv(AUTHORITY, b"second.example")
    body = INET + tlv(NOOP, b"....") + tlv(CRC32C, b"\0\0\0\0") + kept
    whole = with_checksum(v2(body=body))
    found = read_header(whole)
    assert found is not None
    header = found[0]
    assert header.tlvs == kept
    assert header.value(AUTHORITY) == b"shop.example"
    assert header.value(UNIQUE_ID) == b"\0\xff"
    assert header.value(0xEB) is None
    assert header.ssl(SSL_CN) == b"alice"
    assert header.ssl(ALPN) is None
    assert header.client_ssl & CLIENT_SSL
    assert header.verified
    broken = whole[:-1] + b"X"
    with pytest.raises(ProxyError, match="checksum"):
        read_header(broken)


@pytest.mark.parametrize(
    ("client", "verify", "verified"), [(1, 0, False), (3, 0, True), (5, 0, True), (3, 1, False), (0, 1, False)]
)
def test_a_certificate_counts_where_the_proxy_has_verified_it(client, verify, verified):
    found = read_header(v2(body=INET + tlv(SSL, bytes((client,)) + verify.to_bytes(4))))
    assert found is not None
    assert found[0].verified is verified


def test_of_local_connections_nothing_is_kept():
    found = read_header(v2(command=0x20, body=INET + tlv(AUTHORITY, b"a")))
    assert found is not None
    assert addresses(found[0]) == (None, None)
    assert found[0].tlvs == b""


def test_headers_that_rsp_sends():
    assert line(SOURCE, DESTINATION) == b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
    assert line(V6_SOURCE, V6_DESTINATION) == b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"
    assert line(("fe80::1%eth0", 1), ("::ffff:192.0.2.7", 2)) == b"PROXY TCP6 fe80::1 ::ffff:192.0.2.7 1 2\r\n"
    assert line(("::ffff:192.0.2.7", 1), ("192.0.2.8", 2)) == b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"
    assert line(None, None) == b"PROXY UNKNOWN\r\n"
    assert binary(SOURCE, DESTINATION) == v2()
    assert binary(None, None, tlv(AUTHORITY, b"a")) == v2(family=0, body=tlv(AUTHORITY, b"a"))
    longest = line(("ffff:" * 7 + "ffff", 65535), ("ffff:" * 7 + "ffff", 65535))
    assert len(longest) == 104
    found = read_header(longest)
    assert found is not None
    assert addresses(found[0]) == (("ffff:" * 7 + "ffff", 65535),) * 2


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720
    assert crc32c(b"") == 0
