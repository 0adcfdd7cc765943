"""Variables that a part of a configuration asks for, and another file sets."""

from pathlib import Path

from rsp.importing.nginx.reader import read
from tests.unforked import checked


def imported(text: str):
    site = read(Path("site.conf"), text)
    return site, checked(site, ".").text


def test_a_function_stands_for_what_another_file_sets():
    site, text = imported("proxy_set_header X-Scheme $forward_scheme; proxy_pass $forward_scheme://$server:$port;")
    assert site.whole
    assert text.count("local function elsewhere_forward_scheme(req)\n  return") == 1
    assert "elsewhere_server(req)" in text and "elsewhere_port(req)" in text
    assert any("another file of the configuration sets $forward_scheme" in note.text for note in site.notes)


def test_until_it_is_known_who_is_refused_all_are():
    refusing = (
        'server { set $both "$bad_bot$more"; if ($both = "11") { return 403; } location / { root /srv/www; } }',
        "map $bad_bot $is_bad { 1 1; } server { if ($is_bad) { return 444; } location / { root /srv/www; } }",
        "server { if ($bad_bot) { set $block 1; } if ($block) { return 403; } location / { root /srv/www; } }",
        'limit_req_zone "$bad_bot" zone=slow:1m rate=1r/s; server { location / { limit_req zone=slow; root /srv; } }',
    )
    for text in refusing:
        site, made = imported(text)
        assert site.whole, text
        assert 'elsewhere_bad_bot(req)\n  error("put the value of $bad_bot here")' in made
    _, made = imported("server { if ($early = 425) { return 425; } location / { root /srv/www; } }")
    assert 'elsewhere_early(req)\n  return ""' in made


def test_a_whole_configuration_has_its_variables_itself():
    site, _ = imported("events {} http { server { listen 80; location / { proxy_pass http://$backend; } } }")
    assert not site.whole


def test_variables_of_modules_are_of_no_other_file():
    for text in (
        "add_header X-Country $geoip2_data_country_code; root /srv/www;",
        "js_set $signed sign.sign; add_header X-Signed $signed; root /srv/www;",
        "add_header X-Ssl $ssl_client_fingerprint; add_header X-Uid $uid_got; root /srv/www;",
    ):
        site, made = imported(text)
        assert not site.whole and "elsewhere_" not in made, text


def test_the_address_of_the_connection_is_the_clients_where_no_proxy_is_trusted():
    text = (
        "events {{}} http {{ {} server {{ location / {{ if ($realip_remote_addr = 192.0.2.1) {{ return 403; }} }} }} }}"
    )
    site, made = imported(text.format(""))
    assert site.whole and 'req.client == "192.0.2.1"' in made
    site, _ = imported(text.format("set_real_ip_from 10.0.0.0/8;"))
    assert not site.whole


def test_a_peer_is_not_told_of_a_response_that_is_yet_to_come():
    site, made = imported("proxy_set_header X-Time $upstream_response_time; proxy_pass http://127.0.0.1:9001;")
    assert site.whole and 'remove = { "X-Time" }' in made


def test_a_service_that_another_file_names_refuses_until_it_is_named():
    site, made = imported("auth_request /auth; error_page 401 = @login; proxy_pass http://10.0.0.1;")
    assert site.whole
    assert 'upstream "auth" { "192.0.2.1:9" }' in made
    assert 'auth = { forward = "auth", path = "/auth", style = "auth_request" }' in made
    notes = " ".join(note.text for note in site.notes)
    assert "the location /auth of auth_request" in notes and "the location @login" in notes
    whole = "events {} http { server { location / { auth_request /auth; proxy_pass http://10.0.0.1; } } }"
    assert not imported(whole)[0].whole
