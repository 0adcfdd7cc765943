"""What is said of mistakes in access and limits: the line, the key, what was expected, what to write."""

import pytest

from tests.countries import write_countries
from tests.messages import messages

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'


@pytest.fixture
def said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(keys: str) -> list[str]:
        return messages(SITE + f'route {{ to = "app",\n {keys} }}')

    return evaluate


MESSAGES = [
    ('allow = "all"', 'allow: expected networks, got "all"; every client is allowed unless "allow" names some'),
    (
        'deny = { "10.0.0.0/8", "all" }',
        '"allow" denies all other clients; to deny every client, write respond = { status = 403 }',
    ),
    ('allow = { "10.0.0.1/8" }', 'write "10.0.0.0/8" for the network, or the address alone'),
    ('allow = "office.txt"', 'for a file with networks write "file:office.txt"'),
    ("allow = {}", "route: allow: "),  # a list that is computed, and empty: it does not let all in
    ('country = { allow = {}, file = "geo.mmdb" }', "route: country: allow: "),
    ("country = {}", 'route: country: missing "file"'),
    ("rate_limit = {}", 'route: rate_limit: missing "rate"'),
    ("concurrency = {}", 'route: concurrency: missing "max"'),
    ("bandwidth = {}", '"down" and "up" are missing'),
    ("fault = {}", '"delay" and "abort" are missing'),
    ('deny = "file:"', 'missing file name; write "file:office.txt"'),
    ('allow = { "file:none.txt" }', 'route: allow "file:none.txt": there is no such file'),
    ('deny = { "file:bad.txt" }', 'route: deny "file:bad.txt": line 2: expected a network such as "10.0.0.0/8"'),
    ('country = "de"', 'write country = { allow = { "DE" }, file = "GeoLite2-Country.mmdb" }'),
    ('country = { allow = { "de" }, file = "geo.mmdb" }', 'got "de"; write "DE"'),
    (
        'country = { allow = { "Germany" }, file = "geo.mmdb" }',
        'expected two capital letters as in "DE" (ISO 3166-1), got "Germany"',
    ),
    ('country = { file = "geo.mmdb" }', '"allow" and "deny" are empty; add allow = { "DE" }'),
    ('country = { deny = { "DE" }, file = "none.mmdb" }', 'country: file "none.mmdb": there is no such file'),
    ('country = { deny = { "DE" }, file = "bad.txt" }', "it is not a MaxMind database (mmdb)"),
    ('country = { deny = { "DE" }, file = "file:geo.mmdb" }', 'write the name alone: "geo.mmdb"'),
    ('country = { countries = { "DE" }, file = "geo.mmdb" }', 'unknown key "countries" (in rsp: allow = { "DE" })'),
    ("any = true", 'any: true means that one of "allow", "country" (with allow) and "auth" is enough'),
    ('any = true, allow = "10.0.0.0/8"', 'but only "allow" is given'),
    (
        'maintenance = "/run/x"',
        'expected true, or a file as in "file:/run/maintenance", got "/run/x"; write "file:/run/x"',
    ),
    ("fault = 503", "write fault = { abort = 503 }"),
    ("fault = { share = 0.5 }", '"delay" and "abort" are missing; add delay = "2s", or abort = 503'),
    ("fault = { abort = 503, percent = 10 }", 'unknown key "percent" (in rsp: share = 0.01)'),
    ('rate_limit = "5r/m"', 'write rate_limit = { rate = "5r/m" }'),
    ("rate_limit = 10", 'write rate_limit = { rate = "10r/s" }'),
    ("rate_limit = { rate = 10 }", 'rate: expected a string, got 10; write rate = "10r/s"'),
    ('rate_limit = { rate = "10" }', 'got "10"; write "10r/s"'),
    ('rate_limit = { { rate = "1r/s" }, { rate = "often" } }', 'rate: expected a rate such as "10r/s"'),
    ('rate_limit = { rate = "1r/s", nodelay = true }', "requests within burst never wait in rsp"),
    (
        'rate_limit = { rate = "1r/s", key = "{clinet}" }',
        'rate_limit: key: unknown placeholder "{clinet}" (did you mean "client"?)',
    ),
    ('rate_limit = { rate = "1r/s", key = "$remote_addr" }', '"$remote_addr" has no effect here; write {client}'),
    ('rate_limit = { rate = "1r/s", key = "{peer}" }', 'placeholder "{peer}" is not available here'),
    ("rate_limit = { average = 10 }", 'unknown key "average" (in rsp: rate = "10r/s")'),
    ("concurrency = 10", "write concurrency = { max = 10 }"),
    ("concurrency = { amount = 10 }", 'unknown key "amount" (in rsp: max = 10)'),
    ('concurrency = { max = 1, key = "{cookie}" }', "concurrency: key: "),
    ('bandwidth = "2MB"', 'write bandwidth = { down = "2MB" }'),
    ("bandwidth = { down = 0 }", "expected 1 or more bytes a second; leave it out for no limit"),
    ('bandwidth = { key = "{client}" }', '"down" and "up" are missing; add down = "1MB"'),
    ("limit_req = 5", '(in rsp: rate_limit = { rate = "10r/s", burst = 20 } in a route)'),
    ("ip_allow_list = 5", '(in rsp: allow = { "10.0.0.0/8" })'),
    ('limit_rate = "1m"', '(in rsp: bandwidth = { down = "1MB" } in a route, bytes a second)'),
]


@pytest.mark.parametrize(("keys", "message"), MESSAGES)
def test_each_mistake_has_its_word(said, tmp_path, keys, message):
    (tmp_path / "bad.txt").write_text("10.0.0.0/8\nnonsense\n")
    write_countries(tmp_path / "geo.mmdb", {"192.0.2.0/24": "DE"})
    found = said(keys)
    assert any(message in each for each in found), found
    assert all(each.startswith("s.lua:4: route: ") for each in found), found


@pytest.mark.parametrize(
    "keys",
    ['allow = "10.0.0.0/8"', 'allow = { "unix:", "::1", "::ffff:10.0.0.0/104" }, deny = "10.0.0.0/8"', "maintenance = true",
     'maintenance = "file:not/there"', 'country = { allow = { "DE" }, deny = { "DE" }, file = "geo.mmdb" }',
     'allow = "10.0.0.0/8", country = { allow = { "DE" }, file = "geo.mmdb" }, any = true', 'allow = "file:empty.txt"',
     'fault = { delay = "1s" }', 'rate_limit = { rate = "10r/s", key = "{client} {header.X-Key} {path}" }',
     'regex = "^/u/(?P<member>[a-z]+)", concurrency = { max = 2, key = "{member}{1}" }', "bandwidth = { up = 1 }"],
)  # fmt: skip
def test_what_is_right(said, tmp_path, keys):
    (tmp_path / "empty.txt").touch()
    write_countries(tmp_path / "geo.mmdb", {"192.0.2.0/24": "DE"})
    assert said(keys) == []
