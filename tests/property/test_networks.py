"""Whether an address is in one of several networks, against Python's ipaddress, network by network."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.http.networks import Networks
from tests.soak import examples

# Small parts of both families, so that networks meet, contain and follow each other.
V4 = st.builds(lambda number: ip_address((10 << 24) + number), st.integers(0, 300))
V6 = st.builds(lambda number: ip_address((0x20010DB8 << 96) + number), st.integers(0, 300))
EDGES = st.sampled_from(
    [ip_address(text) for text in ("0.0.0.0", "255.255.255.255", "::", "::1", "ffff:" * 7 + "ffff", "::ffff:0:1")]
)
ADDRESSES = st.one_of(V4, V6, EDGES)


def network_of(address, length):
    return ip_network(f"{address}/{min(length, 32) if address.version == 4 else length}", strict=False)


NETWORKS = st.builds(network_of, ADDRESSES, st.sampled_from([0, 8, 24, 29, 30, 31, 32, 120, 125, 127, 128]))


def spoken(address):
    return getattr(address, "ipv4_mapped", None) or address


def as_ipv4(network):
    """A network of IPv4 that is written as one of IPv6."""
    first = getattr(network[0], "ipv4_mapped", None)
    return ip_network(f"{first}/{network.prefixlen - 96}") if first is not None and network.prefixlen >= 96 else network


@given(st.lists(NETWORKS, max_size=12), st.lists(ADDRESSES, max_size=8))
@examples(300)
def test_networks(networks, addresses):
    made = Networks(map(str, networks))
    for address in addresses:
        expected = any(spoken(address) in as_ipv4(network) for network in networks)
        for text in (str(address), str(address).upper(), f"{address}%eth0" if address.version == 6 else str(address)):
            assert made.covers(text.encode()) == expected, (text, networks)


def test_what_is_no_address_is_in_none():
    made = Networks(["0.0.0.0/0", "::/0"])
    for client in (b"", b"unix:", b"a", b"10.0.0", b"10.0.0.0.1", b"\xff", b"1" * 5000, b"[::1]", b"10.0.0.1:80"):
        assert not made.covers(client)
    assert Networks(["unix:"]).covers(b"unix:")
    assert not Networks([]).covers(b"10.0.0.1")


def test_what_is_remembered_is_bounded():
    made = Networks(["10.0.0.0/8"])
    for number in range(5000):
        assert made.covers(str(ip_address((10 << 24) + number)).encode())
        assert not made.covers(b"x" * 100 + b"%d" % number)
    assert len(made._known) <= 1024
    assert all(len(client) <= 64 for client in made._known)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "a", "10.0.0.0/33", ""])
def test_a_network_that_is_none(text):
    with pytest.raises(ValueError):
        Networks([text])
