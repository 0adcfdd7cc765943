"""Which ciphers of TLS 1.2 HTTP/2 may be used with, against the list in RFC 9113 appendix A."""

import ssl

import pytest

from rsp.tls.contexts import INTERMEDIATE
from rsp.tls.suites import bad_ones_last, suites_of


def order(ciphers: str) -> list[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    return [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]


def test_those_of_the_profiles_are_all_good():
    assert suites_of(INTERMEDIATE).bad == ()
    assert bad_ones_last(INTERMEDIATE) == INTERMEDIATE
    assert suites_of(INTERMEDIATE).good == {
        "ecdsa": {b"\xc0\x2b", b"\xc0\x2c", b"\xcc\xa9"}, "rsa": {b"\xc0\x2f", b"\xc0\x30", b"\xcc\xa8"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-SHA", "DHE-RSA-AES128-SHA"],
)
def test_those_of_appendix_a_are_bad(name):
    """Without ephemeral keys, or without authenticated encryption."""
    assert suites_of(f"{name}:ECDHE-RSA-AES128-GCM-SHA256").bad == (name,)


def test_of_a_list_the_bad_ones_come_last_and_both_kinds_keep_their_order():
    bad, good = ["AES128-SHA", "ECDHE-RSA-AES128-SHA"], ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
    assert order(bad_ones_last(":".join((bad[0], good[0], bad[1], good[1])))) == good + bad


def test_commands_of_a_list_stay_in_force():
    assert order(bad_ones_last("HIGH:!aNULL:!kRSA:@SECLEVEL=1"))[-1] not in order("kRSA:ECDHE+AESGCM")
    assert set(order(bad_ones_last("HIGH:!aNULL"))) == set(order("HIGH:!aNULL"))


def test_what_a_client_offers_counts_by_kind_of_key():
    suites = suites_of("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA")
    assert suites.find(b"\x00\x2f\xc0\x2b", {"ecdsa", "rsa"})
    assert not suites.find(b"\x00\x2f\xc0\x2b", {"rsa"})
    assert not suites.find(b"\x2b\x00\x2f\xc0", {"ecdsa"})  # not at an odd place
    assert not suites.find(b"", {"ecdsa"})
