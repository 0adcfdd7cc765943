"""`tracing`: what is checked, what a mistake is told like, and that nothing shows its secrets."""

import pytest

from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from rsp.config.tracing_rules import endpoint_of
from rsp.ipc import channel
from tests.unforked import load

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'
GOOD = 'endpoint = "http://127.0.0.1:4318/v1/traces"'


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text: str):
        (tmp_path / "s.lua").write_text(SITE + text)
        return load("s.lua")

    return evaluate


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4318/v1/traces", (False, "127.0.0.1:4318", "127.0.0.1:4318", "/v1/traces")),
        ("https://otel.example/v1/traces?key=1", (True, "otel.example:443", "otel.example", "/v1/traces?key=1")),
        ("HTTP://otel/x", (False, "otel:80", "otel", "/x")),
        ("http://[::1]:4318/v1/traces", (False, "[::1]:4318", "[::1]:4318", "/v1/traces")),
        ("http://[::1]/v1/traces", (False, "[::1]:80", "[::1]", "/v1/traces")),
    ],
)
def test_an_endpoint_is_taken_apart(url, expected):
    assert endpoint_of(url) == expected


MISTAKES = [
    ('endpoint = "127.0.0.1:4318"', 3, 'tracing: endpoint: expected a URL such as "http://127.0.0.1:4318/v1/traces"'),
    ('endpoint = "ftp://a/b"', 3, 'expected a URL such as "http://127.0.0.1:4318/v1/traces", got "ftp://a/b"'),
    ('endpoint = "http://a:4318"', 3, 'the path is missing: most collectors take spans at "http://a:4318/v1/traces"'),
    ('endpoint = "http://a:4318/"', 3, "the path is missing"),
    (
        'endpoint = "http://me:secret@a/v1/traces"',
        3,
        'a URL without credentials; write headers = { Authorization = "..." }',
    ),
    ('endpoint = "http://a:0/v1/traces"', 3, "a peer's port is from 1 to 65535"),
    ('endpoint = "http://a b/v1/traces"', 3, "expected a URL"),
    ('endpoint = "http://a/v1 traces"', 3, "expected a URL"),
    ('endpoint = "http:///v1/traces"', 3, "expected"),
    ('endpoint = "http://unix:/x/y"', 3, "expected"),
    (GOOD + ",\n sample = 2", 4, "tracing: sample: "),
    (GOOD + ',\n headers = { ["Bad Name"] = "x" }', 4, 'tracing: headers: "Bad Name" is not a valid field name'),
    (GOOD + ',\n headers = { Host = "x" }', 4, 'rsp sets "Host" itself; leave it out'),
    (
        GOOD + ',\n headers = { Authorization = "secret\\n" }',
        4,
        "the value contains a control character or a line break",
    ),
    (GOOD + ",\n headers = { Authorization = 1234567 }", 4, "tracing: "),
    (GOOD + ',\n slow = "secret"', 4, "tracing: slow: "),
    ("sample = 0.5", 3, "endpoint"),
]


@pytest.mark.parametrize(("text", "line", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_line(site, text, line, message):
    with pytest.raises(ConfigError) as caught:
        site(f"tracing = {{ {text} }}")
    (told,) = caught.value.messages
    assert told.startswith(f"s.lua:{line}: ") and message in told, told
    assert "1234567" not in told and ("secret" not in told or "slow" in told), told


def test_secrets_are_kept(site):
    config = site(f'tracing = {{ {GOOD}, headers = {{ Authorization = "Bearer geheim" }} }}').bundle.config
    assert config.settings.tracing.headers == {"Authorization": "Bearer geheim"}
    for shown in (to_lua(config), repr(config), str(config.settings.tracing)):
        assert "geheim" not in shown and "***" in shown
    bundle = channel.unpack(channel.pack(channel.Bundle(1, "", config)))
    assert bundle.config.settings.tracing.headers == {"Authorization": "Bearer geheim"}
