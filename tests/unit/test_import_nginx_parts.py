"""Parts of a configuration: what the nginx.conf around them defines, variables of the environment, odd words."""

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read

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
        '(os.getenv("API_HOST") or "api-host.invalid") .. ":" .. (os.getenv("API_PORT") or "8080")',
        '{ (os.getenv("OTHER") or "other.invalid:80"), weight = 2 }',
        'upstream "b-host" { (os.getenv("B_HOST") or "b-host.invalid:80") }',
        'return redirect("https://" .. (os.getenv("DOMAIN") or "") .. "/a", 302)',
        'files = (os.getenv("ROOT") or "/root")',
        'to = "https://" .. (os.getenv("DOMAIN") or "domain.invalid") .. "{uri}"',
        "-- ${DOMAIN}, www.${DOMAIN}",
    ):
        assert said in text, said
    assert "env1" not in text


@pytest.mark.parametrize(
    "text",
    [
        "location / { proxy_pass ${URL}; }",
        "location / { proxy_pass http://$HOST; }",
        "listen ${ADDRESS}:80;",
        "client_max_body_size ${MAX}; location / { proxy_read_timeout ${T}; proxy_pass http://app; }",
    ],
)
def test_variables_of_which_it_is_not_known_what_they_are(imported, text):
    site, _ = imported(f"server {{ {text} }}", main="")
    assert not site.whole


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
