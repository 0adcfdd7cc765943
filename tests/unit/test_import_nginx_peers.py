"""rsp import: one script for every path, redirects of peers, expressions that RE2 does not have."""

import re

import pytest

from rsp.importing.lua import write
from rsp.importing.nginx.reader import read
from rsp.importing.nginx.values.maps import wider_than


def imported(tmp_path, text):
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    site = read(path, text)
    return site, write(site).text


@pytest.mark.parametrize("script", ["$document_root/app.php", "/srv/web/app.php"])
def test_one_script_for_every_path(tmp_path, script):
    site, text = imported(
        tmp_path,
        "server { listen 80; root /srv/web; location / { fastcgi_pass unix:/run/php.sock; "
        f"fastcgi_param SCRIPT_FILENAME {script}; }} }}",
    )
    assert site.whole
    assert 'root = "/srv/web"' in text
    assert 'index = "app.php"' in text
    assert 'split = "app.php"' in text  # no other file with the extension of scripts is run


def test_a_script_that_depends_on_the_request_is_reported(tmp_path):
    site, _ = imported(
        tmp_path,
        "server { listen 80; location / { fastcgi_pass unix:/run/php.sock; "
        "fastcgi_param SCRIPT_FILENAME /srv/$http_x/app.php; } }",
    )
    assert not site.whole


def test_redirects_are_replaced_by_what_the_variables_say(tmp_path):
    site, text = imported(
        tmp_path,
        "server { listen 80; server_name a.test; location / { proxy_pass http://127.0.0.1:9001; "
        "proxy_redirect http://127.0.0.1:9001/$request_uri https://$server_name/; } }",
    )
    assert site.whole
    assert 'local old = "http://127.0.0.1:9001/" .. req.target' in text
    assert '"https://a.test/" .. location:sub(#old + 1)' in text


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        (r"^/(?!open/)guarded", "/guarded"),
        (r"^/x(?=y)\w++$", "/xy"),
        (r"^/(a|b)/\1$", "/a/a"),
        (r"(?<!/public)/secret$", "/secret"),
        (r"^/(?>ab)c", "/abc"),
        (r"^/((?R))*x", "/x"),
    ],
)
def test_a_wider_expression_matches_all_that_the_exact_one_does(expression, path):
    assert re.search(wider_than(expression), path)


def test_variables_for_scripts(tmp_path):
    passing = "fastcgi_pass 127.0.0.1:9000; root /srv;"
    given = "fastcgi_param REQUEST_METHOD $request_method; fastcgi_param HTTP_X $http_x; fastcgi_param HTTPS on;"
    lines = f"{passing} {given} fastcgi_param QUERY_STRING q=$uri&$args;"
    site, text = imported(tmp_path, f"server {{ location / {{ {lines} }} }}")
    assert site.whole
    assert 'params = { HTTPS = "on", QUERY_STRING = "q={path}&{query}" }' in text
    site, _ = imported(tmp_path, f"server {{ location / {{ {passing} fastcgi_param A $fastcgi_path_info; }} }}")
    assert not site.whole


def test_what_never_passes_on_from_a_peer_need_not_be_hidden(tmp_path):
    hiding = " ".join(f"proxy_hide_header {name};" for name in ("Upgrade", "connection", "X-Powered-By"))
    site, text = imported(tmp_path, f"server {{ location / {{ proxy_pass http://127.0.0.1:1; {hiding} }} }}")
    assert site.whole and 'response_headers = { remove = { "X-Powered-By" } }' in text


def test_a_front_controller_that_gets_the_path_in_its_query(tmp_path):
    php = "location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; }"
    ends = "index index.php; location / { try_files $uri $uri/ /index.php?q=$uri&$args; }"
    site, text = imported(tmp_path, f"server {{ root /srv; {php} {ends} }}")
    assert site.whole
    assert 'params = { REQUEST_URI = "{uri}" }' in text
    assert 'else_to = "php-2", else_rewrite = "/index.php?q={path}&{query}"' in " ".join(text.split())
    assert 'file.kind("/srv" .. req.path .. "index.php") == "file" then' in text


def test_try_files_without_args_drops_the_query(tmp_path):
    php = "location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; }"
    site, text = imported(tmp_path, f"server {{ root /srv; {php} location / {{ try_files $uri /index.php; }} }}")
    assert site.whole
    assert 'else_rewrite = "/index.php?" }' in text
    proxied = "location / { try_files $uri /app; } location /app { proxy_pass http://127.0.0.1:1; }"
    site, text = imported(tmp_path, f"server {{ root /srv; {proxied} }}")
    assert site.whole and 'else_rewrite = "/app?"' in text


