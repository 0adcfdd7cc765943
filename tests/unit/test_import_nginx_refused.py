"""What nginx takes and rsp refuses: the import writes something that does the same, or leaves it out with a note."""

from pathlib import Path

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read

PEER = "proxy_pass http://127.0.0.1:9000;"


def whole(text: str, folder: Path) -> str:
    """The Lua of a server with ``text``, of which nothing may be lost; notes are in it."""
    path = folder / "nginx.conf"
    path.write_text(f"events {{}} http {{ server {{ listen 8080; {text} }} }}")
    site = read(path, path.read_text())
    written = checked(site, str(folder)).text
    assert [part.reason for part in site.untranslated] == []
    return " ".join(written.replace("\n-- ", " ").split())


@pytest.mark.parametrize(
    ("said", "written", "note"),
    [
        ("add_header X-A: 1;", '["X-A"] = ": 1"', "probably, X-A is meant"),
        ("proxy_set_header X-A: $host;", '["X-A"] = ": {host}"', "probably, X-A is meant"),
        ("proxy_set_header Host: $host;", 'send_host = "127.0.0.1:9000"', "probably, Host is meant"),
        ('add_header "=" 8;', "", '"=" is not the name of a field'),
        ("proxy_set_header X-Ä 8;", "", '"X-Ä" is not the name of a field'),
        ("add_header Host $host;", "", "responses have no field Host"),
        ('add_header X-A "a;\n  b;\n";', '["X-A"] = "a; b;"', "has line breaks"),
        ('proxy_hide_header "X A"; proxy_hide_header Host;', "", ""),
        ("proxy_hide_header X-A; proxy_hide_header x-a;", 'remove = { "X-A" }', ""),
        ("add_header X-A 1; add_header x-a 2;", '["X-A"] = "1, 2"', ""),
        ("add_header X-A 1; add_header X_A 2;", 'res.headers:add("X_A", "2")', ""),
        ("proxy_set_header X-A 1; proxy_set_header X_A 2;", 'req.headers["X_A"] = "2"', ""),
        ('more_clear_headers "X-A $x";', "", ""),
    ],
)
def test_names_and_values_of_fields(said: str, written: str, note: str, tmp_path: Path) -> None:
    lua = whole(f"location / {{ {PEER} {said} }}", tmp_path)
    assert written in lua
    assert note in lua


def test_a_field_that_is_left_out_still_hides_those_of_the_levels_around(tmp_path: Path) -> None:
    lua = whole("root /srv; add_header X-A 1; location /in/ { add_header Host x; }", tmp_path)
    assert lua.count("X-A") == 1


@pytest.mark.parametrize(
    ("location", "note"),
    [
        ("/a/../b { deny all; }", ". and .. in paths are resolved"),
        ("= /a/./b { return 200 a; }", ". and .. in paths are resolved"),
        ("^~ ?x { root /srv; }", "it has no slash at its beginning"),
        ("^~ ä { root /srv; }", "it has no slash at its beginning"),
    ],
)
def test_locations_that_no_request_comes_to(location: str, note: str, tmp_path: Path) -> None:
    lua = whole(f"root /srv; location {location}", tmp_path)
    assert note in lua
    assert lua.count("route {") == 1


def test_an_empty_expression_is_for_all_paths(tmp_path: Path) -> None:
    assert 'route { regex = "^", respond = { body = "a" } }' in whole('location ~ "" { return 200 a; }', tmp_path)


@pytest.mark.parametrize("answer", ["200 $remote_user", '200 \'{"u":"$remote_user"}\'', "302 /x/$remote_user"])
def test_the_user_in_an_answer_is_whom_the_client_says(answer: str, tmp_path: Path) -> None:
    lua = whole(f"location / {{ return {answer}; }}", tmp_path)
    assert 'base64.decode((req.headers.Authorization or "")' in lua


@pytest.mark.parametrize("word", ["end", "function", "local", "nil"])
def test_words_of_lua_are_names_of_groups_and_variables(word: str, tmp_path: Path) -> None:
    lua = whole(f"if ($arg_a) {{ set ${word} 1; }} if (${word}) {{ return 403; }} location / {{ {PEER} }}", tmp_path)
    assert f'req.ctx["{word}"] = ' in lua
    lua = whole(f"location ~ ^/(?<{word}>.)/ {{ {PEER} if ($arg_a) {{ return 302 /z/${word}; }} }}", tmp_path)
    assert f'found["{word}"] or ""' in lua
    lua = whole(rf"server_name ~^(?<{word}>.+)\.x$; location / {{ return 302 http://y/${word}; }}", tmp_path)
    assert f'(req)["{word}"] or ""' in lua


@pytest.mark.parametrize(("said", "written"), [("utf-8", ""), ("koi8-r;q=1", 'charset = "koi8-r"'), ("none", "")])
def test_names_of_charsets(said: str, written: str, tmp_path: Path) -> None:
    lua = whole(f'root /srv; charset "{said}";', tmp_path)
    assert written in lua
    assert ("charset =" in lua) == bool(written)


