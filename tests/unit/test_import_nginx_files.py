"""Files of nginx.conf: what ``try_files`` ends with, directories beside ``/``, and locations that no request is for."""

import re

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read


@pytest.fixture
def imported(tmp_path):
    """The site that ``lines`` of a server become, and the Lua of what rsp loads."""

    def make(lines):
        path = tmp_path / "nginx.conf"
        path.write_text(f"server {{ listen 8080; {lines} }}")
        site = read(path, path.read_text())
        return site, checked(site, str(tmp_path)).text

    return make


_PHP = r"location ~ \.php$ { fastcgi_pass 127.0.0.1:9000; }"


def test_a_page_for_what_is_missing_beside_index_scripts(imported):
    site, text = imported(
        f"root /srv/www; index index.php index.html; location / {{ try_files $uri $uri/ /index.html; }} {_PHP}"
    )
    assert site.whole, list(site.untranslated)
    assert 'fallback = "/index.html"' in text
    assert 'file.kind("/srv/www" .. req.path .. "index.php") == "file" then\n      return proxy("php")' in text
    assert "return respond(403)" in text


def test_directories_without_an_index_are_listed_beside_index_scripts(imported):
    site, text = imported(
        f"root /srv/www; index index.php; location / {{ autoindex on; try_files $uri $uri/ /index.html; }} {_PHP}"
    )
    assert site.whole, list(site.untranslated)
    assert "list = true" in text
    assert "respond(403)" not in text


@pytest.mark.parametrize(
    "lines",
    [
        r"location / { try_files $uri $uri/ /index.html; } location ~ \.php$ { auth_basic x; auth_basic_user_file /p; fastcgi_pass 127.0.0.1:9000; }",
        f"location / {{ try_files $uri $uri.html $uri/ /index.html; }} {_PHP}",
        "location / { try_files $uri $uri/ /index.html; } location = /index.php { fastcgi_pass 127.0.0.1:9000; }",
    ],
)
def test_index_scripts_that_are_not_for_all_directories_are_reported(imported, lines):
    site, _ = imported(f"root /srv/www; index index.php index.html; {lines}")
    assert [each.reason for each in site.untranslated] == ["index.php beside another file at the end of try_files"]


@pytest.mark.parametrize(
    ("place", "lost"),
    [
        ("location / { try_files $uri $uri/ =404; }", 0),
        ("location / { try_files $uri $uri/ /index.php?$args; }", 0),
        ("location = / { index index.php; }", 0),
        ("location ~ ^/app/ { }", 1),
    ],
)
def test_an_if_of_scripts_holds_for_directories_too(imported, place, lost):
    """They are led to their index before a route is chosen, and so to what that one's location refuses."""
    scripts = r"location ~ \.php$ { if ($http_x_bad) { return 403; } fastcgi_pass 127.0.0.1:9000; }"
    site, text = imported(f"root /srv/www; index index.php; {place} {scripts}")
    assert len(list(site.untranslated)) == lost, list(site.untranslated)
    assert 'return proxy("php")' not in text
    assert text.count('to = "php"') == 1
    assert 'req.path = (found[1] or "") .. "index.php"' in text


@pytest.mark.parametrize(
    ("lines", "route"),
    [
        (
            "root /srv/www; location /img { try_files $uri /stock.png; }",
            'path = "/img", files = { root = "/srv/www", index = "" }, fallback = "/stock.png", rewrite = "/img"',
        ),
        (
            "root /srv/www; location /app/ { alias /srv/ui/; try_files $uri $uri/ /index.html; } location / { }",
            'path = "/app/", files = "/srv", fallback = "/www/index.html", rewrite = "/ui/"',
        ),
        (
            "location / { root /srv/www; index main.html; try_files $uri $uri/ /; }",
            'files = { root = "/srv/www", index = "main.html" }, fallback = "/main.html"',
        ),
        (
            "root /var/x; location /app { alias /srv/app; try_files $uri $uri/ /index.html =404; }",
            'path = "/app", files = "/srv/app", fallback = "/index.html"',
        ),
    ],
)
def test_the_file_for_what_is_missing_is_in_another_directory(imported, lines, route):
    site, text = imported(lines)
    assert site.whole, list(site.untranslated)
    assert route in " ".join(text.split()).replace(", }", " }")


