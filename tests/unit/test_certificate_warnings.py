"""Warnings before certificates expire: each once, also when the control process is restarted."""

import pytest

from rsp.config.routes import Route
from rsp.config.schema import Config, Settings
from rsp.control.certificates import Certificates
from rsp.logs import log
from rsp.tls.material import Described, Keyring

DAY = 86400.0
CONFIG = Config(settings=Settings(), listeners=(), upstreams=(), routes=())


@pytest.fixture
def lines(monkeypatch):
    said = []
    monkeypatch.setattr(log, "line", lambda text, level=log.INFO: said.append(text))
    return said


def described(ends, digest="d", file="a.pem"):
    return Described("site.lua:3", file, ("a.example",), "CN=a", "CN=ca", "ecdsa", digest, 0.0, ends)


def told_of(*certificates, until=0.0):
    made = Certificates(CONFIG, until)
    made.use(CONFIG, certificates, Keyring())
    return made


def test_each_warning_comes_once(lines):
    made = told_of(described(100 * DAY))
    for hour in range(24 * 102):
        made.warn(hour * 3600.0)
    assert [line.partition(" (a.example) ")[2].partition(", on")[0] for line in lines] == [
        "expires in 30 days",
        "expires in 7 days",
        "expires in 1 day",
        "expired on 1970-04-11 00:00 UTC; clients refuse it: renew it",
    ]
    assert all(line.startswith('site.lua:3: certificate "a.pem"') for line in lines)


def test_at_the_start_only_the_nearest_is_told(lines):
    told_of(described(10 * DAY)).warn(8 * DAY)
    assert len(lines) == 1 and "expires in 2 days" in lines[0]


def test_another_control_process_does_not_repeat_what_the_first_has_told(lines):
    told_of(described(10 * DAY), until=8 * DAY).warn(8 * DAY + 60)
    assert lines == []
    told_of(described(10 * DAY), until=9 * DAY - 60).warn(9 * DAY + 60)  # the day came while there was none
    assert len(lines) == 1 and "expires in 24 hours" in lines[0]


def test_a_renewed_certificate_is_a_new_one(lines):
    made = told_of(described(10 * DAY))
    made.warn(8 * DAY)
    made.use(CONFIG, (described(90 * DAY, "e"),), Keyring())
    made.warn(8 * DAY + 1)
    assert len(lines) == 1
    made.warn(89.5 * DAY)
    assert len(lines) == 2 and "expires in 12 hours" in lines[1]


def test_nothing_is_decided_before_it_is_known_what_is_in_use(lines):
    made = Certificates(CONFIG, 8 * DAY)
    made.tick()
    made.use(CONFIG, (described(10 * DAY),), Keyring())
    made.warn(8 * DAY + 60)
    assert lines == []


def test_hosts_are_found_as_routes_match_them():
    hosts = ("A.Example", "a.example.", "b.example", "*.a.example", "a.*", ("c.example", "b.*"))
    routes = tuple(Route(host=host, to="app") for host in hosts)
    config = Config(settings=Settings(), listeners=(), upstreams=(), routes=routes)
    made = Certificates(config, 0.0)
    made.use(config, (described(DAY),), Keyring())
    assert [one["hosts"] for one in made.report()] == [["A.Example", "a.example.", "a.*"]]
