"""A Caddyfile: what its sites, matchers and directives become."""

import os

import pytest

from rsp.importing.caddy.reader import read
from rsp.importing.lua import write
from rsp.importing.site import Unreadable
from tests.unforked import checked


@pytest.fixture
def site(tmp_path):
    """What a text becomes, once rsp's loader has seen it; ``files`` are beside it."""

    def make(text, files=None):
        for name, content in (files or {}).items():
            (tmp_path / name).write_text(content)
        made = read(tmp_path / "Caddyfile", text)
        checked(made, str(tmp_path))
        return made

    return make


@pytest.fixture
def lua(site):
    """The Lua of a text, in one line, all of which has to be translated."""

    def make(text, files=None):
        made = site(text, files)
        assert made.whole, [str(lost) for lost in made.untranslated]
        return " ".join(write(made).text.split()).replace(", }", " }")

    return make


def plain(*lines):
    return ":80 {\n" + "\n".join(lines) + "\n}\n"


APP = "reverse_proxy localhost:3000"


# -- sites


def test_a_name_has_https_and_a_redirect(lua):
    text = lua(f"example.com {{\n{APP}\n}}\n")
    assert 'listen "0.0.0.0:443" { tls = true } listen "0.0.0.0:80" { redirect = "https" }' in text
    assert "certbot certonly --standalone -d example.com" in text
    assert 'certificate { "/etc/letsencrypt/live/example.com/fullchain.pem"' in text
    assert 'route { host = "example.com", to = "port-3000" }' in text


def test_a_site_without_braces(lua):
    assert 'route { to = "port-3000" }' in lua(f":80\n{APP}\n")


def test_certificates_of_ones_own(lua):
    text = lua(f"example.com {{\ntls /a.pem /a.key\n{APP}\n}}\nlocalhost {{\n{APP}\n}}\n")
    assert 'certificate { "/a.pem", key = "/a.key" }' in text
    assert 'certificate { "localhost.crt", key = "localhost.key" }' in text and "rsp certificate localhost" in text
    text = lua(f"*.a.internal {{\n{APP}\n}}\n")
    assert 'certificate { "_.a.internal.crt", key' in text and "rsp certificate '*.a.internal'" in text


def test_a_peer_that_no_request_reaches(lua):
    text = lua(f":80 {{\nreverse_proxy /ws 10.0.0.1\nhandle {{\n{APP}\n}}\n}}\n")
    assert "-- Note (Caddyfile:2): no request comes to upstream" in text.replace("\n-- ", " ")
    assert "no request comes" not in lua(f":80 {{\nreverse_proxy /ws 10.0.0.1\n{APP}\n}}\n")


def test_ports_are_told_apart(lua):
    text = lua(f":80 {{\n{APP}\n}}\n:8080 {{\nreverse_proxy 10.0.0.1\n}}\n")
    assert 'route { listener = "0.0.0.0:80", to = "port-3000" }' in text
    assert 'route { listener = "0.0.0.0:8080", to = "10.0.0.1" }' in text


def test_snippets_and_imports(lua):
    text = lua(
        "(common) {\nheader X-A {args[0]}\n}\n:80 {\nimport common one\nimport more.caddy\n}\n",
        {"more.caddy": APP},
    )
    assert 'response_headers = { set = { ["X-A"] = "one" } }' in text and 'to = "port-3000"' in text


def test_variables_of_the_environment(lua):
    text = lua("{$DOMAIN:example.com} {\nreverse_proxy {$APP}:80\n}\n")
    assert 'host = (os.getenv("DOMAIN") or "example.com")' in text
    assert '(os.getenv("APP") or "app.invalid") .. ":80"' in text


# -- directives


