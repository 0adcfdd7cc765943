"""Numbers of groups behind other expressions: what nginx has forgotten is empty, what depends on a match is reported."""

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read


def imported(tmp_path, inside):
    path = tmp_path / "site.conf"
    path.write_text(f"server {{ listen 80; location ~ ^/x/(.*)$ {{ {inside} }} }}")
    site = read(path, path.read_text())
    return site, checked(site, str(tmp_path)).text


@pytest.mark.parametrize(
    "before",
    ['if ($args ~ "^id=") { return 403; }', 'if ($args ~ "^id=(\\d+)") { return 403; }', 'if ($args !~ id) { return 403; }',
     "rewrite ^/x/y(.*) /z$1 redirect;", 'if ($args ~ "a(b)") { rewrite ^ /b permanent; }'],
)  # fmt: skip
def test_forgotten(tmp_path, before):
    site, text = imported(tmp_path, f"{before} proxy_pass http://app/$1;")
    assert site.whole and 'req.path = "/"\n' in text


@pytest.mark.parametrize(
    "before",
    ['if ($args !~ "^(id|x)=") { return 403; }', 'if ($args ~ "^id=(\\d+)") { set $id $1; } add_header X-Id $id;',
     "rewrite ^/x/(y) /z break;", 'if ($args !~ "a(b)") { return 403; }'],
)  # fmt: skip
def test_not_known(tmp_path, before):
    site, _ = imported(tmp_path, f"{before} proxy_pass http://app/$1;")
    assert [lost.reason for lost in site.untranslated] == ["rsp does not know $1"]


@pytest.mark.parametrize(
    "before", ["", "if ($args = x) { return 403; }", "set $x 1;", "if (-f /srv/no) { return 503; }"]
)
def test_kept(tmp_path, before):
    site, text = imported(tmp_path, f"{before} proxy_pass http://app/$1;")
    assert site.whole and ('rewrite = "/{1}"' in text or 'req.path = "/" .. (found[1]' in text)


def test_a_number_has_one_digit(tmp_path):
    site, text = imported(tmp_path, "return 301 /new/$1index.html;")
    assert site.whole and '"/new/{1}index.html"' in text


def test_a_name_that_begins_with_a_digit(tmp_path):
    site, text = imported(tmp_path, "set $444_closed 1; if ($444_closed) { return 444; } proxy_pass http://app;")
    assert site.whole and "respond(444)" in text and "found[4]" not in text


def test_groups_around_a_look_ahead_are_not_known(tmp_path):
    site, _ = imported(tmp_path, 'if ($args ~ "(a(?!b)|c).*$") { return 301 /$1; } proxy_pass http://app;')
    assert [lost.reason for lost in site.untranslated] == ["rsp does not know $1"]
