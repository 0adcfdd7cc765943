"""How placeholders of templates are written: shells, lower case, braces, and those that stand for directives."""

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read


def imported(tmp_path, text, name="site.conf"):
    """The site, and the Lua of what rsp loads."""
    path = tmp_path / name
    path.write_text(text)
    site = read(path, text)
    return site, checked(site, str(tmp_path)).text


def whole(tmp_path, text, name="site.conf"):
    """The Lua in one line."""
    site, lua = imported(tmp_path, text, name)
    assert site.whole, list(site.untranslated)
    return " ".join(lua.split())


@pytest.mark.parametrize(
    "written",
    ["${domain}", "$domain", "${domain/\\*}", "{domain}", "{{{ domain }}}", '{{ env "DOMAIN" }}', "${{ domain }}",
     '{{getenv "DOMAIN" "x"}}', "%(domain)s", "$(DOMAIN)", "$$DOMAIN$$", "${env.DOMAIN}", "${DOMAIN,,}", "{$DOMAIN}"],
)  # fmt: skip
def test_each_form(tmp_path, written):
    text = whole(
        tmp_path,
        f"server {{ listen 443 ssl; server_name {written} www.{written}; ssl_certificate /etc/ssl/{written}.pem;"
        f" location / {{ proxy_pass http://{written}:8000; }} }} server {{ listen 443 ssl default_server; }}",
    )
    named = '(os.getenv("DOMAIN") or "domain.invalid")'
    assert f'host = {{ {named}, "www." .. {named}' in text
    assert f'"/etc/ssl/" .. {named} .. ".pem"' in text
    assert f'{{ {named} .. ":8000" }}' in text


def test_a_shell_says_what_stands_for_it(tmp_path):
    text = whole(
        tmp_path,
        "server { listen 8001; listen ${PORT:-8000}; listen ${HOST:-127.0.0.1}:${PORT2:-81}; server_name ${NAME-x.example};"
        " client_max_body_size ${MAX:-10m}; proxy_read_timeout ${T:-30}s; proxy_connect_timeout ${C:-2s};"
        " root ${ROOT:-/srv}; location ${BASE:=/app} { proxy_pass ${URL:-http://api:3000}/; }"
        " location /b/ { proxy_pass http://${BACKEND:-other}; } location /c/ { proxy_pass ${LONG:-https://x/y}; } }"
        " server { listen 8001 default_server; location / { return 204; } }",
    )
    for said in (
        '"0.0.0.0:" .. (os.getenv("PORT") or "8000")',
        '(os.getenv("HOST") or "127.0.0.1") .. ":" .. (os.getenv("PORT2") or "81")',
        'host = (os.getenv("NAME") or "x.example")',
        '(os.getenv("MAX") or "10MB")',
        'connect = (os.getenv("C") or "2s")',
        'read = (os.getenv("T") or "30") .. "s"',
        'files = (os.getenv("ROOT") or "/srv")',
        'path = (os.getenv("BASE") or "/app")',
        '(os.getenv("URL") or "http://api:3000"):match(',
        '(os.getenv("BACKEND") or "other:80")',
        '(os.getenv("LONG") or "http://long.invalid:80"):match(',
    ):
        assert said in text, said


@pytest.mark.parametrize("name", ["site.conf.template", "site.tpl"])
def test_lower_case_in_braces_is_of_a_template(tmp_path, name):
    server = "server { listen 80; location / { proxy_pass http://app; proxy_set_header X-Key ${api_key}; } }"
    assert '(os.getenv("API_KEY") or "api-key.invalid")' in whole(tmp_path, server, name)


@pytest.mark.parametrize("line", ["set $api_key x;", "auth_request_set $api_key $upstream_http_x;", ""])
def test_lower_case_is_of_nginx_elsewhere(tmp_path, line):
    server = (
        f"server {{ listen 80; {line} location / {{ proxy_pass http://app; proxy_set_header X-Key ${{api_key}}; }} }}"
    )
    assert "API_KEY" not in imported(tmp_path, server, "site.conf" if not line else "site.conf.template")[1]


@pytest.mark.parametrize("line", ["${EXTRA}", "{{ extra }}", "__EXTRA__", "@EXTRA@", "  %%EXTRA%%  # as you like"])
def test_a_line_for_directives_is_reported(tmp_path, line):
    site, text = imported(
        tmp_path, f"server {{\n  listen 80;\n{line}\n  location / {{\n{line}\n    return 204;\n  }}\n}}\n"
    )
    assert [str(lost.origin).rpartition(":")[2] for lost in site.untranslated] == ["3", "5"]
    assert "respond = { status = 204 }" in text


def test_a_line_within_a_directive_is_a_word_of_it(tmp_path):
    text = whole(
        tmp_path,
        "server {\n listen 80;\n server_name\n  ${NAME}\n  www.example.com;\n}\nserver { listen 80 default_server; }",
    )
    assert 'host = { (os.getenv("NAME") or "name.invalid"), "www.example.com" }' in text


def test_a_space_behind_braces_is_no_word(tmp_path):
    text = whole(tmp_path, "server { listen 80; location ${BASE} { return 204; } location / { return 200 ${TEXT} ; } }")
    assert 'path = (os.getenv("BASE") or "/base"), respond = { status = 204 }' in text


def test_text_of_a_shell(tmp_path):
    text = whole(
        tmp_path,
        r"server { listen 80; location ~ \.php\$ { return 403; } location / { root /srv; try_files \$uri \$uri/ /x.html; }"
        r" location /old/ { return 301 https://\$host\$request_uri; } }",
    )
    for said in (r"regex = [[\.php$]]", 'fallback = "/x.html"', 'to = "https://{host}{uri}"'):
        assert said in text, said
    assert r"\$ stands for $" in text


def test_a_dollar_of_an_expression_stays(tmp_path):
    text = whole(tmp_path, r"server { listen 80; location ~ /a\$b { return 204; } location / { return 301 /x$uri; } }")
    assert r"regex = [[/a\$b]]" in text


@pytest.mark.parametrize("name", ["$[DOMAIN]", "a.$(x"])
def test_no_name_of_a_host(tmp_path, name):
    site, _ = imported(tmp_path, f"server {{ listen 80; server_name {name} x.example; }} server {{ listen 80; }}")
    assert [lost.reason for lost in site.untranslated] == [f"this is no name of a host: {name}"]


def test_groups_in_capitals_are_variables_of_nginx(tmp_path):
    server = r"server { listen 80; server_name ~^(?<DOMAIN>[a-z]+)\.loc$; location / { return 200 $DOMAIN; } }"
    assert "os.getenv" not in imported(tmp_path, server)[1]