@pytest.mark.parametrize(
    ("matcher", "key"),
    [
        ("path /a", 'exact = "/a"'),
        ("path /a/*", 'path = "/a/"'),
        ("path /a*", 'regex = "^/a"'),
        ("path *.php", r"regex = [[\.php$]]"),
        ("path_regexp ^/[0-9]+$", 'regex = "^/[0-9]+$"'),
        ("method POST", 'methods = { "POST" }'),
        ("header X-Beta 1", 'headers = { ["X-Beta"] = "1" }'),
        ("header X-Beta", 'headers = { ["X-Beta"] = true }'),
        ("header !X-Beta", 'headers = { ["X-Beta"] = false }'),
        ("header X-Beta a*", 'headers = { ["X-Beta"] = { prefix = "a" } }'),
        ("header X-Beta *a", 'headers = { ["X-Beta"] = { suffix = "a" } }'),
        ("header X-Beta *a*", 'headers = { ["X-Beta"] = { contains = "a" } }'),
        ("header X-Beta a*b", 'headers = { ["X-Beta"] = "a*b" }'),
        ("not header X-Beta 1", 'headers = { ["X-Beta"] = { except = "1" } }'),
        ("header_regexp X-Beta ^[a-z]{2}", 'headers = { ["X-Beta"] = { regex = "^[a-z]{2}" } }'),
        ("header_regexp found X-Beta a|b", 'headers = { ["X-Beta"] = { regex = "a|b" } }'),
        ("not header_regexp Cookie session=x", 'headers = { Cookie = { except = { regex = "session=x" } } }'),
        ("query v=2", 'query = { v = "2" }'),
        ("remote_ip 10.0.0.0/8", 'client = { "10.0.0.0/8" }'),
        ("host a.test", 'host = "a.test"'),
    ],
)
def test_matchers(lua, matcher, key):
    text = lua(plain(f"@m {matcher}", "reverse_proxy @m 10.0.0.1:1", APP))
    assert f'route {{ {key}, to = "10.0.0.1" }}' in text


def test_a_prefix_is_taken_off(lua):
    text = lua(plain("handle_path /api/* {", APP, "}", "handle {", "root * /srv", "file_server", "}"))
    assert 'path = "/api/", to = "port-3000", strip = true' in text
    assert 'files = { root = "/srv", index = { "index.html", "index.txt" } }' in text


def test_an_application_of_one_page(lua):
    page = ["handle {", "root * /srv", "try_files {path} /index.html", "file_server", "}"]
    text = lua(plain("handle /api/* {", "reverse_proxy localhost:1", "}", *page))
    assert 'fallback = "/index.html"' in text
    assert 'path = "/api/", to = "port-1"' in text


def test_php(lua):
    text = lua(plain("root * /srv/www", "php_fastcgi unix//run/php.sock", "file_server"))
    assert 'upstream "php" { "unix:/run/php.sock", protocol = "fastcgi", root = "/srv/www" }' in text
    assert 'route { files = "/srv/www", else_to = "php" }' in text
    text = lua(plain("root * /srv/www", "php_fastcgi unix//run/php.sock", "file_server {\nhide .git *.sql\n}"))
    assert 'route { files = { root = "/srv/www", hide = { "*.sql" } }, else_to = "php" }' in text
    text = lua(plain("root * /srv/www", "file_server {\nhide /srv/www/private/ .git/config a/*.sql\n}"))
    assert 'hide = { "private", "config", "*.sql" }' in text and "hidden in every directory" in text


def test_order_is_caddys_not_that_of_the_file(lua):
    text = lua(plain(APP, "redir /old /new permanent", "header X-A 1"))
    assert 'exact = "/old", respond = { status = 301, headers = { Location = "/new" } }' in text
    assert text.count('["X-A"] = "1"') == 1 and text.index("X-A") < text.index("listen")  # for all routes


def test_peers(lua):
    text = lua(
        plain(
            "reverse_proxy https://a.test https://b.test:8443 {",
            "lb_policy ip_hash",
            "health_uri /up",
            "header_up Host app.test",
            "header_up X-Real-IP {remote_host}",
            "header_up Connection {header.Connection}",
            "header_down -Server",
            "transport http {",
            "tls_server_name c.test",
            "response_header_timeout 9s",
            "}",
            "}",
        )
    )
    assert '"a.test:443", "b.test:8443", tls = { name = "c.test" }, policy = "hash"' in text
    assert 'send_host = "app.test"' in text and 'timeouts = { response = "9s" }' in text
    assert 'request_headers = { set = { ["X-Real-IP"] = "{client}" } }' in text
    assert 'response_headers = { remove = { "Server" }, own = false }' in text


def test_access(site):
    made = site(plain("@out not remote_ip 10.0.0.0/8", "abort @out", "basic_auth /a/* {", "ann $2a$14$x", "}", APP))
    assert made.whole
    text = " ".join(write(made).text.split())
    assert 'allow = { "10.0.0.0/8" }' in text
    assert 'regex = "(?i)^/a/"' in text and 'auth = { basic = "users.htpasswd", realm = "restricted" }' in text
    assert any("ann:$2a$14$x" in note.text for note in made.notes)


def test_what_keeps_clients_out_does_so_in_any_case(lua):
    closed = ["handle /admin/* {", "@out not remote_ip 10.0.0.0/8", "abort @out", APP, "}"]
    text = lua(plain(*closed, "handle {", APP, "}"))
    assert 'regex = "(?i)^/admin/", to = "port-3000", allow = { "10.0.0.0/8" }' in text


