"""Placeholders of templates where an address, a port, a name or a listener stands, and conditions about hosts."""

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read

HOST_AND_PORT = '(os.getenv("API_HOST") or "api-host.invalid") .. ":" .. (os.getenv("API_PORT") or "8080")'
OTHER = "server { listen 80 default_server; location / { return 204; } }"


def imported(tmp_path, text, name="site.conf"):
    """The site, and the Lua of what rsp loads."""
    path = tmp_path / name
    path.write_text(text)
    site = read(path, text)
    return site, checked(site, str(tmp_path)).text


def whole(tmp_path, text, name="site.conf"):
    site, lua = imported(tmp_path, text, name)
    assert site.whole, list(site.untranslated)
    return lua


@pytest.mark.parametrize(
    "lines",
    [
        "proxy_pass http://${API_HOST}:${API_PORT}/;",
        "set $peer http://$API_HOST:$API_PORT; proxy_pass $peer;",
        "set $peer ${API_HOST}:${API_PORT}; proxy_pass http://$peer;",
        "set $host_of ${API_HOST}; set $port_of ${API_PORT}; proxy_pass http://$host_of:$port_of;",
        "set $peer http://__API_HOST__:__API_PORT__; proxy_pass $peer$request_uri;",
    ],
)
def test_a_peer(tmp_path, lines):
    assert HOST_AND_PORT in whole(tmp_path, f"server {{ listen 80; location / {{ {lines} }} }}")


def test_a_url_in_a_variable(tmp_path):
    text = whole(tmp_path, "server { listen 80; location / { set $peer ${URL}; proxy_pass $peer; } }")
    assert '(os.getenv("URL") or "http://url.invalid:80"):match("^http://([^/]+)/?$")' in text


def test_listeners(tmp_path):
    site, text = imported(
        tmp_path,
        "server { listen %%IP%%%%HTTP_PORT%%; listen [%%IPv6%%]:%%HTTP_PORT%%; server_name %%DOMAIN%%;"
        f" index %%INDEX%%; root %%ROOT%%; }} {OTHER}",
    )
    for said in (
        'listen { (os.getenv("IP") or "0.0.0.0:") .. (os.getenv("HTTP_PORT") or "8080") }',
        'listen { "[" .. (os.getenv("IPV6") or "::") .. "]:" .. (os.getenv("HTTP_PORT") or "8080") }',
        'files = (os.getenv("ROOT") or "/root")',
    ):
        assert said in text, said
    assert [lost.text for lost in site.untranslated] == ["index %%INDEX%%;"]
    assert ".env" not in text and ":61" not in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return 301 https://${SERVER_NAME}$request_uri;",
         'to = "https://" .. (os.getenv("SERVER_NAME") or "server-name.invalid") .. "{uri}"'),
        ("return 301 https://$host:${HTTPS_PORT}$request_uri;",
         'to = "https://{host}:" .. (os.getenv("HTTPS_PORT") or "8080") .. "{uri}"'),
        ("proxy_pass http://${HOST}:9000;", '(os.getenv("HOST") or "host.invalid") .. ":9000"'),
        ("proxy_pass http://app; proxy_set_header X-Tls ${HTTPS};", '["X-Tls"] = (os.getenv("HTTPS") or "off")'),
        ("error_page 502 =302 https://$host:$SPARE_PORT$request_uri; proxy_pass http://app;",
         'redirect("https://" .. req.host .. ":" .. (os.getenv("SPARE_PORT") or "8080") .. req.target, 302)'),
    ],
)  # fmt: skip
def test_a_template_has_no_variables_of_nginx_in_capitals(tmp_path, line, said):
    server = f"server {{ listen 80; server_name ${{SERVER_NAME}}; location / {{ {line} }} }}"
    assert said in whole(tmp_path, server)


def test_the_name_of_a_file_makes_a_template(tmp_path):
    text = "server { listen 80; location / { proxy_pass http://app; proxy_set_header X-Tls ${HTTPS}; } }"
    assert 'os.getenv("HTTPS")' in whole(tmp_path, text, "site.conf.template")
    assert "os.getenv" not in whole(tmp_path, text)
    assert 'req.scheme == "https"' in whole(tmp_path, text)


def test_nginx_reads_capitals_of_variables_as_small_letters(tmp_path):
    server = "server { listen 80; if ($HTTP_USER_AGENT ~ bot) { return 403; } location / { return 204; } }"
    text = whole(tmp_path, server)
    assert 'req.headers["User-Agent"]' in text and "os.getenv" not in text