def test_other_trees_are_asked_for_by_the_path_of_the_file(imported):
    """A route has files of one directory, and no route has those of ``/``."""
    site, text = imported(
        "root /var/www; location /app { alias /srv/app; try_files $uri $uri/ /index.html; } location / { }"
    )
    assert site.whole, list(site.untranslated)
    assert 'file.kind("/srv" .. req.path)' in text
    assert 'req.path = "/index.html"' in text
    assert 'files = "/var/www"' in text


def test_other_trees_are_reported_where_clients_are_kept_out(imported):
    site, _ = imported(
        "root /var/www; location /app { deny 10.0.0.1; alias /srv/app; try_files $uri /index.html; } location / { }"
    )
    assert [each.reason for each in site.untranslated] == ["/index.html is not in the same directory"]


def test_several_words_of_an_index_are_noted(imported):
    site, _ = imported("root /srv/www; location / { index a.html b.html; try_files $uri $uri/ /; }")
    assert site.whole, list(site.untranslated)
    assert "where there is no file, rsp sends /a.html, and no other index" in [each.text for each in site.notes]


@pytest.mark.parametrize(
    "lines",
    [
        "location / { try_files $uri /; }",
        "location / { index index.php; try_files $uri $uri/ /; }",
        "location / { try_files $uri $uri/ /; } location = /index.html { deny all; }",
        "location / { try_files $uri $uri/ /; } location = /index.html { proxy_pass http://127.0.0.1:9001; }",
    ],
)
def test_directories_that_lead_elsewhere_are_reported(imported, lines):
    site, _ = imported(f"root /srv/www; {lines}")
    assert not site.whole


def test_paths_beside_a_directory_of_the_file_system_have_no_files(imported):
    site, text = imported("location /static { alias /static; } location / { proxy_pass http://127.0.0.1:9001; }")
    assert site.whole, list(site.untranslated)
    assert 'path = "/static", files = "/static"' in text
    assert 'regex = "^/static[^/]", respond = { status = 404 }' in text
    assert any("nginx would look for files beside the directory" in each.text for each in site.notes)


def test_expressions_below_a_directory_of_the_file_system(imported):
    site, text = imported(r"location /static/ { alias /static/; location ~ \.css$ { expires 1d; } }")
    assert site.whole, list(site.untranslated)
    assert "req.path = req.path:sub(8)" in text


@pytest.mark.parametrize("path", ["_next/static", "^~ api/", "= x.js", "^/book", "*.html", "(a)"])
def test_no_request_is_for_a_prefix_without_a_slash(imported, path):
    site, text = imported(f"location {path} {{ deny all; }} location / {{ proxy_pass http://127.0.0.1:9001; }}")
    assert site.whole, list(site.untranslated)
    assert text.count("route {") == 1
    assert any("has no slash at its beginning" in each.text for each in site.notes)


def test_a_placeholder_before_the_slash_is_no_such_prefix(imported):
    site, _ = imported("location __PATH__/x { deny all; } location / { proxy_pass http://127.0.0.1:9001; }")
    assert not any("has no slash at its beginning" in each.text for each in site.notes)


def test_a_directory_as_the_alias_of_an_expression(imported):
    site, text = imported(r"location ~ ^/(favicon\.ico|robots\.txt)$ { alias /srv/img/; }")
    assert site.whole, list(site.untranslated)
    assert 'if file.kind("/srv/img/") == "directory" then return redirect(' in text
    assert any("redirects to the path with a slash" in each.text for each in site.notes)


def test_directories_of_longer_prefixes_are_not_for_the_scripts_of_a_shorter_one(imported):
    site, text = imported(
        "root /srv/www; index index.php; location / { try_files $uri $uri/ =404; }"
        f" location /shut/ {{ deny all; }} location /s {{ return 410; }} {_PHP}"
    )
    assert site.whole, list(site.untranslated)
    (expression,) = re.findall(r'regex = "(\^/.*)",\n  files', text)
    asked = ["/", "/a/", "/a/shut/", "/shu/", "/shut/", "/shut/x/", "/s/", "/sa/", "/a"]
    assert [path for path in asked if re.search(expression, path)] == ["/", "/a/", "/a/shut/"]