def peers(text: str, folder: Path) -> str:
    lua = whole(f"location / {{ proxy_pass http://app; }} }} upstream app {{ {text}", folder)
    return lua.partition('upstream "')[2].partition(" route {")[0]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("server a:1 max_fails=3 fail_timeout=180s;", 'within = "180s", out = "180s", longest = "180s"'),
        ("server a:1 max_fails=100000;", "count = 1000"),
        ("server a:1 backup; server b:1 down; server c:1 backup weight=3;", '"a:1", { "c:1", weight = 3 }'),
        ("server a:1; keepalive 100000;", "keepalive = 65535"),
    ],
)
def test_upstreams(said: str, written: str, tmp_path: Path) -> None:
    assert written in peers(said, tmp_path)


@pytest.mark.parametrize(
    ("address", "note"),
    [
        ("http://localhost:port", '"localhost:port:80" is not an address'),
        ("http://###.##.###.#:8080/x/", '"###.##.###.#:8080" is not an address'),
        ("http://127.0.0.1:70000", '"127.0.0.1:70000" is not an address'),
    ],
)
def test_what_is_no_address_is_to_be_filled_in(address: str, note: str, tmp_path: Path) -> None:
    lua = whole(f"location / {{ proxy_pass {address}; }}", tmp_path)
    assert note in lua
    assert '.invalid:80"' in lua


def test_addresses_beside_one_that_is_none_stay(tmp_path: Path) -> None:
    lua = peers("server x.x:p weight=3; server a:1;", tmp_path)
    assert '{ "app.invalid:80", weight = 3 }, "a:1" }' in lua


def test_sockets_are_absolute(tmp_path: Path) -> None:
    lua = whole("location / { proxy_pass http://unix:run/app.sock:/x; } listen unix:own.sock proxy_protocol;", tmp_path)
    assert '"unix:/usr/share/nginx/run/app.sock"' in lua
    assert 'listen "unix:/usr/share/nginx/own.sock" { proxy_protocol = { from = { "unix:" } } }' in lua
    assert '(os.getenv("APP_SOCKET") or "/run/app-socket.sock")' in peers("server unix:${APP_SOCKET};", tmp_path)


SOURCE = "nginx would send the source of"


@pytest.mark.parametrize(
    ("said", "written", "note"),
    [
        ("location / { try_files $uri $uri/ /index.php?$args; }", 'route { files = "/srv" }', f"{SOURCE} /index.php"),
        ("location / { try_files $uri /cgi/x.pl; }", 'root = "/srv", index = "" } }', f"{SOURCE} /cgi/x.pl"),
        ("location /d { try_files $uri /srv/x.html; }", 'path = "/d"', "nginx looks for /srv/srv/x.html"),
        ("error_page 404 = /index.php;", 'route { files = "/srv" }', f"{SOURCE} /index.php"),
        ("error_page 404 = /;", 'fallback = "/index.html"', ""),
        ("error_page 404 =200 /x/;", 'fallback = "/x/index.html"', ""),
        ("error_page 404 /x/; location /x/ { index a.html; }", "route {", "the page /srv/x/a.html for 404 is not on"),
    ],
)
def test_the_file_in_the_place_of_others(said: str, written: str, note: str, tmp_path: Path) -> None:
    lua = whole(f"root /srv; {said}", tmp_path)
    assert written in lua
    assert note in lua
    assert ("fallback" in lua) == ("fallback" in written)


def test_peers_that_another_program_writes_into_the_file(tmp_path: Path) -> None:
    lua = peers("server $Server1:8100; server $Server2:8200;", tmp_path)
    assert '(os.getenv("SERVER1") or "server1.invalid") .. ":8100"' in lua
    assert '(os.getenv("SERVER2") or "server2.invalid") .. ":8200"' in lua


@pytest.mark.parametrize("said", ["", "server a:1 down;", "zone app 64k;"])
def test_an_upstream_without_peers_is_to_be_filled_in(said: str, tmp_path: Path) -> None:
    lua = peers(said, tmp_path)
    assert lua.startswith('app" { "app.invalid:80" }')


def test_several_that_are_no_addresses_have_one_stand_in(tmp_path: Path) -> None:
    lua = peers("server x.x.x:p; server y.y.y:p; server a:1;", tmp_path)
    assert '{ "app.invalid:80", "a:1" }' in lua


def test_a_firewall_that_only_learns_is_a_note(tmp_path: Path) -> None:
    rules = 'DeniedUrl /50x.html; CheckRule "$SQL >= 8" BLOCK; BasicRule wl:1;'
    lua = whole(f"location / {{ {PEER} SecRulesEnabled; LearningMode; {rules} }}", tmp_path)
    assert "naxsi only learns here" in lua
    with pytest.raises(AssertionError, match="firewall"):
        whole(f"location / {{ {PEER} SecRulesEnabled; {rules} }}", tmp_path)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("location / { try_file $uri /index.html; }", 'fallback = "/index.html"'),
        ("servername a.test;", 'host = { "a.test" }'),
        (f"location / {{ {PEER} proxy_set_headers X-A 1; }}", '["X-A"] = "1"'),
        ("Return: 404;", "respond = { status = 404 }"),
    ],
)
def test_names_of_directives_that_a_letter_is_wrong_in(said: str, written: str, tmp_path: Path) -> None:
    lua = whole(f"root /srv; {said}", tmp_path)
    assert written in lua
    assert "and refuses the file; it is read as" in lua


