"""What nginx keeps closed stays closed: asked of the result, by rsp's own rehearsal, without a network."""

import pytest

from rsp.commands.rehearsal import Rehearsal
from rsp.importing.nginx.reader import read
from rsp.lua.evaluate import evaluate
from tests.unforked import checked

_PROXY = "proxy_pass http://127.0.0.1:9;"
_REFUSED = "location = /v { internal; return 401; }"
_BY_KEY = "if ($arg_key = k) { return 204; }"  # which auth_request does not have in nginx


@pytest.fixture
def status(tmp_path):
    """The status of GET for a path, and the upstream that is asked, by what a configuration becomes."""

    def make(text, path, method="GET", client="192.0.2.1", host="a.example"):
        source = tmp_path / "nginx.conf"
        source.write_text(text)
        target = tmp_path / "site.lua"
        target.write_text(checked(read(source, text), str(tmp_path)).text)
        config, files = evaluate(str(target))
        rehearsal = Rehearsal(config, str(target), files)
        try:
            request = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            return rehearsal.ask(request, client.encode(), host.encode(), None).status
        finally:
            rehearsal.close()

    return make


@pytest.mark.parametrize(
    ("closed", "path"),
    [
        ("location /admin { deny all; }", "/admin/x"),
        (rf"location ~ ^/a/ {{ location ~ \.php$ {{ deny all; }} {_PROXY} }}", "/a/x.php"),
        (rf"location ~ ^/a/ {{ location ~ (?<=x)\.p {{ deny all; }} {_PROXY} }}", "/a/x.php"),
        (rf"location ~ \.p {{ location /a.p {{ deny all; }} {_PROXY} }}", "/a.p"),
        (rf"location ~ ^/a {{ deny all; location ~ ^/a/b {{ {_PROXY} }} }}", "/a/b"),
        ("location /admin { deny all; }", "/administrator"),
        ("location /admin { allow 10.0.0.0/8; deny all; proxy_pass http://127.0.0.1:9; }", "/admin"),
        ("location /admin { allow 10.0.0.0/8; deny all; proxy_pass http://127.0.0.1:9; }", "/admin.php"),
        (r"location ~ /\.ht { deny all; }", "/x/.htaccess"),
        (r"location ~ /\.(?!well-known) { deny all; }", "/.git/config"),
        ("location = /x { return 403; }", "/x"),
        ("location = /x { internal; }", "/x"),
        ("location /x/ { auth_basic_user_file /dev/null; auth_basic $realm; access_by_lua_block { deny() } }", "/x/y"),
        (f"location /x/ {{ access_by_lua_file /a.lua; {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ secure_link $arg_a; if ($secure_link = '') {{ return 403; }} {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ valid_referers server_names; if ($invalid_referer) {{ return 403; }} {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ auth_request /verify; {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ auth_request /v; {_PROXY} }} location = /v {{ {_BY_KEY} return 401; }}", "/x/y?key=k"),
        (
            f"location /x/ {{ auth_request /v; {_PROXY} }} location = /v {{ if ($m) {{ return 204; }} return 401; }}",
            "/x/y?key=k",
        ),
        (
            f"location /x/ {{ auth_request /v; {_PROXY} }} location = /v {{ if ($loop) {{ return 204; }} return 401; }}",
            "/x/y",
        ),
        (f"location /x/ {{ auth_request /v; {_PROXY} }} location = /v {{ set $a 1; return 204; }}", "/x/y"),
        (f"auth_request /v; location /x/ {{ rewrite ^ /y last; }} location /y {{ {_PROXY} }} {_REFUSED}", "/x/"),
        (
            f"auth_request /v; location /x/ {{ error_page 418 = @a; if ($arg_a) {{ return 418; }} {_PROXY} }} location @a {{ {_PROXY} }} {_REFUSED}",
            "/x/?a=1",
        ),
        (
            f"auth_request /v; error_page 401 = @a; location /x/ {{ {_PROXY} }} location @a {{ {_PROXY} }} {_REFUSED}",
            "/x/",
        ),
        (r"root /srv; location /x/ { index i.html; } location ~ \.(php|html)$ { deny all; }", "/x/"),
        (f"location /x/ {{ allow 10.0.0.0/8; deny 192.0.2.0/24; allow 192.0.0.0/8; {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ if ($http_user_agent = '') {{ return 403; }} {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ js_access module.check; {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ auth_jwt 'x'; {_PROXY} }}", "/x/y"),
        (f"if ($geoip_country_code = XX) {{ return 403; }} location /x/ {{ {_PROXY} }}", "/x/y"),
        (f"location /x/ {{ include auth.conf; {_PROXY} }}", "/x/y"),
        (f"include snippets/access.conf; location /x/ {{ {_PROXY} }}", "/x/y"),
        ("location /x/ { satisfy any; deny all; }", "/x/y"),
        (r"location ~ ^/(?!open/)guarded { deny all; }", "/guarded"),
        (r"location ~ ^/a/(?=b(c))b { deny all; }", "/a/bc"),
        (r"location ~ ^/a/(b)++x { deny all; }", "/a/bbx"),
        (r"location ~* ^/a/(b)\1 { deny all; }", "/A/bb"),
        (r"location ~ \.php(?<!safe\.php)$ { deny all; }", "/x.php"),
        (rf"location ^~ /y/ {{ {_PROXY} location ~ \.key$ {{ deny all; }} }}", "/y/a.key"),
        (rf"location ^~ /y/ {{ {_PROXY} location ~ \.key$ {{ deny all; }} }} location ~ b {{ {_PROXY} }}", "/y/b.key"),
        (rf"location /o/ {{ {_PROXY} location ~ \.x$ {{ {_PROXY} }} }} location /o/in/ {{ deny all; }}", "/o/in/a.x"),
        (rf"location ~ s {{ {_PROXY} }} location /z/ {{ location ~ s {{ deny all; }} {_PROXY} }}", "/z/s"),
        (rf"location ~ ^/r/ {{ location ~ \.x$ {{ {_PROXY} }} }} location ~ \.x$ {{ deny all; }}", "/z.x"),
        (f"location /i {{ if ($arg_k != 1) {{ return 403; }} {_PROXY} }}", "/ix"),
        (f"location /adm {{ deny all; }} location /admin/ {{ {_PROXY} }}", "/admix"),
        (rf"location /p {{ allow 10.0.0.1; deny all; {_PROXY} }} location ~ \.key$ {{ deny all; }}", "/px.key"),
        (f"set $no 0; location /x/ {{ if ($arg_a) {{ set $no 1; }} if ($no) {{ return 403; }} {_PROXY} }}", "/x/?a=1"),
        (f"location /d/ {{ rewrite ^/d/(.*) /e/$1; return 403; }} location /e/ {{ {_PROXY} }}", "/d/x"),
        (
            f"location /d/ {{ rewrite ^/d/(.*) /e/$1 last; }} location /e/ {{ {_PROXY} }} location /e/s/ {{ deny all; }}",
            "/d/s/",
        ),
        (f"deny all; location /d/ {{ allow all; rewrite ^ /e/ last; }} location /e/ {{ {_PROXY} }}", "/d/x"),
        (
            f"root /srv; location /t/ {{ try_files $uri @a; }} location @a {{ if ($arg_k = '') {{ return 403; }} {_PROXY} }}",
            "/t/x",
        ),
        ("root /srv; location /t/ { try_files $uri /t/i.html; } location = /t/i.html { deny all; }", "/t/x"),
        ("root /srv; location /t/ { index i.html; } location = /t/i.html { deny all; }", "/t/"),
        ('location "/a b/" { deny all; }', "/a%20b/x"),
        ('location "/é/" { deny all; }', "/%C3%A9/x"),
        ('location "/br{a}ce/" { deny all; }', "/br{a}ce/x"),
        ("location '/q?m/' { deny all; }", "/q%3Fm/x"),
        (
            rf"location ~ ^/x/o/ {{ {_PROXY} }} location / {{ {_PROXY} location ~ \.a$ {{ {_PROXY} }} }} location /x/ {{ {_PROXY} }} location /x/s*r/ {{ deny all; }}",
            "/x/s*r/b",
        ),
        (f"location /s/ {{ satisfy any; allow 10.0.0.1; auth_basic x; auth_basic_user_file /none; {_PROXY} }}", "/s/"),
    ],
)
def test_it_stays_closed(status, closed, path):
    maps = "map $arg_key$loop $loop { k 1; } map $arg_key $m { k 1; }"
    text = (
        f"{maps} server {{ listen 8080; {closed} {'' if 'location / ' in closed else f'location / {{ {_PROXY} }}'} }}"
    )
    assert status(text, path) in (401, 403, 404, 444, 503)


