"""nginx.conf, by families of directives: what the routes, upstreams and settings are that it becomes."""

from pathlib import Path

import pytest

from rsp.importing.lua import write
from rsp.importing.nginx.reader import read
from rsp.importing.nginx.reference import BEGIN, END, renewed
from rsp.importing.nginx.syntax.words import DROPPED, KNOWN, NOTED
from rsp.importing.site import Unreadable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path):
    """The site of a text; `files` are beside it."""

    def make(text, files=None):
        for name, content in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        path = tmp_path / "nginx.conf"
        path.write_text(text)
        return read(path, text)

    return make


@pytest.fixture
def lua(site):
    """The Lua of a text, all of which has to be translated."""

    def make(text, files=None):
        made = site(text, files)
        assert made.whole, [str(lost) for lost in made.untranslated]
        return write(made).text

    return make


def server(*lines, listen="listen 8080;"):
    return f"server {{ {listen}\n{chr(10).join(lines)}\n}}"


def whole(line):
    return f"events {{}} http {{ {server(line)} }}"


PROXY = "location / { proxy_pass http://127.0.0.1:3000; proxy_set_header Host $http_host; }"


# -- listeners and servers


def test_defaults_that_differ_are_written_out(lua):
    text = lua(server("location / { proxy_pass http://127.0.0.1:3000; }"))
    assert 'limits = { body = "1MB" }' in text
    assert 'timeouts = { head = "60s", body = "60s", connect = "60s", tunnel = "60s" }' in text
    assert 'send_host = "127.0.0.1:3000"' in text
    assert 'forwarded = "off"' in text


def test_what_the_file_sets_goes_before_the_defaults(lua):
    text = lua("client_max_body_size 20m;" + server("proxy_read_timeout 5m;", PROXY))
    assert 'limits = { body = "20MB" }' in text
    assert 'timeouts = { response = "300s", read = "300s", tunnel = "300s" }' in text
    assert "send_host" not in text


def test_a_server_that_only_redirects_is_a_listener(lua):
    text = lua(
        "server { listen 80; server_name a.example; return 301 https://$host$request_uri; }\n"
        "server { listen 443 ssl; server_name a.example; ssl_certificate c.pem; ssl_certificate_key c.key; "
        f"{PROXY} }}"
    )
    assert 'listen "0.0.0.0:80" { redirect = "https" }' in text
    assert 'certificate { "c.pem", key = "c.key" }' in text
    assert 'route { to = "local-3000" }' in text


def test_servers_of_other_ports_are_told_apart_by_listener(lua):
    text = lua(server("return 200 one;", listen="listen 8001;") + server("return 200 two;", listen="listen 8002;"))
    assert 'route { listener = "0.0.0.0:8001", respond = { body = "one" } }' in text
    assert 'route { listener = "0.0.0.0:8002", respond = { body = "two" } }' in text


def test_the_default_server_has_every_host(lua):
    text = lua(
        "server { listen 80; server_name a.example; return 200 a; }\n"
        "server { listen 80 default_server; server_name b.example; return 200 b; }"
    )
    assert 'route { host = "a.example", respond = { body = "a" } }' in text
    assert 'route { respond = { body = "b" } }' in text


def test_certbots_redirect_by_host(lua):
    text = lua(
        "server { if ($host = a.example) { return 301 https://$host$request_uri; } "
        "listen 80; server_name a.example; return 404; }"
    )
    assert 'host = "a.example", redirect = { to = "https://{host}{uri}", status = 301 } }' in text
    assert "route { respond = { status = 404 } }" in text


def test_names_as_regular_expressions(lua, site):
    plain = "server { listen 80 default_server; return 444; } server { listen 80; server_name %s; return 200; }"
    assert 'host = { "a.example", "www.a.example" }' in lua(plain % r"~^(www\.)?a\.example$")
    text = lua(plain % r"~^a[0-9]+\.example$")
    assert r"headers = { Host = { regex = [[(?i)^a[0-9]+\.example[.]?(?::[0-9]+)?$]] } }" in text
    assert "except = { regex = [[(?i)^a[0-9]+" in text  # of the default server
    assert "(groups_of_server_2(req).who or" in lua(plain.replace("200", '200 "$who"') % r"~^(?<who>\w+)\.example$")
    assert not site(plain % r"~^a[0-9]+").whole


# -- locations


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("= /x", 'exact = "/x"'),
        ("/x/", 'path = "/x/"'),
        ("^~ /x/", 'path = "/x/"'),
        (r"~ \.do$", r"regex = [[\.do$]]"),
        (r"~* \.do$", r"regex = [[(?i)\.do$]]"),
        ("~* ~$", 'regex = "(?i)[~]$"'),
    ],
)
def test_locations(lua, location, said):
    assert said in lua(server(f"location {location} {{ proxy_pass http://127.0.0.1:3000; }}"))


