"""nginx's directives, by what becomes of each: translated, a note, left out, or reported with the reason.

Behaviour is compared in tests/interop/test_import_beside_nginx.py; here are the directives that nginx's modules have
beside those of the configurations there.
"""

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read


def imported(tmp_path, text):
    """The site, and the Lua of what rsp loads."""
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    site = read(path, text)
    return site, checked(site, str(tmp_path)).text


def passing(line, *, http="", around=""):
    return f"{http} server {{ listen 80; {around} location / {{ {line} proxy_pass http://127.0.0.1:9001; }} }}"


def upstream(*lines):
    return f"upstream app {{ {' '.join(lines)} }} server {{ listen 80; location / {{ proxy_pass http://app; }} }}"


@pytest.mark.parametrize("family", ["proxy", "fastcgi", "uwsgi", "scgi", "grpc", "memcached"])
@pytest.mark.parametrize(
    "word", ["buffer_size 8k", "next_upstream_timeout 1s", "send_timeout 5m", "socket_keepalive on"]
)
def test_what_only_tunes_the_way_to_peers_is_left_out(tmp_path, family, word):
    site, _ = imported(tmp_path, passing(f"{family}_{word};"))
    assert site.whole
    assert not list(site.notes)


@pytest.mark.parametrize(
    "line",
    [
        "proxy_bind off;",
        "ssi off;",
        "dav_methods off;",
        "userid off;",
        "gunzip off;",
        "geoip_country /usr/share/GeoIP/GeoIP.dat;",
        "sub_filter_types text/css;",
        "ancient_browser MSIE;",
    ],
)
def test_what_changes_nothing_by_itself_is_left_out(tmp_path, line):
    site, _ = imported(tmp_path, passing(line))
    assert site.whole
    assert not list(site.notes)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("proxy_bind $remote_addr transparent;", "chooses the address"),
        ("random_index on;", "no file at random"),
        ("post_action /done;", "no second URL"),
        ("userid on;", "no cookies"),
        ("if ($geoip_country_code = CN) { return 403; }", "does not know $geoip_country_code"),
        ("if ($ancient_browser) { return 403; }", "does not know $ancient_browser"),
    ],
)
def test_what_rsp_does_not_do_is_reported_with_the_reason(tmp_path, line, reason):
    site, _ = imported(tmp_path, passing(line))
    assert [lost.reason for lost in site.untranslated if reason in lost.reason]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fair; server 10.0.0.1;", 'policy = "least_conn"'),
        ("consistent_hash $request_uri; server 10.0.0.1;", 'policy = "hash", key = "uri"'),
        ("sticky name=route expires=1h; server 10.0.0.1;", 'sticky = "route"'),
        ("session_sticky cookie=uid mode=insert; server 10.0.0.1;", 'sticky = "uid"'),
        ("server a.example service=http resolve;", '"srv:_http._tcp.a.example"'),
        ("server a.example service=_https._tcp resolve;", '"srv:_https._tcp.a.example"'),
        ("check type=tcp; server 10.0.0.1;", 'health = "tcp"'),
        (r'check type=http; check_http_send "HEAD /up HTTP/1.0\r\n\r\n"; server 10.0.0.1;', 'health = "/up"'),
        ("server 10.0.0.1; server 10.0.0.2 drain;", '"10.0.0.1:80" }'),
    ],
)
def test_upstreams_of_nginx_plus_and_of_other_modules(tmp_path, line, expected):
    site, text = imported(tmp_path, upstream(line))
    assert site.whole
    assert expected in text


def test_ntlm_is_reported(tmp_path):
    site, _ = imported(tmp_path, upstream("server 10.0.0.1; ntlm;"))
    assert ["NTLM" in lost.reason for lost in site.untranslated] == [True]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("more_set_headers 'X-A: a' 'X-B: b';", 'set = { ["X-A"] = "a", ["X-B"] = "b" }'),
        ("more_clear_headers Server 'X-Hidden-*';", 'name:lower():find("^x%-hidden%-")'),
        ("more_set_headers -s '404 500' 'X-A: a';", "if (res.status == 404 or res.status == 500) then"),
        ("more_set_input_headers 'X-In: $remote_addr';", 'req.headers["X-In"] = req.client'),
        ("more_set_input_headers -r 'X-In: in';", 'if req.headers["X-In"] then req.headers["X-In"] = "in" end'),
        ("more_clear_input_headers Cookie;", 'req.headers["Cookie"] = nil'),
        ("proxy_pass_request_body off; proxy_set_header Content-Length '';", 'req.body = ""'),
    ],
)
def test_fields_by_headers_more_and_what_peers_do_not_get(tmp_path, lines, expected):
    site, text = imported(tmp_path, passing(lines))
    assert site.whole
    assert expected in text