def test_the_client_that_is_allowed_comes_in(status):
    text = f"server {{ listen 8080; location /admin {{ allow 10.0.0.0/8; deny all; {_PROXY} }} }}"
    assert status(text, "/admin", client="10.1.1.1") not in (401, 403, 404, 503)


def test_a_server_that_rewrites_opens_nothing(status):
    other = f"server {{ listen 8080; server_name '~^x'; location / {{ {_PROXY} }} }}"
    text = f"server {{ listen 8080; server_name *.example; rewrite ^/old/(.*)$ /new/$1 last; location / {{ {_PROXY} }} location /new/ {{ deny all; }} }} {other}"
    assert status(text, "/old/x") == 503


def test_clients_with_a_password_come_in_beside_those_that_are_refused(status):
    text = f"server {{ listen 8080; location / {{ satisfy any; deny 10.0.0.1; auth_basic x; auth_basic_user_file /n; {_PROXY} }} }}"
    assert status(text, "/", client="10.0.0.1") == 503


def test_methods_that_are_left_out_are_refused(status):
    text = f"server {{ listen 8080; location / {{ limit_except GET {{ deny all; }} {_PROXY} }} }}"
    assert status(text, "/", "POST") == 403
    assert status(text, "/", "HEAD") != 403


def test_a_restriction_of_the_server_holds_in_its_locations(status):
    text = f"server {{ listen 8080; deny 192.0.2.0/24; location /x/ {{ {_PROXY} }} }}"
    assert status(text, "/x/") == 403
    assert status(text, "/x/", client="198.51.100.1") != 403