def test_carets_go_before_regular_expressions(lua):
    text = lua(server("location ^~ /x/ { return 200; }", r"location ~ \.php$ { return 403; }"))
    assert 'path = "/x/", first = true' in text


def test_lookahead_that_can_be_spelt_out(lua):
    import re2

    text = lua(server(r"location ~ /\.(?!well-known) { deny all; }", PROXY))
    expression = text.partition("regex = [[")[2].partition("]]")[0]
    found = re2.compile(expression).search
    assert found("/.git/config") and found("/.well-know") and found("/a/.env") and found("/.")
    assert not found("/.well-known/x") and not found("/a")


def test_lookahead_that_cannot_is_reported(site):
    made = site(server(r"location ~ ^/(?!a)(.*)b$ { return 200; }"))
    assert [lost.origin.line for lost in made.untranslated] == [2]


def test_a_nested_location_stays_below_its_outer_one(lua):
    text = lua(server(r"location /up/ { root /srv; location ~ \.php$ { deny all; } }"))
    assert r"regex = [[^/up/.*\.php$]], respond = { status = 403 }" in text


def test_a_server_answers_every_path(lua):
    assert "route { respond = { status = 404 } }" in lua(server("location /x/ { return 200; }"))


# -- peers


@pytest.mark.parametrize(
    ("location", "passed", "said"),
    [
        ("/api/", "http://b/", 'rewrite = "/"'),
        ("/api/", "http://b/v1/", 'rewrite = "/v1/"'),
        ("= /x", "http://b/y", 'rewrite = "/y"'),
        (r"~ ^/u/(\d+)$", "http://b/user?id=$1", 'rewrite = "/user?id={1}"'),
    ],
)
def test_the_path_that_peers_get(lua, location, passed, said):
    text = lua(f"upstream b {{ server 10.0.0.1; }} {server(f'location {location} {{ proxy_pass {passed}; }}')}")
    assert said in text
    assert 'upstream "b" { "10.0.0.1:80" }' in text


def test_a_prefix_that_is_rewritten_away(lua):
    text = lua(server("location /api/ { rewrite ^/api/(.*)$ /$1 break; proxy_pass http://127.0.0.1:3000; }"))
    assert 'path = "/api/"' in text and 'rewrite = "/"' in text and "on_request" not in text


def test_constants_are_put_in_their_place(lua):
    text = lua(server("location / { set $app 10.0.0.5; set $port 81; proxy_pass http://$app:$port; }"))
    assert '{ "10.0.0.5:81" }' in text


def test_upstreams(lua):
    text = lua(
        "upstream b { ip_hash; server 10.0.0.1:81 weight=3; server 10.0.0.2:81 backup max_conns=9; keepalive 8; }"
        + server("location / { proxy_pass https://b; }")
    )
    assert '{ "10.0.0.1:81", weight = 3 }' in text
    assert '{ "10.0.0.2:81", backup = true, max_conns = 9 }' in text or "max_conns = 9, backup = true" in text
    assert 'policy = "hash"' in text and 'key = "client"' in text and "keepalive = 8" in text
    assert "tls = { verify = false }" in text


def test_fields_of_requests(lua):
    text = lua(
        server(
            "location / { proxy_pass http://127.0.0.1:3000; proxy_set_header Host $host; "
            "proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; "
            'proxy_set_header Accept-Encoding ""; proxy_set_header X-Method $request_method; }',
        )
    )
    assert '["X-Real-IP"] = "{client}"' in text and 'remove = { "Accept-Encoding" }' in text
    assert 'Host = "{host}"' in text  # 8080: $host is without the port
    assert 'req.headers["X-Method"] = req.method' in text
    assert "Upgrade" not in text and "X-Forwarded-For" not in text and "forwarded = " not in text


def test_fields_are_inherited_as_a_whole(lua):
    text = lua("add_header X-A a;" + server("location /x/ { add_header X-B b; return 200; }", "return 200;"))
    assert text.count('["X-A"]') >= 1