def test_scripts_of_directories_in_their_order(tmp_path):
    php = "location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; fastcgi_param SCRIPT_FILENAME /srv$fastcgi_script_name; }"
    site, text = imported(tmp_path, f"server {{ root /srv; index shop.php b.html c.php; {php} location = / {{ }} }}")
    assert site.whole
    hook = text.partition('exact = "/"')[2].partition("end,")[0]
    places = [hook.index(f'"{name}") == "file" then') for name in ("shop.php", "b.html", "c.php")]
    assert places == sorted(places)
    assert 'index = "shop.php"' in text
    assert hook.count('return proxy("php-2") end') == 2
    assert 'req.path = req.path .. "c.php" return proxy("php-2")' in hook


def test_scripts_see_a_rewritten_path(tmp_path):
    php = "root /srv; location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; }"
    rewriting = "location = /map.xml { rewrite ^ /index.php?map=1 last; }"
    assert "REQUEST_URI" in imported(tmp_path, f"server {{ {php} {rewriting} }}")[1]
    assert "REQUEST_URI" not in imported(tmp_path, f"server {{ {php} }}")[1]


def test_a_part_that_rewrites_to_a_script_without_saying_what_runs_it(tmp_path):
    site, text = imported(tmp_path, "rewrite ^/map\\.xml$ /index.php?map=1 last;")
    assert site.whole
    assert "does not say what runs PHP" in text.replace("\n-- ", " ")


def test_a_part_that_refuses_some_scripts_and_does_not_say_what_runs_the_others(tmp_path):
    refusing = "location ~ /cache/.*\\.php$ { return 403; }"
    site, text = imported(tmp_path, f"location / {{ try_files $uri $uri/ /index.php?$args; }} {refusing}")
    assert site.whole
    assert "does not say what runs PHP" in text.replace("\n-- ", " ")
    assert text.index("/cache/") < text.index("regex = [[\\.php$]]")  # still refused


@pytest.mark.parametrize(
    ("location", "pages", "name"),
    [
        ("= /ping", '"/ping"', ""),
        ("/fpm-status", '"/fpm-status"', ""),
        ("~ ^/(status|ping)$", '"/status", "/ping"', ""),
        ("~ ^/fpm/(?:status|ping)", '"/fpm/status", "/fpm/ping"', ""),
        ("= /health", '"/ping"', "/ping"),
        ("/healthz", '"/ping"', "/ping"),
    ],
)
def test_pages_of_php_fpm_are_no_scripts(tmp_path, location, pages, name):
    passing = "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass 127.0.0.1:9000;"
    named = f"fastcgi_param SCRIPT_NAME {name};" if name else ""
    site, text = imported(tmp_path, f"server {{ root /srv; location {location} {{ {passing} {named} }} }}")
    assert site.whole
    assert f"pages = {{ {pages} }}" in text
    assert ('rewrite = "/ping"' in text) == bool(name)
    for script in ("~ \\.php$", "~ ^/index\\.php(/|$)"):
        site, text = imported(tmp_path, f"server {{ root /srv; location {script} {{ {passing} }} }}")
        assert site.whole
        assert "name no script" not in text


@pytest.mark.parametrize("script", ["$document_root$fastcgi_script_name", "$request_filename"])
def test_scripts_of_any_name_are_not_taken_for_index_php(tmp_path, script):
    passing = f"fastcgi_param SCRIPT_FILENAME {script}; fastcgi_pass unix:/run/fcgiwrap.socket;"
    for location in ("/cgi-bin/", "~ \\.(cgi|pl)$"):
        site, _ = imported(tmp_path, f"server {{ root /srv; location {location} {{ {passing} }} }}")
        assert [lost.text.split()[0] for lost in site.untranslated] == ["fastcgi_pass"]
    for location in ("~ \\.cgi$", "~ ^/cgi-bin/.*\\.cgi$", "/app/"):
        assert imported(tmp_path, f"server {{ root /srv; location {location} {{ {passing} }} }}")[0].whole


def test_what_a_path_may_leave_out_is_kept_beside_an_index_script(tmp_path):
    runs = "location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; }"
    tries = "try_files $uri $uri/ $uri.html =404;"
    site, text = imported(tmp_path, f"server {{ root /srv; index index.php; {runs} location / {{ {tries} }} }}")
    assert site.whole
    assert text.count('files = { root = "/srv", index = "", extensions = { ".html" } }') == 2


def test_a_path_of_its_own_for_scripts_is_reported(tmp_path):
    script = "fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend; fastcgi_pass unix:/run/git.sock;"
    place = "location ~ ^/git/(?<name>[^/]+)\\.git(?<rest>/.*)$"
    path = "fastcgi_param PATH_INFO /$name.git$rest;"
    site, _ = imported(tmp_path, f"server {{ root /srv; {place} {{ {script} {path} }} }}")
    assert [lost.text for lost in site.untranslated] == [path]