@pytest.mark.parametrize("end", ["=404", "/index.php?$args", ""])
def test_directories_are_led_to_their_index_script_where_that_is_restricted(imported, end):
    tries = f"try_files $uri $uri/ {end};" if end else ""
    site, text = imported(
        f"root /srv/www; index index.php; location / {{ {tries} }}"
        r" location ~ \.php$ { allow 10.0.0.1; deny all; fastcgi_pass 127.0.0.1:9000; }"
    )
    assert site.whole, list(site.untranslated)
    assert 'req.path = (found[1] or "") .. "index.php"' in text
    assert text.count('"php"') == 2  # the upstream, and the one route that has it
    assert 'allow = "10.0.0.1"' in text


def test_one_file_as_the_alias_of_an_expression(imported):
    site, text = imported("location ~ ^/sql/?$ { alias /app/sql.html; } location ~ ^/k$ { alias /app/k.pem; }")
    assert site.whole, list(site.untranslated)
    assert 'files = { root = "/app", index = "" }' in " ".join(text.split()) and 'rewrite = "/sql.html"' in text
    assert any("the type of the file is sent here" in each.text for each in site.notes)


def test_directories_of_expressions_below_an_alias_are_not_translated(imported):
    inner = r"location ~ \.js$ { try_files $uri $uri/ /ui/x.html; }"
    site, text = imported(f"root /srv/www; location /ui {{ alias /srv/app; {inner} }}")
    assert "fallback" not in text and not site.whole


def test_what_is_denied_below_an_alias_stays_denied(imported):
    inner = "location ~ ^/ui/(?:a|b) { deny all; try_files $uri /ui/x.html; }"
    _, text = imported(f"root /srv/www; location /ui {{ alias /srv/app; {inner} }}")
    assert 'regex = "^/ui/(?:a|b)", respond = { status = 403 }' in text


@pytest.mark.parametrize(
    "passing",
    ["deny 10.0.0.1; allow all; proxy_pass http://a;", "proxy_pass http://b;", "proxy_pass http://a; proxy_set_header X y;",
     "if ($arg_x) { return 403; } proxy_pass http://a;", "auth_basic x; auth_basic_user_file /h; proxy_pass http://a;"],
)  # fmt: skip
def test_an_index_of_another_peer_is_not_translated(imported, passing):
    site, _ = imported(
        f"root /srv/www; index index.php; location / {{ try_files $uri $uri/ @a; }} location ~ \\.php$ {{ {passing} }}"
        " location @a { proxy_pass http://a; }"
    )
    assert any("index" in lost.reason for lost in site.untranslated)


@pytest.mark.parametrize(
    ("expression", "file", "is_whole"),
    [(r"^(.+)\.png$", "$1.webp", True), (r"^(?<p>.+)\.png$", "$p.webp", True), (r"^(.*)/x\.png$", "$1/webp", True),
     (r"^(.*)/x\.png$", "$1.webp", False), (r"^(/a)?/x\.png$", "$1.webp", False), (r"/(.+)\.png$", "$1.webp", False)],
)  # fmt: skip
def test_a_file_that_begins_with_a_group(imported, expression, file, is_whole):
    site, _ = imported(f"root /srv; location ~ {expression} {{ try_files {file} $uri =404; }}")
    assert site.whole is is_whole


@pytest.mark.parametrize(
    ("expression", "other", "is_plain"),
    [("^/(en|fr)/", "location /api/ { proxy_pass http://a; }", True), ("^/(en|fr)/", "location /en/ { deny all; }", False),
     ("^/([a-z]+)/", "location /api/ { proxy_pass http://a; }", False), ("^/([a-z]+)/", "location /9/ { deny all; }", True),
     ("^/(en|fr)/", r"location ~ /index\.html$ { return 403; }", False), ("^/(en|fr)/", "location /fr/ { root /x; }", False),
     ("^/(en|fr)/", "location = /en/index.html { expires -1; }", False), ("^/(e(n)|fr)/", "location /xy/ { deny all; }", False)],
)  # fmt: skip
def test_a_file_at_the_end_by_groups(imported, expression, other, is_plain):
    site, text = imported(f"root /srv; location ~ {expression} {{ try_files $uri /$1/index.html; }} {other}")
    assert (site.whole and "reroute" not in text) is is_plain  # else nginx's way is gone, or it is reported


@pytest.mark.parametrize(("root", "is_looked_for"), [("/srv/www/", True), ("/srv/www", False)])
def test_a_name_without_a_slash_comes_directly_behind_the_root(imported, root, is_looked_for):
    site, text = imported(f"root {root}; location / {{ try_files busy.html $uri =404; }}")
    assert site.whole and ('file.kind("/srv/www/busy.html")' in text) is is_looked_for