# -- files


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("root /srv; location / { try_files $uri $uri/ /index.html; }", 'files = "/srv", fallback = "/index.html"'),
        ("root /srv; location / { try_files $uri =404; }", 'files = { root = "/srv", index = "" }'),
        ("root /srv; location / { try_files $uri $uri/ /index.html =404; }", 'fallback = "/index.html"'),
        ("root /srv; location /a { try_files /a.html =404; }", 'req.path = "/a.html"'),
        ("root /srv; location / { try_files $uri =403; }", "if err.status == 404 then return respond(403) end"),
        ("root /srv; location / { try_files /a.html =503; }", "if err.status == 404 then return respond(503) end"),
        ("root /srv; location = / { try_files /a.html /b/c.html; }", 'fallback = "/b/c.html"'),
        ("location /s/ { alias /srv/x/; }", 'path = "/s/", files = "/srv/x"'),
        ("location /s/ { root /srv; }", 'path = "/s/", files = "/srv/s"'),
        ("location = /f.ico { alias /srv/f.ico; }", 'files = { root = "/srv", index = "" }, rewrite = "/f.ico"'),
        ("location / { root /srv; expires 1h; }", 'cache_control = "max-age=3600"'),
        ("location / { root /srv; autoindex on; }", "list = true"),
        ("root /srv; location / { if (!-e $request_filename) { rewrite ^ /index.html last; } }", 'fallback = "/index'),
    ],
)
def test_files(lua, lines, said):
    assert said in lua(server(lines))


def test_there_is_no_early_data(lua):
    set_ = "proxy_set_header Early-Data $ssl_early_data;"
    assert 'remove = { "Early-Data" }' in lua(server(f"location / {{ proxy_pass http://127.0.0.1:1; {set_} }}"))


def test_a_server_without_a_root(lua):
    text = lua("events {} http { " + server("location / { try_files $uri =404; }") + " }")
    assert 'files = { root = "/usr/share/nginx/html", index = "" }' in text
    assert "names no `root`" in text and "is a guess" in text


def test_files_and_then_a_peer(lua):
    text = lua(server("root /srv; location / { try_files $uri @app; } location @app { proxy_pass http://10.0.0.1; }"))
    assert 'files = { root = "/srv", index = "" }' in text or 'files = "/srv"' in text
    assert 'else_to = "10.0.0.1-80"' in text


def test_php(lua):
    text = lua(
        server(
            "root /srv; index index.php; location / { try_files $uri $uri/ /index.php?$args; }",
            r"location ~ \.php$ { include fastcgi_params; fastcgi_pass unix:/run/php.sock; "
            "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; }",
        )
    )
    assert 'upstream "php" { "unix:/run/php.sock", protocol = "fastcgi", root = "/srv" }' in text
    assert 'route { files = "/srv", else_to = "php" }' in text
    assert r"route { regex = [[\.php$]], to =" in text


# -- settings


def test_settings_of_the_whole_file(lua):
    text = lua(
        "user www; worker_processes 4; events {} http { gzip on; access_log off; set_real_ip_from 10.0.0.0/8; "
        f"real_ip_header X-Forwarded-For; sendfile on; proxy_cache_path /c keys_zone=a:1m; {server(PROXY)} }}"
    )
    for said in ('user = "www"', "workers = 4", "compress = {", 'access_log = "off"', 'trusted = { "10.0.0.0/8" }'):
        assert said in text
    assert "sendfile" in text.split("\n\n")[0] and "response cache" in text


def test_included_files_are_read_in_their_place(lua):
    files = {"conf.d/b.conf": server("return 200 b;", listen="listen 81;"), "params": "proxy_set_header X-A a;"}
    text = lua(
        "events {} http { include mime.types; include conf.d/*.conf; include none.d/*.conf;"
        + server("location / { include params; proxy_pass http://127.0.0.1:3000; }")
        + "}",
        files,
    )
    assert 'respond = { body = "b" }' in text and '["X-A"] = "a"' in text


# -- what cannot be translated


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("include missing.conf;" + server("return 200;"), "no such file"),
        (server("location / { ssi on; proxy_pass http://127.0.0.1:1; }"), "does not change the bodies"),
        (server("location / { unheard_of on; return 200; }"), "does not know this directive"),
        (server("location / { content_by_lua_block { ngx.say(1) } }"), "another language"),
        (whole("root /srv; location / { try_files /a/$unheard_of $uri =404; }"), "does not know $unheard_of"),
        ("events {} stream { server { listen 53; proxy_pass 10.0.0.1:53; } }", "not for TCP and UDP"),
        (whole("location / { proxy_pass $unheard_of; }"), "does not know $unheard_of"),
    ],
)
def test_what_is_not_translated_is_said_with_its_place(site, text, reason):
    made = site(text)
    lost = list(made.untranslated)
    assert any(reason in each.reason and each.origin is not None for each in lost), lost
    assert not made.whole


@pytest.mark.parametrize(
    "text", ["server { listen 80; ", "server { listen 80 }", "server { } }", "{ }", 'server { return 200 "x; }']
)
def test_a_broken_file_is_unreadable_with_its_line(site, text):
    with pytest.raises(Unreadable, match=r"nginx\.conf"):
        site(text)


@pytest.mark.parametrize(
    "line", ["rewrite ^/a;", "return;", "set $a;", "if { return 403; }", "location { }", "listen;"]
)
def test_a_directive_that_lacks_an_argument_is_reported(site, line):
    assert not site(f"server {{ listen 80; {line} location / {{ return 200; }} }}").whole