def test_a_location_with_its_own_list_does_not_inherit(status):
    text = f"server {{ listen 8080; deny all; location /x/ {{ allow all; {_PROXY} }} }}"
    assert status(text, "/x/") != 403
    assert status(text, "/y") in (403, 404)


def test_what_closes_all_servers_closes_all_routes(status):
    text = f"events {{}} http {{ access_by_lua_file a.lua; server {{ listen 8080; location / {{ {_PROXY} }} }} }}"
    assert status(text, "/x") == 503


def test_a_file_that_is_missing_and_says_nothing_of_access_leaves_the_rest(status):
    text = f"server {{ listen 8080; include snippets/logs.conf; location / {{ {_PROXY} }} }}"
    assert status(text, "/x") not in (403, 503)


def test_what_stands_behind_break_is_not_reached(status):
    text = f"server {{ listen 8080; location /x/ {{ break; return 403; {_PROXY} }} }}"
    assert status(text, "/x/") not in (403, 503)


def test_a_break_that_depends_on_the_request_is_not_left_out(status):
    text = (
        f"server {{ listen 8080; location /x/ {{ if ($arg_q) {{ break; }} if ($arg_n) {{ return 403; }} {_PROXY} }} }}"
    )
    assert status(text, "/x/?n=1") == 403
    assert status(text, "/x/?n=1&q=1") not in (403, 503)


def test_what_stands_behind_a_rewrite_that_ends_is_not_reached(status):
    text = f"server {{ listen 8080; location /x/ {{ rewrite ^/x/a /b break; return 403; {_PROXY} }} }}"
    assert status(text, "/x/a") not in (403, 503)
    assert status(text, "/x/c") == 403
