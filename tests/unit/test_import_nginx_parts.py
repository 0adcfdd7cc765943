"""Parts of a configuration: what the nginx.conf around them defines, variables of the environment, odd words."""

import re
from contextlib import nullcontext

import pytest

from rsp.config.errors import ConfigError
from rsp.importing.nginx.reader import read
from rsp.lua.evaluate import evaluate
from tests.unforked import checked

MAIN = """events {}
http {
    map $sent_http_content_type $by_type { default off; text/html epoch; ~image/ max; }
    map $http_origin $origin { default ""; ~^https://(?<name>.*)$ $name$suffix; }
    map $host $suffix { default x; }
    limit_req_zone $binary_remote_addr zone=slow:10m rate=5r/s;
    upstream app { server 10.0.0.1:80; server 10.0.0.1; server 10.0.0.2 weight=2; }
    upstream other { server 10.0.0.3; }
    include conf.d/*.conf;
}
"""


@pytest.fixture
def imported(tmp_path):
    def made(text: str, name: str = "conf.d/site.conf", main: str = MAIN):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if main:
            (tmp_path / "nginx.conf").write_text(main)
        site = read(path, text)
        return site, checked(site, str(tmp_path)).text

    return made


def test_what_the_file_around_it_defines(imported):
    part = "limit_req zone=slow burst=5 nodelay; expires $by_type; add_header X-Origin $origin; proxy_pass http://app;"
    site, text = imported(f"server {{ listen 80; location / {{ {part} }} }}")
    assert site.whole
    assert 'upstream "app" { { "10.0.0.1:80", weight = 2 }, { "10.0.0.2:80", weight = 2 } }' in text
    assert 'rate_limit = { rate = "5r/s"' in text
    assert '"10.0.0.3' not in text
    note = next(note.text for note in site.notes if "nginx.conf" in note.text)
    assert note.endswith("map by_type, map origin, limit_req_zone slow, upstream app, map suffix")
    alone, text = imported(f"server {{ listen 80; location / {{ {part} }} }}", main="events {}")
    assert not alone.whole


def test_what_the_part_defines_itself_stays(imported):
    site, text = imported("upstream app { server 10.9.9.9; } server { location / { proxy_pass http://app; } }")
    assert site.whole and "10.9.9.9:80" in text and "10.0.0.1" not in text


def test_maps_of_the_response_are_not_for_requests(imported):
    site, text = imported("server { location / { proxy_set_header X $by_type; proxy_pass http://app; } }")
    assert not site.whole
    assert "map_by_type" not in text.partition("route {")[2]


def test_fields_without_a_value_are_not_added(imported):
    _, text = imported(
        "server { location / { add_header X $origin; add_header Y a$http_b$status; proxy_pass http://app; } }"
    )
    assert 'if value ~= "" then res.headers:add("X", value) end' in text
    assert 'res.headers:add("Y", "a" .. (req.headers["B"] or "") .. tostring(res.status))' in text


def test_variables_of_the_environment(imported):
    site, text = imported(
        "upstream api { server ${API_HOST}:${API_PORT}; server $OTHER weight=2; }"
        "server { listen ${PORT}; server_name ${DOMAIN} www.${DOMAIN}; root ${ROOT};"
        " if ($arg_a = 1) { return 302 https://$DOMAIN/a; }"
        " location /api/ { proxy_pass http://api; proxy_set_header X-Key $API_KEY; }"
        " location /b/ { proxy_pass http://${B_HOST}; } location /c { return 301 https://${DOMAIN}$request_uri; } }",
        main="",
    )
    assert site.whole, list(site.untranslated)
    for said in (
        'listen { "0.0.0.0:" .. (os.getenv("PORT") or "8080") }',
        '(os.getenv("API_HOST") or "api-host.invalid") .. ":" .. (os.getenv("API_PORT") or "8081")',
        '{ (os.getenv("OTHER") or "other.invalid:80"), weight = 2 }',
        'upstream "b-host" { (os.getenv("B_HOST") or "b-host.invalid:80") }',
        'return redirect("https://" .. (os.getenv("DOMAIN") or "domain.invalid") .. "/a", 302)',
        'files = (os.getenv("ROOT") or "/root")',
        'to = "https://" .. (os.getenv("DOMAIN") or "domain.invalid") .. "{uri}"',
        "-- ${DOMAIN}, www.${DOMAIN}",
    ):
        assert said in text, said
    assert "env1" not in text


@pytest.mark.parametrize(
    "text",
    [
        "location / { proxy_pass ${URL}api; }",
        "location / { proxy_pass http://$HOST; }",
        "listen 80 ${FLAGS};",
        "location / { deny {{ network }}; proxy_pass http://app; }",
        "location / { proxy_read_timeout ${T}h; proxy_pass http://app; }",
    ],
)
def test_variables_of_which_it_is_not_known_what_they_are(imported, text):
    site, _ = imported(f"server {{ {text} }}", main="")
    assert not site.whole