def test_blocks_that_are_nested_too_deeply(site):
    with pytest.raises(Unreadable, match="nested too deeply"):
        site("a {" * 5000 + "}" * 5000)


# -- the documentation


def test_the_page_has_the_table_of_today():
    text = (ROOT / "docs" / "import.md").read_text()
    assert BEGIN in text and END in text
    assert renewed(text) == text, "run: python -m rsp.importing.nginx.reference docs/import.md"


def test_no_directive_stands_in_two_tables():
    assert not DROPPED & set(NOTED)
    assert not KNOWN & set(NOTED)


# -- maps


def test_a_map_is_a_function_where_it_is_used(lua):
    text = lua(
        'map $cookie_v $name { default one; "2" two; ~^3(.*) three$1; }\n'
        + server("location / { proxy_pass http://127.0.0.1:3000; proxy_set_header X-Name $name; }")
    )
    assert "local value = map_name(req)" in text
    assert 'regex("^3(.*)")' in text


def test_a_map_chooses_the_upstream(lua):
    text = lua(
        "upstream a { server 10.0.0.1; } upstream b { server 10.0.0.2; } map $cookie_v $to { default a; 2 b; }\n"
        + server("location / { proxy_pass http://$to; proxy_set_header Host $http_host; }")
    )
    assert "return proxy(map_to(req))" in text


def test_the_usual_map_for_websockets_leaves_nothing(lua):
    text = lua(
        'map $http_upgrade $connection_upgrade { default upgrade; "" close; }\n'
        + server("location / { proxy_pass http://127.0.0.1:3000; proxy_set_header Connection $connection_upgrade; }")
    )
    assert "connection_upgrade" not in text


# -- servers of one name


def test_relative_directories_are_those_of_the_installation(lua):
    assert 'files = "/usr/share/nginx/html"' in lua(server("location / { root html; }"))


def test_only_redirects(lua):
    assert 'redirect = "https"' in lua("server { listen 80; return 301 https://$host$request_uri; }")


def test_of_two_servers_with_one_name_the_first_is_taken(lua):
    text = lua(
        "server { listen 80; server_name a.example; return 201; }\n"
        "server { listen 80; server_name a.example; return 202; }"
    )
    assert "status = 201" in text and "status = 202" not in text


def test_add_header_in_if(lua):
    text = lua(
        server(
            "location / { if ($request_method = OPTIONS) { add_header X-A a; return 204; } "
            "if ($request_method = GET) { add_header X-B b; } proxy_pass http://127.0.0.1:3000; }"
        )
    )
    text = " ".join(text.split())
    assert 'if req.method == "OPTIONS" then return respond(204) end' in text
    assert 'if req.method == "OPTIONS" then res.headers:add("X-A", "a") elseif' in text
    assert 'elseif req.method == "GET" then res.headers:add("X-B", "b") end' in text


def test_valid_referers_are_a_function(lua):
    text = lua(
        server(
            "location / { valid_referers none blocked server_names *.b.example; "
            "if ($invalid_referer) { return 403; } proxy_pass http://127.0.0.1:3000; }",
            listen="listen 8080; server_name a.example;",
        )
    )
    assert 'host == "a.example" or host:sub(-10) == ".b.example"' in text
    assert "if not valid_referer_1(req) then" in text


def test_an_error_page_that_is_try_files(lua):
    text = lua(
        server(
            "root /srv; error_page 404 = @app; location @app { proxy_pass http://127.0.0.1:3000; }", "location / { }"
        )
    )
    assert 'else_to = "local-3000"' in text


def test_what_all_routes_have_is_a_setting(lua):
    text = lua(server("access_log off; client_max_body_size 9m;", "location /a/ { return 200; }", PROXY))
    assert 'access_log = "off"\n' in text and 'limits = { body = "9MB" }\n' in text
    assert text.count("access_log") == 1


def test_what_many_routes_have_has_a_name(lua):
    lines = [f"location /{name}/ {{ proxy_pass http://127.0.0.1:3000; }}" for name in "abc"]
    fields = "proxy_set_header X-Real-IP $remote_addr; proxy_set_header Host $http_host; proxy_set_header X-Env live;"
    text = lua(server(fields, *lines))
    assert "local shared_request_headers = {" in text
    assert text.count("request_headers = shared_request_headers") == 3


def test_what_proxies_say_needs_trusted_ones(lua):
    lines = "if ($http_x_forwarded_proto = http) { return 301 https://$host$request_uri; }"
    assert "rsp believes X-Forwarded-Proto of proxies in `trusted` only" in " ".join(
        lua(server(lines, PROXY)).replace("\n-- ", " ").split()
    )
    assert "`trusted` only" not in lua(server("set_real_ip_from 10.0.0.0/8;", lines, PROXY))
