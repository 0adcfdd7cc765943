"""Lists of networks in files, the countries of clients, and what both come to: against ``ipaddress``."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.config.network_list import read_networks
from rsp.exchange.limit_key import network_of
from rsp.http.networks import Networks
from rsp.system.countries import Countries, check_database, code_in
from tests.countries import write_countries
from tests.soak import examples

V4 = st.builds(
    lambda number, bits: ip_network((number, bits), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)
)
V6 = st.builds(
    lambda number, bits: ip_network((number << 64, bits), strict=False), st.integers(0, 2**64 - 1), st.integers(1, 128)
)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(st.lists(st.one_of(V4, V6), max_size=30), st.lists(ADDRESSES, max_size=10), st.booleans())
@examples(150)
def test_a_packed_list_says_what_the_networks_say(networks, addresses, local):
    content = "\n".join(f"  {network} # {number}" for number, network in enumerate(networks))
    packed = read_networks((content + ("\nunix:" if local else "")).encode()).pack()
    found = Networks.unpack(packed)
    near = [network[0] for network in networks] + [network[-1] for network in networks]
    near += [address + 1 for address in near if int(address) < 2**32 - 1]
    for address in (*addresses, *near):
        wanted = any(address in network for network in networks if network.version == address.version)
        mapped = address.ipv4_mapped if address.version == 6 else None
        if mapped is None:
            assert found.covers(str(address).encode()) == wanted
    assert found.covers(b"unix:") == local
    assert not found.covers(b"nonsense")


def test_nothing_is_in_no_networks():
    for empty in (Networks.unpack(b""), read_networks(b"# nothing\n\n")):
        assert not empty.covers(b"127.0.0.1") and not empty.covers(b"::1") and not empty.covers(b"unix:")


def test_ipv4_written_as_ipv6():
    found = Networks(["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"])
    inside, outside = (b"10.9.8.7", b"::ffff:10.9.8.7", b"192.0.2.1"), (b"11.0.0.0", b"::10.0.0.1", b"192.0.2.2")
    assert [found.covers(client) for client in (*inside, *outside)] == [True] * 3 + [False] * 3
    assert not Networks(["::/0"]).covers(b"10.0.0.1") and not Networks(["0.0.0.0/0"]).covers(b"::1")


def test_forms_of_a_list():
    found = read_networks(b"\xef\xbb\xbf10.0.0.0/8\r\n192.0.2.1\r\n::1\t# here\n")
    assert [found.covers(each) for each in (b"10.2.3.4", b"192.0.2.1", b"::1", b"192.0.2.2")] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"10.0.0.1/8", 'write "10.0.0.0/8" for the network'),
        (b"allow 10.0.0.0/8;", 'write "10.0.0.0/8"'),
        (b'"10.0.0.0/8",', 'write "10.0.0.0/8"'),
        (b"10.0.0.0-10.0.0.9", 'expected a network such as "10.0.0.0/8", or an address'),
        (b"all", '"0.0.0.0/0" and "::/0"'),
        (b"\xff\x1b[31m", "expected a network"),
    ],
)
def test_what_is_wrong_with_a_line(line, said):
    with pytest.raises(ValueError, match="line 2: ") as error:
        read_networks(b"10.0.0.0/8\n" + line)
    assert said in str(error.value) and str(error.value).isprintable()


def test_not_all_lines_are_shown():
    with pytest.raises(ValueError, match="and 95 more lines"):
        read_networks(b"x\n" * 100)


# -- countries


def test_countries(tmp_path):
    write_countries(tmp_path / "geo.mmdb", {"192.0.2.0/24": "DE", "2001:db8::/32": "FR"})
    found = Countries(check_database((tmp_path / "geo.mmdb").read_bytes()))
    wanted = {b"192.0.2.7": "DE", b"::ffff:192.0.2.7": "DE", b"2001:db8::1": "FR", b"fe80::1%eth0": "", b"198.51.100.1": "",
              b"unix:": "", b"nonsense": "", b"\xff": ""}  # fmt: skip
    assert {client: found.of(client) for client in wanted} == wanted


def test_routes_share_one_copy_of_a_database(tmp_path):
    write_countries(tmp_path / "geo.mmdb", {"192.0.2.0/24": "DE"})
    write_countries(tmp_path / "other.mmdb", {"192.0.2.0/24": "FR"})
    contents = [(tmp_path / name).read_bytes() for name in ("geo.mmdb", "geo.mmdb", "other.mmdb")]
    first, second, other = map(Countries.shared, contents)
    assert first is second
    assert (first.of(b"192.0.2.1"), other.of(b"192.0.2.1")) == ("DE", "FR")


def test_databases_of_other_makers():
    records = [
        ({"country": {"iso_code": "DE"}}, "DE"), ({"country": "de"}, "DE"), ({"country_code": "FR", "country": "France"}, "FR"),
        ({"registered_country": {"iso_code": "IT"}}, "IT"), ({"country": {"names": {}}}, ""), (None, ""), ("DE", ""), ({}, ""),
        ({"country": None, "registered_country": {"iso_code": 7}}, ""),
    ]  # fmt: skip
    for record, wanted in records:
        assert code_in(record) == wanted, record


def test_a_file_that_is_no_database(tmp_path):
    write_countries(tmp_path / "geo.mmdb", {"192.0.2.0/24": "DE"})
    content = (tmp_path / "geo.mmdb").read_bytes()
    for data in (b"", b"hello", content[: len(content) // 2], b"\xab\xcd\xefMaxMind.com"):
        with pytest.raises(ValueError, match="not a MaxMind database"):
            check_database(data)
    write_countries(tmp_path / "asn.mmdb", {"192.0.2.0/24": "DE"}, "GeoLite2-ASN")
    with pytest.raises(ValueError, match="has no countries"):
        check_database((tmp_path / "asn.mmdb").read_bytes())


@given(st.integers(0, 2**20), st.data())
@examples(60)
def test_a_damaged_database_ends_nothing(tmp_path_factory, number, data):
    path = tmp_path_factory.getbasetemp() / "damaged.mmdb"
    if not path.exists():
        write_countries(path, {"192.0.2.0/24": "DE", "2001:db8::/32": "FR"})
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = number & 0xFF
    try:
        found = Countries(bytes(content))
    except ValueError:
        return
    for client in (b"192.0.2.7", b"2001:db8::1", b"10.0.0.1"):
        assert isinstance(found.of(client), str)


# -- what a limit counts as one


@pytest.mark.parametrize(
    ("client", "network"),
    [(b"192.0.2.1", b"192.0.2.1"), (b"::ffff:192.0.2.1", b"192.0.2.1"), (b"unix:", b"unix:"), (b"x:" * 100, (b"x:" * 100)[:128]),
     (b"2001:db8:1:2:3::4", ip_address("2001:db8:1:2::").packed[:8]), (b"fe80::1%eth0", ip_address("fe80::").packed[:8])],
)  # fmt: skip
def test_a_client_with_ipv6_is_its_network(client, network):
    assert network_of(client) == network