@pytest.mark.parametrize(
    ("written", "name"),
    [("%domain%", "DOMAIN"), ("{{ domain }}", "DOMAIN"), ("{{ .Values.host }}", "VALUES_HOST"), ("__USER__", "SITE_USER"),
     ("{{domain | default('x')}}", "DOMAIN"), ("<your-domain>", "YOUR_DOMAIN"), ("<%= @domain %>", "DOMAIN"), ("@DOMAIN@", "DOMAIN")],
)  # fmt: skip
def test_placeholders_of_templates(imported, written, name):
    site, text = imported(f"server {{ listen 80; server_name {written}; location / {{ proxy_pass http://app; }} }}"
                          " server { listen 80 default_server; location / { return 204; } }", main="")  # fmt: skip
    assert site.whole, list(site.untranslated)
    assert f'host = (os.getenv("{name}") or ' in text
    assert any(f"is {name}" in note.text for note in site.notes)


def test_what_placeholders_stand_for(imported):
    site, text = imported(
        "server { listen %ip%:%port%; listen [::]:%port%; client_max_body_size ${MAX}; auth_basic %realm%;"
        " auth_basic_user_file /etc/%user%; ssl_certificate {{ pem }}; location __PATH__/ { alias __DIR__/;"
        " rewrite ^__PATH__$ __PATH__/ permanent; } location /a { proxy_pass ${URL}; proxy_read_timeout ${T}; }"
        " location /b { proxy_pass http://127.0.0.1:__PORT____PATH__/; allow {{ network }}; deny all; } }",
        main="",
    )
    assert site.whole, list(site.untranslated)
    for said in (
        'listen { (os.getenv("IP") or "0.0.0.0") .. ":" .. (os.getenv("PORT") or "8080") }',
        'listen { "[::]:" .. (os.getenv("PORT") or "8080") }',
        'body = (os.getenv("MAX") or "1MB")',
        'basic = "/etc/" .. (os.getenv("SITE_USER") or "site-user"), realm = (os.getenv("REALM") or "realm")',
        'path = (os.getenv("SITE_PATH") or "/site-path") .. "/"',
        'files = (os.getenv("DIR") or "/dir")',
        'regex("^" .. (os.getenv("SITE_PATH") or "/site-path") .. "$")',
        '(os.getenv("URL") or "http://url.invalid:80"):match("^http://([^/]+)/?$")',
        'response = (os.getenv("T") or "60s")',
        'rewrite = (os.getenv("SITE_PATH") or "/site-path") .. "/"',
        'allow = (os.getenv("NETWORK") or "192.0.2.1")',
    ):
        assert said in text, said


def test_a_url_with_tls_or_a_path_does_not_load(imported, monkeypatch, tmp_path):
    _, text = imported("location / { proxy_pass ${URL}; }", main="")
    for url, loads in (
        ("http://a:80", True),
        ("http://a:80/", True),
        ("https://a:443", False),
        ("http://a:80/b", False),
    ):
        monkeypatch.setenv("URL", url)
        path = tmp_path / "site.lua"
        path.write_text(text)
        with nullcontext() if loads else pytest.raises(ConfigError):
            evaluate(str(path))


def test_parameters_of_scripts_alone(imported):
    site, text = imported("fastcgi_param SCRIPT_FILENAME /srv/a/$fastcgi_script_name; fastcgi_param APP live;", main="")
    assert site.whole, list(site.untranslated)
    assert 'protocol = "fastcgi"' in text and 'params = { APP = "live" }' in text
    assert any("127.0.0.1:9000 is a guess" in note.text for note in site.notes)


@pytest.mark.parametrize("name", ["SSL_CERTIFICATE", "SERVER_DIR", "UPSTREAM_DIR", "REQUEST_DIR"])
def test_a_variable_of_the_environment_that_begins_as_those_of_nginx(imported, name):
    site, text = imported(f"server {{ listen 80; root /srv/${{{name}}}; location / {{ }} }}", main="")
    assert site.whole and f'os.getenv("{name}")' in text


def test_names_of_lua_are_names(imported):
    server = (
        "server {{ listen {}; server_name 10.1.2.3; if ($arg_a ~ {}) {{ return 403; }} location / {{ return 200; }} }}"
    )
    site, text = imported(f"{server.format(80, 'x')} {server.format(81, 'y')}", main="")
    assert site.whole
    assert (
        text.count("local function before_")
        == 2
        == len({line for line in text.split("\n") if "local function" in line})
    )


def test_types_that_no_response_has(imported):
    site, text = imported("server { gzip on; gzip_types text/css textplain; location / { proxy_pass http://app; } }")
    assert site.whole and '"text/css"' in text and '"textplain"' not in text


def test_text_that_looks_like_placeholders(imported):
    page = "<html><title>%name% of @APP@</title><h1>__TITLE__ none</h1></html>"
    site, text = imported(
        f"server {{ listen 80; location / {{ add_header Link '</a.css>; rel=preload'; add_header X-Mark '<b>';"
        f" if ($query_string ~ '<script>') {{ return 403; }} return 404 '{page}'; }}"
        " location /moved { return 301 https://<your-domain>$request_uri; } }",
        main="",
    )
    assert site.whole, list(site.untranslated)
    assert page in text and "<b>" in text and 'regex("<script>")' in text
    assert set(re.findall(r"getenv\(.(\w+).\)", text)) == {"YOUR_DOMAIN"}