def test_fields_of_headers_more_hold_at_all_levels(tmp_path):
    inner, outer = "more_clear_headers X-A; more_set_headers 'X-C: c';", "more_set_headers 'X-A: a' 'X-B: b';"
    site, text = imported(tmp_path, passing(inner, around=outer))
    assert site.whole
    assert 'response_headers = { remove = { "X-A" }, set = { ["X-B"] = "b", ["X-C"] = "c" } }' in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fastcgi_pass 127.0.0.1:9000; fastcgi_next_upstream error http_503;", "retry = { on = { 503 } }"),
        ("uwsgi_pass 127.0.0.1:9000; uwsgi_next_upstream off;", "retry = { tries = 1 }"),
        ("uwsgi_pass 127.0.0.1:9000; uwsgi_hide_header X-U;", 'remove = { "X-U" }'),
        ("grpc_pass grpc://127.0.0.1:9000; grpc_next_upstream_tries 2;", "retry = { tries = 2 }"),
        ("grpc_pass grpcs://a.test:9000; grpc_ssl_verify on;", 'tls = { name = "a.test" }'),
        ("grpc_pass grpcs://a.test:9000; proxy_ssl_verify on;", "tls = { verify = false }"),
        ("grpc_pass grpc://127.0.0.1:9000; proxy_set_header X-A a;", 'send_host = "127.0.0.1:9000" }'),
    ],
)
def test_each_protocol_of_peers_has_directives_of_its_own(tmp_path, line, expected):
    text = f"server {{ listen 80; root /srv; location / {{ {line} }} }}"
    site, text = imported(tmp_path, text)
    assert site.whole
    assert expected in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (r"proxy_redirect ~^http://[^:]+:\d+(/.+)$ $1;", 'res.headers["Location"] = (found[1] or "")'),
        ("proxy_redirect http://a/ /; proxy_redirect http://b/ /b/;", 'local old = "http://b/"'),
        ("proxy_cookie_path ~^/user/(.+) /u/$1;", 'return name .. "/u/" .. (found[1] or "")'),
        (r"proxy_cookie_domain ~\.(?<own>[a-z]+)$ $own;", r'[[\.(?P<own>[a-z]+)$]], "i")'),
    ],
)
def test_what_peers_say_is_mapped_back_by_expressions(tmp_path, line, expected):
    site, text = imported(tmp_path, passing(line))
    assert site.whole
    assert expected in text


def test_texts_in_bodies_are_replaced_by_a_hook(tmp_path):
    site, text = imported(tmp_path, passing("sub_filter Old '$host!'; sub_filter_once off; sub_filter_types text/css;"))
    assert site.whole
    assert '{ old = "old", new = req.host .. "!" }' in text
    assert 'kind == "text/html" or kind == "text/css"' in text
    assert text.count("local function substituted(") == 1


@pytest.mark.parametrize("line", ["sub_filter $host a;", "subs_filter a b gi;"])
def test_texts_that_are_not_replaced_are_reported(tmp_path, line):
    site, _ = imported(tmp_path, passing(line))
    assert not site.whole


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("types { } default_type text/x-a;", 'res.status < 300 then res.headers["Content-Type"] = "text/x-a" end'),
        ("types { text/css css; } default_type text/x-a;", "not ({ css = true })[ending]"),
        ("default_type application/json;", 'res.headers["Content-Type"] == "application/octet-stream"'),
        ("types { model/x-own own; }", 'types = { own = "model/x-own" }'),
        ('add_header ETag ""; add_header Last-Modified "";', 'remove = { "ETag", "Last-Modified" }'),
    ],
)
def test_types_and_validators_of_files(tmp_path, lines, expected):
    site, text = imported(tmp_path, f"server {{ listen 80; root /srv; location / {{ {lines} }} }}")
    assert site.whole
    assert expected in text.replace('["css"]', "css")


def test_types_of_a_server_are_those_of_its_locations(tmp_path):
    site, text = imported(tmp_path, "server { listen 80; root /srv; types { model/x-own own; text/css css; } }")
    assert site.whole
    assert 'types = { own = "model/x-own" }' in text


def test_peers_of_http_2(tmp_path):
    assert "http = 2" in imported(tmp_path, passing("proxy_http_version 2;"))[1]