def test_plain_http_at_a_port_with_tls(tmp_path):
    tls = "listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; location / { return 204; }"
    page = "error_page 497 301 =307 https://$host:$PUBLIC_PORT$request_uri;"
    assert '":" .. (os.getenv("PUBLIC_PORT") or "8080")' in whole(tmp_path, f"server {{ {tls} {page} }}")


def test_a_condition_about_the_host_of_a_template(tmp_path):
    server = (
        'server { listen 80; server_name ${NAME} www.${NAME}; if ($host = "www.${NAME}") { return 301 https://$NAME; }'
    )
    text = whole(tmp_path, f"{server} location / {{ return 204; }} }} {OTHER}")
    name = '(os.getenv("NAME") or "name.invalid")'
    assert f'host = "www." .. {name},' in text and f'Location = "https://" .. {name}' in text
    assert f"host = {name}, respond" in text


def by_host(condition, *, name="a.test"):
    return (
        f"server {{ listen 80; server_name {name}; if ($host = {condition}) {{ return 403; }}"
        f" location / {{ return 204; }} }} {OTHER}"
    )


@pytest.mark.parametrize("name", ["_", '""', "$arg_host", "*.a.test"])
def test_a_condition_about_a_host_that_no_route_can_have(tmp_path, name):
    text = whole(tmp_path, by_host(name))
    assert "req.host ==" in text and 'host = "_"' not in text and 'host = "*' not in text


def test_a_condition_about_the_first_name(tmp_path):
    assert 'route { host = "a.test", respond = { status = 403 } }' in whole(tmp_path, by_host("$server_name"))


def test_a_condition_about_a_host_of_a_wildcard(tmp_path):
    assert 'req.host == "x.a.test"' in whole(tmp_path, by_host("x.a.test", name="*.a.test"))


def test_a_condition_about_a_host_that_another_server_has(tmp_path):
    text = whole(tmp_path, f"{OTHER.replace('location', 'if ($host = a.test) { return 403; } location')}"
                           " server { listen 80; server_name a.test; location / { return 204; } }")  # fmt: skip
    assert "403" not in text


@pytest.mark.parametrize("condition", ["( $arg_a )", "( $arg_a)", "($arg_a )", '( $arg_a != "" )', '( "$arg_a" != "")'])
def test_parentheses_that_stand_alone(tmp_path, condition):
    text = whole(tmp_path, f"server {{ listen 80; if {condition} {{ return 403; }} location / {{ return 204; }} }}")
    assert 'if (req.args["a"] or "") ~= ""' in text


def test_certificates_of_clients_that_nobody_asks_for(tmp_path):
    whole(tmp_path, "events {} http { ssl_verify_client off; }")
    site, _ = imported(tmp_path, "events {} http { ssl_verify_client on; }")
    assert not site.whole


def test_servers_of_a_host_that_ask_for_other_certificates_of_clients(tmp_path):
    tls = "ssl_certificate a.pem; ssl_certificate_key a.key; server_name a.test; location / { proxy_pass http://app; }"
    asking = f"listen 8443 ssl; {tls} ssl_client_certificate ca.pem; ssl_verify_client on;"
    site, text = imported(tmp_path, f"server {{ listen 443 ssl; {tls} }} server {{ {asking} }}")
    assert [lost.text for lost in site.untranslated] == ["ssl_verify_client on;"]
    assert 'route { listener = "0.0.0.0:8443", respond = { status = 503 } }' in text
    assert text.count('to = "app"') == 1 and "client_ca" not in text
    assert whole(tmp_path, f"server {{ {asking} }}").count("client_ca") == 1


def test_an_address_with_two_ports(tmp_path):
    site, _ = imported(tmp_path, "server { listen 80; location / { set $a app:90; proxy_pass http://$a:90; } }")
    assert [lost.reason for lost in site.untranslated] == ["app:90:90 is no address of a peer: it has two ports"]


def test_values_of_maps(tmp_path):
    text = whole(
        tmp_path,
        'map $http_origin $origin { default ""; "https://${DOMAIN}" $http_origin; ~^http://${DOMAIN}: "$DOMAIN"; }'
        " server { listen 80; location / { proxy_pass http://app; add_header X-Origin $origin; } }",
    )
    for said in (
        '["https://" .. (os.getenv("DOMAIN") or "domain.invalid")]',
        'regex("^http://" .. (os.getenv("DOMAIN") or "domain") .. ":")',
        'return (os.getenv("DOMAIN") or "domain.invalid")',
    ):
        assert said in text, said
