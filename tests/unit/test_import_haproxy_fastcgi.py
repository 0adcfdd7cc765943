"""haproxy.cfg: peers that speak FastCGI or HTTP/2."""

import pytest

from rsp.importing.haproxy.reader import read
from rsp.importing.lua import write
from tests.unforked import checked

SITE = """
defaults
  mode http
frontend f
  bind :80
  default_backend php
backend php
  {backend}
fcgi-app fpm
  docroot /srv/www
  log-stderr global
  option keep-conn
  {application}
"""
FPM = "use-fcgi-app fpm\n  server a /run/php.sock proto fcgi"


@pytest.fixture
def translated(tmp_path):
    def make(application, backend=FPM):
        site = read(tmp_path / "haproxy.cfg", SITE.format(application=application, backend=backend))
        checked(site, str(tmp_path))
        return [(each.reason, each.text) for each in site.untranslated], " ".join(write(site).text.split())

    return make


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (r"path-info ^(/.+\.php)(/.*)?$", ""),
        ("index index.php", ""),
        ("index app.php", ', index = "app.php"'),
        (r"path-info ^(/.+\.cgi)(/.*)?$", ', split = ".cgi", index = "index.cgi"'),
        ('set-param APP_ENV "live"', ', params = { APP_ENV = "live" }'),
        ("set-param CLIENT %[src]", ', params = { CLIENT = "{client}" }'),
    ],
)
def test_an_application(translated, line, keys):
    lost, lua = translated(line)
    wanted = f'"unix:/run/php.sock", protocol = "fastcgi", root = "/srv/www"{keys}'
    assert "a path without a script goes to " in lua
    assert not lost and wanted in lua.replace(", }", " }") and 'route { to = "php" }' in lua


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("set-param SCRIPT_FILENAME /x.php", "rsp sets SCRIPT_FILENAME by itself"),
        ("set-param A b if { path /x }", "rsp sets a variable for all requests"),
        ("path-info ^/a(.*)$", "rsp splits a path behind the extension of a script: split"),
        ("pass-header X-A", "rsp has no such line for FastCGI"),
    ],
)
def test_what_is_lost_of_it(translated, line, reason):
    assert translated(line)[0] == [(reason, line)]


def test_without_its_application_it_is_closed(translated):
    lost, lua = translated("index a.php", FPM.replace("fpm", "other"))
    assert ("the fcgi-app is not in this file", "use-fcgi-app other") in lost
    assert lua.count("route { respond = { status = 503 } }") == 1 and '"fpm" is not used' in lua


@pytest.mark.parametrize("words", ["proto h2", "ssl verify none alpn h2"])
def test_peers_that_speak_http2(translated, words):
    assert "http = 2" in translated("index a.php", f"server a 10.0.0.1:80 {words}")[1]


def test_one_protocol_for_all_peers(translated):
    lost, _ = translated("index a.php", "server a 10.0.0.1:80 alpn h2,http/1.1\n  server b 10.0.0.2:80")
    assert not lost
    ((reason, _),), _ = translated("index a.php", "server a 10.0.0.1:80 proto h2\n  server b 10.0.0.2:80")
    assert reason == "servers of one backend differ in proto or alpn; rsp has one protocol for an upstream"