@pytest.mark.parametrize("charset, is_said", [("utf-8", True), ("off", False)])
def test_a_charset_is_not_for_responses_of_peers(tmp_path, charset, is_said):
    passing = "location / { proxy_pass http://10.0.0.1:80; }"
    site, _ = imported(tmp_path, f"server {{ charset {charset}; {passing} }}")
    assert site.whole
    assert any("charset=utf-8" in note.text for note in site.notes) == is_said


def test_an_expression_of_directories_or_of_files_does_not_open_a_page_that_is_refused(tmp_path):
    refused = "root /srv; location = /pub/index.html { deny all; }"
    assert not imported(tmp_path, f"server {{ {refused} location ~ ^/pub/|\\.js$ {{ expires 1d; }} }}")[0].whole
    assert imported(tmp_path, f"server {{ {refused} location ~ ^/(a|b)/.*\\.js$ {{ expires 1d; }} }}")[0].whole


def test_peers_that_a_map_chooses(tmp_path):
    maps = "map $http_x $php { default a; 1 b; } map $arg_v $back { v1 a; v2 b; }"
    peers = "upstream a { server 10.0.0.1:9; } upstream b { server 10.0.0.2:9; }"
    places = "location ~ \\.php$ { fastcgi_pass $php; } location /api/ { proxy_pass http://$back; }"
    site, text = imported(tmp_path, f"{maps} {peers} server {{ root /srv; {places} }}")
    assert site.whole
    assert "return proxy(map_php(req))" in text
    assert 'return proxy(({ ["a"] = "a-2", ["b"] = "b-2" })[map_back(req)])' in text  # nil, and 500, without a value
    tried = "location / { try_files $uri @php; } location @php { fastcgi_pass $php; }"
    assert not imported(tmp_path, f"{maps} {peers} server {{ root /srv; {tried} }}")[0].whole


def test_named_locations_that_rewrite(tmp_path):
    php = "root /srv; location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; }"
    wiki = "location @wiki { rewrite ^/_media/(.*) /fetch.php?m=$1 last; rewrite ^/(.*) /doku.php?id=$1 last; }"
    tried = "location / { try_files $uri @wiki; }"
    site, text = imported(tmp_path, f"server {{ {php} {wiki} {tried} }}")
    assert site.whole
    assert 'regex = "^/_media/(.*)"' in text
    assert 'else_rewrite = "/fetch.php?m={1}&{query}"' in text and 'else_rewrite = "/doku.php?id={1}&{query}"' in text
    assert text.index("fetch.php") > text.index(".php$"), "behind the expressions of the server"
    closed, text = imported(
        tmp_path, f"server {{ {php} {wiki} location / {{ try_files $uri @wiki; secure_link $arg_a; }} }}"
    )
    assert not closed.whole and "else_rewrite" not in text and "status = 503" in text
    other = "location /_media/x/ { proxy_pass http://127.0.0.1:1; }"  # whose paths the expression would take
    site, text = imported(tmp_path, f"server {{ {php} {wiki} {tried} {other} }}")
    assert site.whole and 'return proxy("php")' in text, "a hook runs the rewrites"
    denied = "location ~ \\.php$ { deny all; fastcgi_pass 127.0.0.1:9000; }"
    site, text = imported(tmp_path, f"server {{ root /srv; {denied} {wiki} {tried} }}")
    assert site.whole and r"route { regex = [[\.php$]], respond = { status = 403 } }" in text
    passwords = "auth_basic x; auth_basic_user_file p;"  # asked for before nginx looks for a file
    guarded = f"location / {{ {passwords} try_files $uri @wiki; }}"
    assert not imported(tmp_path, f"server {{ {php} {wiki} {guarded} {other} }}")[0].whole


def test_an_application_behind_fastcgi_gets_the_path(tmp_path):
    params = "fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SERVER_NAME $server_name;"
    site, text = imported(tmp_path, f"server {{ root /srv; location / {{ {params} fastcgi_pass 127.0.0.1:9000; }} }}")
    assert site.whole and 'protocol = "fastcgi", split = ""' in text


def test_an_application_of_octane_is_asked_for_its_root(tmp_path):
    octane = (
        'location @octane { set $suffix ""; if ($uri = /index.php) { set $suffix ?$query_string; } '
        "proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:8000$suffix; }"
    )
    places = f"location /index.php {{ try_files /not_exists @octane; }} location / {{ try_files $uri $uri/ @octane; }} {octane}"
    site, text = imported(tmp_path, f"server {{ root /srv; index index.php; error_page 404 /index.php; {places} }}")
    assert site.whole, list(site.untranslated)
    assert 'path = "/index.php",\n  to = "local-8000",\n  on_request' in text and 'req.path = "/"' in text
    assert 'else_to = "local-8000"' in text
