"""Passwords in URLs of engines, wherever a URL may stand and however wrong it is: no message repeats them."""

import pytest

from rsp.config.engines import DISCOVERY_PORTS, EngineUrl
from rsp.config.errors import ConfigError
from rsp.config.units import without_credentials
from rsp.engines.kv_stores import check
from tests.unit.label_lab import config_of

SITE = 'listen "127.0.0.1:8080" upstream "a1" { "127.0.0.1:1" } route { to = "a1" } %s\n'
PLACES = [
    'upstream "app" { discover = "%s" }',
    'upstream "app" { discover = { url = "%s" } }',
    'upstream "app" { "%s" }',
    'store "main" { "%s" }',
    'local x = shared("x", { store = "%s" })',
    'route { path = "/x", to = "a1", rate_limit = { rate = "10r/s", cluster = "%s" } }',
    'discover_routes = { docker = "%s", hosts = { "*" } }',
    'discover_routes = { kubernetes = "%s", hosts = { "*" } }',
]
URLS = [
    "etcd://u:s3cr3t@h/x", "etcd:/u:s3cr3t@h", "etcd//u:s3cr3t@h/x", "vault://u:s3cr3t@h/x", "u:s3cr3t@h:6379",
    "redis://:s3cr3t@h:99999/0", "docker:///u:s3cr3t@h", "unix://u:s3cr3t@h", "tcp://u:a?s3cr3t@h:2375",
    "kubernetes://u:s3cr3t@h/a/b", "consul://h:8500/x?token=s3cr3t",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_message_repeats_a_password(tmp_path, place):
    for url in URLS:
        try:
            config_of(tmp_path, SITE % place % url)
        except ConfigError as error:
            assert "s3cr3t" not in str(error.messages), error.messages
        else:
            assert url[: url.index("u:")] in ("docker:///", "unix://"), url  # a path


@pytest.mark.parametrize("url", URLS)
def test_urls_of_sites_are_not_repeated(url):
    for parse in (check, lambda text: EngineUrl.parse(text, DISCOVERY_PORTS)):
        try:
            parse(url)
        except ValueError as error:
            assert "s3cr3t" not in str(error)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tcp://u:p@h:1/x?y", "tcp://h:1/x"),
        ("etcd:/u:p@h", "etcd:/h"),
        ("u:p@h:1", "h:1"),
        ("h:1", "h:1"),
        ("unix:/run/a@b.sock", "unix:/run/a@b.sock"),
    ],
)
def test_what_is_shown_of_a_url(url, shown):
    assert without_credentials(url) == shown