def test_what_only_a_trusted_proxy_may_say_is_a_note(site):
    line = "reverse_proxy localhost:1 {\nheader_up X-Real-IP {header.CF-Connecting-IP}\n}"
    assert any("CF-Connecting-IP" in note.text for note in site(plain(line)).notes)
    proxies = "{\nservers {\ntrusted_proxies static 10.0.0.0/8\n}\n}\n"
    made = site(proxies + plain(line))
    assert 'trusted = { "10.0.0.0/8" }' in write(made).text
    assert not any("CF-Connecting-IP" in note.text for note in made.notes)


def test_a_service_that_is_asked(lua):
    text = lua(plain("forward_auth authelia:9091 {", "uri /verify", "copy_headers Remote-User", "}", APP))
    assert 'auth = { forward = "authelia", path = "/verify", copy = { "Remote-User" } }' in text


# -- what is not translated


@pytest.mark.parametrize(
    "line",
    [
        "templates",
        "map {host} {a} {\ndefault 1\n}",
        "handle_errors {\ntemplates\n}",
        "uri replace a b",
        "header @m X-A 1",
        "import nowhere",
        "nonsense here",
    ],
)
def test_what_is_not_translated_names_its_line(site, line):
    made = site(plain(line, APP))
    assert [str(part.origin) for part in made.untranslated] == ["Caddyfile:2"]
    assert 'to = "port-3000"' in write(made).text


@pytest.mark.parametrize(
    "lines",
    [
        ["authorize with mypolicy"],
        ["@out not vars_regexp key ^a", "respond @out 403"],
        ["basic_auth {", "ann", "}"],
        ["forward_auth authelia:9091 {", "copy_headers A>B", "}"],
        ["@x path {$ADMIN}/*", "respond @x 403"],
        ["@x expression true", "handle @x {", "basic_auth {", "ann $2a$14$x", "}", APP, "}"],
    ],
)
def test_a_restriction_that_is_not_understood_stays_closed(site, lines):
    made = site(plain(*lines, APP))
    assert not made.whole
    assert 'to = "port-3000"' not in write(made).text
    assert "respond = { status = 403 }" in write(made).text


def test_a_part_of_the_site_whose_restriction_is_not_understood_stays_closed(site):
    made = site(plain("@bad {", "path /admin/*", "vars_regexp key ^a", "}", "respond @bad 403", APP))
    assert not made.whole
    text = write(made).text
    assert 'regex = "(?i)^/admin/", respond = { status = 403 }' in text and 'route { to = "port-3000" }' in text


def test_what_only_tunes_is_named(site):
    made = site("{\ngrace_period 9s\n}\n" + plain(f"{APP} {{\nflush_interval -1\n}}"))
    assert made.whole
    assert list(made.dropped) == ["grace_period", "flush_interval"]


def test_an_import_of_itself(site):
    assert not site("(a) {\nimport a\n}\n:80 {\nimport a\n}\n").whole


@pytest.mark.parametrize(("text", "said"), [(":80 {\n", "a brace has no end"), ('respond "a\n', "a quote")])
def test_what_cannot_be_read(site, text, said):
    with pytest.raises(Unreadable, match=said):
        site(text)


def test_a_name_comes_before_one_with_a_star_wherever_it_stands(lua):
    text = lua(f"http://*.t {{\n{APP}\n}}\nhttp://b.t, http://c.t:81 {{\nrespond 403\n}}\n")
    assert text.index('host = "b.t", respond = { status = 403 }') < text.index('host = "*.t"')


def test_a_name_of_one_port_is_not_that_of_another_where_a_star_has_it(lua):
    text = lua(f"http://*.t {{\nrespond 403\n}}\nhttp://c.t:81 {{\n{APP}\n}}\n")
    assert 'route { listener = "0.0.0.0:81", host = "c.t", to = "port-3000" }' in text


def test_handle_path_without_a_slash_refuses_what_rsp_has_no_prefix_for(lua):
    text = lua(plain(APP, "handle_path /z* {", "respond 404", "}"))
    assert text.index('regex = "(?i)^/z", respond = { status = 403 }') < text.index('to = "port-3000"')


def test_a_pipe_is_not_imported(site, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    made = site(plain("import pipe", APP))
    assert [lost.reason for lost in made.untranslated] == ["there is no such file or snippet"]


def test_blocks_that_are_nested_too_deeply(site):
    with pytest.raises(Unreadable, match="nested too deeply"):
        site(":80 {\n" + "handle {\n" * 2000 + "}\n" * 2001)
