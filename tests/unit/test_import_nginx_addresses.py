"""Networks of nginx.conf: the order of ``allow`` and ``deny``, bits of hosts, ranges, names of hosts in maps."""

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read
from rsp.importing.nginx.values.addresses import in_order, masked
from rsp.importing.nginx.values.variables import Unsayable


def imported(tmp_path, text):
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    site = read(path, text)
    return site, checked(site, str(tmp_path)).text


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("allow 10.1.1.0/16; deny all;", 'allow = "10.1.0.0/16"'),
        ("allow 10.1.0.0/16; deny 10.0.0.0/8; allow 192.168.0.0/16; deny all;", '"10.1.0.0/16", "192.168.0.0/16" }'),
        ("allow 10.0.0.0/31; deny 10.0.0.2; allow 10.0.0.0/30; deny all;", 'allow = { "10.0.0.0/31", "10.0.0.3" }'),
        ("allow 10.0.0.5; deny 10.0.0.4/30;", 'deny = { "10.0.0.4", "10.0.0.6/31" }'),
        ("allow 10.0.0.5; deny 192.168.0.0/16; allow all;", 'deny = { "192.168.0.0/16" }'),
        ("deny 10.0.0.1; allow 10.0.0.0/8; allow all;", 'deny = { "10.0.0.1" }'),
        ("allow 2001:db8::1; deny 2001:db8::/127;", 'deny = { "2001:db8::" }'),
        ("deny 10.0.0.1; allow 10.0.0.0/8; deny all;", 'deny = { "10.0.0.1" }, allow = "10.0.0.0/8"'),
    ],
)
def test_the_first_of_allow_and_deny_counts(tmp_path, rules, expected):
    site, text = imported(tmp_path, f"server {{ listen 80; location / {{ {rules} proxy_pass http://127.0.0.1:9; }} }}")
    assert site.whole
    assert sorted(expected.split(", ")) == sorted(each for each in expected.split(", ") if each in text)


def test_what_is_no_network_keeps_no_order():
    with pytest.raises(Unsayable):
        in_order([(True, "10.0.0.1"), (False, "unix:"), (True, "10.0.0.0/8")], closed=True)


def test_bits_of_hosts_are_left_out():
    assert [masked(each) for each in ("10.1.1.0/16", "10.1.0.0/16", "10.1.1.1", "unix:", "2001:db8::1/32")] == [
        "10.1.0.0/16",
        "10.1.0.0/16",
        "10.1.1.1",
        "unix:",
        "2001:db8::/32",
    ]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("geo $x { ranges; default a; 10.0.0.0-10.0.0.255 b; }", '{ "10.0.0.0/24", "b" }'),
        ("geo $x { 10.1.1.0/16 b; }", '{ "10.1.0.0/16", "b" }'),
        ("geo $x { 10.0.0.0/8 a; 10.1.0.0/16 b; delete 10.0.0.0/8; }", '{  -- the smallest first\n  { "10.1.0.0/16"'),
        ("map $host $x { hostnames; .a.test b; }", r"^(?:.+\.)?a\.test$"),
        ("map $host $x { hostnames; *.a.test b; mail.* c; }", r"^mail\..+$"),
    ],
)
def test_ranges_and_names_of_hosts(tmp_path, block, expected):
    site, text = imported(tmp_path, f'{block} server {{ listen 80; location / {{ return 200 "$x"; }} }}')
    assert site.whole
    assert expected in text


@pytest.mark.parametrize("entry", ["ranges; 10.0.0.0-10.0.0.9 a; 10.0.0.5-10.0.0.7 b", "proxy 10.0.0.1", "x.test a"])
def test_geo_that_is_not_known(tmp_path, entry):
    site, _ = imported(tmp_path, f'geo $x {{ {entry}; }} server {{ listen 80; location / {{ return 200 "$x"; }} }}')
    assert not site.whole
