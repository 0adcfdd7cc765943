"""Headers of the PROXY protocol against another implementation: PyPI ``proxy-protocol``."""

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxyprotocol.result import ProxyResultIPv4, ProxyResultIPv6, ProxyResultLocal, ProxyResultUnknown
from proxyprotocol.tlv import ProxyProtocolSSLTLV, ProxyProtocolTLV
from proxyprotocol.v1 import ProxyProtocolV1
from proxyprotocol.v2 import ProxyProtocolV2

from rsp.net import proxy_header
from rsp.net.proxy_header import ProxyError, binary, each_tlv, line, read_header, tlv

PORTS = st.integers(0, 65535)
V4 = st.tuples(st.ip_addresses(v=4), PORTS)
V6 = st.tuples(st.ip_addresses(v=6), PORTS)
PAIRS = st.tuples(V4, V4) | st.tuples(V6, V6)
TEXT = st.text(st.characters(codec="ascii", min_codepoint=33), max_size=40)
SSL = st.builds(ProxyProtocolSSLTLV, has_ssl=st.just(True), verified=st.booleans(), cipher=TEXT, cn=TEXT)
CUSTOM = st.dictionaries(st.integers(0xE0, 0xFF), st.binary(max_size=40), max_size=3)
TLVS = st.builds(
    ProxyProtocolTLV, init=CUSTOM, alpn=st.none() | st.binary(max_size=8), authority=st.none() | TEXT,
    unique_id=st.none() | st.binary(max_size=128), ssl=st.none() | SSL, netns=st.none() | TEXT,
)  # fmt: skip


def result(pair, tlvs=None):
    kind = ProxyResultIPv4 if isinstance(pair[0][0], IPv4Address) else ProxyResultIPv6
    return kind(*pair, protocol=socket.SOCK_STREAM, **({} if tlvs is None else {"tlv": tlvs}))


def told(header):
    """What it says, as values of the other implementation."""
    return [(_address(host), port) for host, port in (header.source, header.destination)]


def _address(host):
    return IPv6Address(host) if ":" in host else IPv4Address(host)


def plain(pair):
    return [(getattr(host, "ipv4_mapped", None) or host, port) for host, port in pair]


def whole(data):
    """The header, which cannot be read while a byte of it is missing, and does not touch what follows it."""
    for cut in range(len(data)):
        assert read_header(data[:cut]) is None
    found = read_header(data + b"PROXY GET \r\n\r\n\0")
    assert found is not None
    assert found[1] == len(data)
    return found[0]


@given(PAIRS)
def test_lines_of_another_implementation(pair):
    assert told(whole(ProxyProtocolV1().pack(result(pair)))) == plain(pair)


@given(PAIRS, TLVS)
def test_binary_headers_of_another_implementation(pair, tlvs):
    header = whole(ProxyProtocolV2().pack(result(pair, tlvs)))
    assert told(header) == plain(pair)
    wanted = {kind: tlvs[kind] for kind in tlvs if kind != proxy_header.CRC32C}
    assert dict(each_tlv(header.tlvs)) == wanted
    assert header.value(proxy_header.UNIQUE_ID) == (tlvs.unique_id if 5 in tlvs else None)
    assert header.client_ssl & 1 == (proxy_header.SSL in tlvs)
    if proxy_header.SSL in tlvs:
        assert header.ssl(proxy_header.SSL_CN) == tlvs.ssl.cn.encode()
        assert header.ssl(proxy_header.SSL_CIPHER) == tlvs.ssl.cipher.encode()


@given(TLVS)
def test_local_and_unknown_ones_name_no_address(tlvs):
    for data in (
        ProxyProtocolV2().pack(ProxyResultLocal(tlv=tlvs)),
        ProxyProtocolV2().pack(ProxyResultUnknown(tlv=tlvs)),
        ProxyProtocolV1().pack(ProxyResultUnknown()),
    ):
        header = whole(data)
        assert (header.source, header.destination) == (None, None)


@given(PAIRS, TLVS)
def test_another_implementation_reads_headers_of_rsp(pair, tlvs):
    ends = [(str(host), port) for host, port in pair]
    listed = b"".join(tlv(kind, tlvs[kind]) for kind in sorted(tlvs))
    first = ProxyProtocolV1().unpack(line(*ends))
    second = ProxyProtocolV2().unpack(binary(*ends, listed))
    for found in (first, second):
        assert plain((found.source, found.dest)) == plain(pair)
    assert dict(second.tlv) == {kind: tlvs[kind] for kind in tlvs}


@given(PAIRS, TLVS, st.data())
def test_damage_never_raises_anything_else(pair, tlvs, data):
    """A byte that is wrong is refused, waited for, or read as what it says; a checksum finds each of them."""
    made = ProxyProtocolV2().pack(result(pair, tlvs))
    at = data.draw(st.integers(0, len(made) - 1))
    broken = made[:at] + bytes((made[at] ^ data.draw(st.integers(1, 255)),)) + made[at + 1 :]
    try:
        found = read_header(broken)
    except ProxyError:
        return
    # Nothing of LOCAL is looked at; a length may leave the checksum out; and so does a TLV that is another one then.
    nameless = found is None or found[0].source is None
    assert nameless or at in (14, 15) or made[at : at + 3] == b"\x03\0\x04"


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", proxy_header.SIGNATURE + b"\x21\x11"]))
def test_noise(noise, start):
    data = start + noise
    try:
        found = read_header(data)
    except ProxyError:
        return
    if found is not None and found[0].source is not None:
        theirs = (ProxyProtocolV1() if data[:1] == b"P" else ProxyProtocolV2()).unpack(data[: found[1]])
        assert told(found[0]) == plain((theirs.source, theirs.dest))


@pytest.mark.parametrize("pack", [lambda: ProxyProtocolV1(), lambda: ProxyProtocolV2()])
def test_both_are_told_apart_by_their_first_bytes(pack):
    data = pack().pack(result(((IPv4Address("192.0.2.1"), 1), (IPv4Address("192.0.2.2"), 2))))
    assert pack().is_valid(data)
    assert read_header(data) is not None