def test_names_of_other_directives_stay(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does not know this directive"):
        whole("root /srv; try_filing $uri =404;", tmp_path)
    assert "read as" not in whole(
        "root /srv; } map $uri $x { try_file 1; servername 2; } server { listen 8081;", tmp_path
    )


def test_the_page_to_log_in_is_where_the_service_says(tmp_path: Path) -> None:
    lua = whole(
        "location = /authz { internal; proxy_pass http://127.0.0.1:9091/api/authz/auth-request; }"
        "location / { auth_request /authz; auth_request_set $to $upstream_http_location; error_page 401 =302 $to; "
        f"{PEER} }}",
        tmp_path,
    )
    assert 'copy = { "Location" }' in lua
    assert 'if res.own and res.status == 401 and res.headers["Location"] then return redirect(' in lua


@pytest.mark.parametrize("name", ["::1", "$host", "a/b", "::1 a.test"])
def test_names_that_no_request_has(name: str, tmp_path: Path) -> None:
    lua = whole(f"root /srv; server_name {name}; }} server {{ listen 8080; server_name b.test; root /b;", tmp_path)
    assert f"no request is for the host {name.split()[0]}" in lua
    assert ("a.test" in lua) == ("a.test" in name)


def test_proxies_that_nginx_knows_by_their_names(tmp_path: Path) -> None:
    lua = whole(f"set_real_ip_from traefik; set_real_ip_from localhost; location / {{ {PEER} }}", tmp_path)
    assert 'trusted = { "192.0.2.1", "127.0.0.1", "::1" }' in lua
    assert "looks up the address of traefik when it starts" in lua


def test_ends_of_names_as_nginx_compares_them(tmp_path: Path) -> None:
    lua = whole("location / { root /srv; types { a/tei teiCorpus .x *.y z; } }", tmp_path)
    assert 'types = { teicorpus = "a/tei", z = "a/tei" }' in lua


@pytest.mark.parametrize("text", ["server { listen 53 udp; }", "server { listen 5432; proxy_pass db:5432; }"])
def test_a_part_of_stream(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tcp.conf"
    path.write_text(text)
    assert [lost.reason for lost in read(path, text).untranslated] == ["rsp is a proxy for HTTP, not for TCP and UDP"]


@pytest.mark.parametrize("said", ["uptream app { server a:1; }", "upstreeam app { server a:1; }"])
def test_a_letter_that_is_missing(said: str, tmp_path: Path) -> None:
    lua = whole(f"location / {{ proxy_pass http://app; }} }} {said} server {{ listen 8081;", tmp_path)
    assert 'upstream "app" { "a:1" }' in lua


def test_try_files_leads_to_a_place_with_restrictions_of_its_own(tmp_path: Path) -> None:
    place = f"location /app {{ deny 10.0.0.1; {PEER} }}"
    lua = whole(f"root /srv; {place} location / {{ try_files $uri /app?$args; }}", tmp_path)
    assert 'req.path = "/app"' in lua
    assert 'req.query = ""' not in lua
    assert "nginx does not look at try_files" not in lua
    assert 'req.query = ""' in whole(f"root /srv; {place} location / {{ try_files $uri /app; }}", tmp_path)


@pytest.mark.parametrize("own", ["auth_basic x; auth_basic_user_file /y;", "deny 10.0.0.2;"])
def test_try_files_does_not_lead_past_what_its_own_place_restricts(own: str, tmp_path: Path) -> None:
    text = f"root /srv; location /app {{ deny 10.0.0.1; {PEER} }} location /x/ {{ {own} try_files $uri /app; }}"
    with pytest.raises(AssertionError, match="restrictions of its own"):
        whole(text, tmp_path)


PAGE = 'if file.kind("/srv" .. req.path .. "index.html") == "file" then'


@pytest.mark.parametrize("place", ["= /d/index.html { deny 10.0.0.1; }", r"~ \.html$ { if ($arg_a) { return 403; } }"])
@pytest.mark.parametrize("here", ["location /d/ { }", "location / { try_files $uri $uri/ =404; }", ""])
def test_directories_lead_to_an_index_with_restrictions_of_its_own(place: str, here: str, tmp_path: Path) -> None:
    if "= /d" in place and here != "location /d/ { }":
        place = place.replace("/d/", "/")
    lua = whole(f"root /srv; location {place} {here}", tmp_path)
    assert PAGE in lua
    assert "status = 503" not in lua


def test_directories_do_not_lead_past_what_they_restrict(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="restrictions of its own"):
        whole("root /srv; location = /d/index.html { deny 10.0.0.1; } location /d/ { deny 10.0.0.2; }", tmp_path)


def test_what_no_location_has_is_reported_where_it_is_closed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="depends on the request"):
        whole("root /srv/$arg_a; try_files $uri /a /b;", tmp_path)