def test_certificates_of_any_authority(tmp_path):
    tls = "ssl_certificate a.pem; ssl_certificate_key a.key; ssl_verify_client optional_no_ca;"
    assert imported(tmp_path, passing("", around=f"listen 443 ssl; {tls}"))[0].whole
    asked = passing("proxy_set_header X-Name $ssl_client_s_dn;", around=f"listen 443 ssl; {tls}")
    assert not imported(tmp_path, asked)[0].whole


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("proxy_method PUT;", 'req.method = "PUT"'),
        ("proxy_set_body '$host!';", 'req.body = req.host .. "!"'),
    ],
)
def test_method_and_body_that_peers_get(tmp_path, line, expected):
    site, text = imported(tmp_path, passing(line))
    assert site.whole
    assert expected in text


def test_limits_that_only_count(tmp_path):
    zone = "limit_req_zone $binary_remote_addr zone=slow:1m rate=1r/s;"
    site, text = imported(tmp_path, passing("limit_req zone=slow; limit_req_dry_run on;", http=zone))
    assert site.whole
    assert "rate_limit" not in text
    assert any("nginx counts here" in note.text for note in site.notes)


def test_echo_answers_with_texts(tmp_path):
    site, text = imported(tmp_path, "server { listen 80; location / { echo one $host; echo -n two; } }")
    assert site.whole
    assert 'body = "one {host}\\ntwo"' in text


@pytest.mark.parametrize(("index", "place"), [("index.jsp index.html", r"~ \.jsp$")])
def test_an_index_that_a_peer_has_is_reported(tmp_path, index, place):
    inner = f"root /srv; index {index}; location / {{ }} location {place} {{ proxy_pass http://127.0.0.1:9001; }}"
    site, text = imported(tmp_path, f"server {{ listen 80; {inner} }}")
    assert [True for lost in site.untranslated if "passed to a peer" in lost.reason]
    assert "files" not in text


def test_scripts_that_nothing_runs_are_no_index(tmp_path):
    site, text = imported(tmp_path, "server { listen 80; root /srv; index index.html index.cgi; }")
    assert site.whole
    assert 'files = "/srv"' in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "server_name $ONE_NAME www.$ONE_NAME; location / { return 200; } location /a { return 200; }",
            "one-name.invalid",
        ),
        ("location / { proxy_set_header X-A ${DOLLAR}host; proxy_pass http://127.0.0.1:9; }", '["X-A"] = "{host}"'),
        (r"location ~ ^foo$ { deny all; } location / { return 200; }", "begins with a slash matches"),
        ("root /srv; charset utf-8,gbk;", 'charset = "utf-8"'),
        (
            "root /srv; location ~ \\.php$ { fastcgi_pass 127.0.0.1:9; fastcgi_param X-Real-IP $remote_addr; }",
            '["X-Real-IP"] = "{client}"',
        ),
    ],
)
def test_odd_words_that_nginx_takes(tmp_path, text, expected):
    other = "server { listen 80 default_server; return 444; }"
    site, made = imported(tmp_path, f"{other} server {{ listen 80; server_name a.test; {text} }}")
    assert site.whole, [str(lost) for lost in site.untranslated]
    assert expected in made


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("proxy_set_header Host $host:$proxy_port;", 'req.host .. ":9001"'),
        ("proxy_redirect http://$proxy_host/ /;", 'local old = "http://127.0.0.1:9001/"'),
        ("proxy_set_header X-To $proxy_host;", '["X-To"] = "127.0.0.1:9001"'),
        ("slice 1m; proxy_set_header Range $slice_range;", "there are no slices"),
    ],
)
def test_variables_of_the_peer(tmp_path, line, expected):
    site, text = imported(tmp_path, passing(line))
    assert site.whole
    assert expected in text


def test_sub_filter_with_other_than_two_words_is_reported(tmp_path):
    site, _ = imported(tmp_path, passing("sub_filter '/([^']+)' '/hls/$1';"))
    assert [each.reason for each in site.untranslated] == ["nginx takes two words"]


def test_chunkin_and_its_error(tmp_path):
    inner = "chunkin on; error_page 411 = @resume; location @resume { chunkin_resume; } location / { return 204; }"
    site, text = imported(tmp_path, f"server {{ listen 80; {inner} }}")
    assert site.whole, list(site.untranslated)
    assert "411" not in text


def test_no_time_has_passed_before_the_response(tmp_path):
    site, text = imported(tmp_path, "server { listen 80; location / { return 200 $request_time; } }")
    assert site.whole and "0.000" in text
