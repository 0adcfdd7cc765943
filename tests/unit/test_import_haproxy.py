"""haproxy.cfg: what its frontends, backends and rules become."""

import pytest

from rsp.importing.haproxy.reader import read
from rsp.importing.lua import write
from rsp.importing.site import Unreadable
from tests.unforked import checked

HTTP = "defaults\n  mode http\n  option forwardfor\n  timeout connect 5s\n  timeout client 50s\n  timeout server 50s\n"


@pytest.fixture
def site(tmp_path):
    """What a text becomes, once rsp's loader has seen it."""

    def make(text):
        made = read(tmp_path / "haproxy.cfg", text)
        checked(made, str(tmp_path))
        return made

    return make


@pytest.fixture
def lua(site):
    """The Lua of a text, all of which has to be translated."""

    def make(text):
        made = site(text)
        assert made.whole, [str(lost) for lost in made.untranslated]
        return write(made).text

    return make


def front(*lines, bind="*:80", backend="  server a 127.0.0.1:3000"):
    inside = "\n".join(f"  {line}" for line in lines)
    return f"{HTTP}frontend f\n  bind {bind}\n{inside}\n  default_backend app\nbackend app\n{backend}\n"


def lost(site):
    return [(part.reason, part.text, str(part.origin)) for part in site.untranslated]


# -- listeners


def test_a_frontend_and_its_backend(lua):
    text = lua(front())
    assert 'listen "0.0.0.0:80"' in text
    assert 'upstream "app" { "127.0.0.1:3000" }' in text
    assert 'route { to = "app" }' in text


def test_busy_polling_is_a_time_before_a_worker_sleeps(lua):
    assert 'busy_poll = "50us"' in lua("global\n  busy-polling\n" + front())


def test_timeouts_are_haproxys(lua):
    text = lua(front("timeout http-request 10s"))
    assert 'response = "50s"' in text and 'connect = "5s"' in text and 'head = "10s"' in text


def test_a_timeout_below_a_millisecond_is_one_and_not_none(lua):
    assert 'head = "1ms"' in lua(front("timeout http-request 100us"))


def test_a_timeout_that_only_the_environment_knows_is_not_lost(site):
    made = site(front('timeout http-request "${T}"'))
    assert [(reason, text) for reason, text, _ in lost(made)] == [
        ('"${T}" is not a time', 'timeout http-request "${T}"')
    ]


def test_without_a_timeout_haproxy_waits_forever(lua):
    assert 'response = "1d"' in lua(front().replace("timeout server 50s", ""))


def test_x_forwarded_only_where_the_file_asks_for_it(lua):
    assert 'forwarded = "off"' in lua(front().replace("option forwardfor", ""))
    assert "forwarded" not in lua(front())


def test_https_with_a_redirect(lua):
    text = lua(front("bind :443 ssl crt /etc/ssl/a.pem alpn http/1.1", "redirect scheme https if !{ ssl_fc }"))
    assert 'listen "0.0.0.0:80" { redirect = "https" }' in text
    assert 'listen "0.0.0.0:443" { tls = true, http2 = false }' in text
    assert 'certificate { "/etc/ssl/a.pem" }' in text
    assert 'route { to = "app" }' in text


def test_a_redirect_with_an_exception_is_a_route_of_the_listener(lua):
    text = lua(
        front(
            "bind :443 ssl crt /etc/ssl/a.pem",
            "http-request redirect scheme https code 301 if !{ ssl_fc } !{ path_beg /.well-known/ }",
        )
    )
    assert 'listen "0.0.0.0:80"\n' in text
    assert 'redirect = { to = "https://{authority}{uri}", status = 301 }' in text
    assert 'path = "/.well-known/"' in text


def test_two_frontends_are_told_apart_by_their_listeners(lua):
    text = lua(
        f"{front()}frontend g\n  bind 127.0.0.1:81\n  default_backend other\nbackend other\n  server b 10.0.0.1:1\n"
    )
    assert 'route { listener = "0.0.0.0:80", to = "app" }' in text
    assert 'route { listener = "127.0.0.1:81", to = "other" }' in text


def test_client_certificates(lua):
    text = lua(front(bind=":443 ssl crt /etc/ssl/a.pem ca-file /etc/ssl/ca.pem verify required"))
    assert 'client_ca = "/etc/ssl/ca.pem"' in text


def test_the_proxy_protocol_on_both_sides(lua):
    text = lua(front(bind=":80 accept-proxy", backend="  server a 127.0.0.1:1 send-proxy-v2"))
    assert 'proxy_protocol = { from = { "0.0.0.0/0", "::/0" } }' in text
    assert 'send_proxy = "v2"' in text


# -- backends


def test_servers_balancing_and_checks(lua):
    text = lua(
        front(
            backend="  balance leastconn\n  option httpchk GET /up\n  http-check expect status 200\n"
            "  cookie SRV insert indirect nocache\n  default-server inter 1s fall 5\n"
            "  server a 10.0.0.1:80 check weight 3 maxconn 9 cookie a\n  server b 10.0.0.2:80 check backup cookie b\n"
        )
    )
    assert '{ "10.0.0.1:80", weight = 3, max_conns = 9 }' in text and '{ "10.0.0.2:80", backup = true }' in text
    assert 'policy = "least_conn"' in text and 'sticky = { cookie = "SRV" }' in text
    text = " ".join(text.split()).replace(", }", " }")
    assert 'health = { path = "/up", status = 200, interval = "1s", fall = 5, timeout = "1s" }' in text


@pytest.mark.parametrize(
    ("server", "tls"),
    [
        ("ssl verify none", "tls = { verify = false }"),
        ("ssl verify required ca-file /ca.pem sni str(a.test)", 'tls = { name = "a.test", ca = "/ca.pem" }'),
    ],
)
def test_peers_over_tls(lua, server, tls):
    assert tls in lua(front(backend=f"  server a 10.0.0.1:443 {server}"))


@pytest.mark.parametrize(
    ("servers", "tls", "reason"),
    [
        (["ssl verify none sni req.hdr(host)"], "tls = { verify = false }", "rsp sends peers one name (SNI), not req."),
        (["ssl verify none", ""], "tls = true", "servers of one backend differ in "),
        (["", "ssl ca-file /ca.pem"], "tls = true", "servers of one backend differ in "),
    ],
)
def test_peers_stay_on_tls_where_its_options_are_lost(site, servers, tls, reason):
    made = site(front(backend="\n".join(f"  server s{n} 10.0.0.{n}:443 {each}" for n, each in enumerate(servers))))
    assert tls in write(made).text
    assert [found.startswith(reason) for found, _, _ in lost(made)] == [True]


def test_a_variable_of_the_environment(site):
    made = site(front(backend='  server a "${APP_HOST}":80'))
    assert made.whole
    assert '(os.getenv("APP_HOST") or "app-host.invalid") .. ":80"' in write(made).text
    assert any("APP_HOST" in note.text for note in made.notes)


# -- rules


@pytest.mark.parametrize(
    ("condition", "key"),
    [
        ("{ path /a }", 'exact = "/a"'),
        ("{ path_beg /a/ }", 'path = "/a/"'),
        ("{ path_beg /a }", 'regex = "^/a"'),
        ("{ path_end -i .jpg }", r"regex = [[(?i)\.jpg$]]"),
        ("{ path -m reg ^/[0-9]+$ }", 'regex = "^/[0-9]+$"'),
        ("{ hdr(host) -i A.test }", 'host = "a.test"'),
        ("{ hdr_end(host) .a.test }", 'host = "*.a.test"'),
        ("{ hdr_beg(host) www. }", 'host = "www.*"'),
        ("{ req.hdr(host),field(1,:) -m reg ^a\\\\.test$ }", 'host = "a.test"'),
        ("METH_POST", 'methods = { "POST" }'),
        ("{ src 10.0.0.0/8 }", 'client = { "10.0.0.0/8" }'),
        ("{ hdr(X-Beta) 1 }", 'headers = { ["X-Beta"] = "1" }'),
        ("{ hdr(X-Beta) 1 2 }", 'headers = { ["X-Beta"] = { "1", "2" } }'),
        ("{ hdr(X-Beta) -m found }", 'headers = { ["X-Beta"] = true }'),
        ("!{ hdr(X-Beta) -m found }", 'headers = { ["X-Beta"] = false }'),
        ("{ hdr_sub(User-Agent) bot spider }", 'headers = { ["User-Agent"] = { contains = { "bot", "spider" } } }'),
        ("{ hdr_sub(User-Agent) -i bot spider }", 'headers = { ["User-Agent"] = { regex = "(?i)bot|spider" } }'),
        ("{ hdr_beg(X-Beta) 1. }", r'headers = { ["X-Beta"] = { regex = [[(?:^|,)[ \t]*1\.]] } }'),
        ("{ hdr_end(X-Beta) -i b c }", r'headers = { ["X-Beta"] = { regex = [[(?i)(?:b|c)[ \t]*(?:,|$)]] } }'),
        (
            "{ hdr_reg(User-Agent) -i (bot|[a-z]rawler) }",
            'headers = { ["User-Agent"] = { regex = "(?i)(bot|[a-z]rawler)" } }',
        ),
        ("{ hdr_reg(User-Agent) ^.*bot.*$ }", 'headers = { ["User-Agent"] = { regex = "bot" } }'),
        (
            "{ hdr_reg(X-Beta) ^[0-9]+$ }",
            r'headers = { ["X-Beta"] = { regex = [[(?:^|,)[ \t]*[0-9]+[ \t]*(?:,|$)]] } }',
        ),
        ("{ req.fhdr(X-Beta) -m beg a }", 'headers = { ["X-Beta"] = { prefix = "a" } }'),
        ("{ req.fhdr(X-Beta) -m end -i a }", 'headers = { ["X-Beta"] = { regex = "(?i)a$" } }'),
        ("{ req.fhdr(X-Beta) -m reg ^a.b }", 'headers = { ["X-Beta"] = { regex = "^a.b" } }'),
        (
            "!{ req.fhdr(X-Beta) -m reg ^a.b } !{ req.fhdr(X-Beta) -m reg c }",
            'headers = { ["X-Beta"] = { except = { regex = { "^a.b", "c" } } } }',
        ),
        ("!{ req.fhdr(X-Beta) 1 }", 'headers = { ["X-Beta"] = { except = "1" } }'),
        (
            "{ req.fhdr(X-Beta) -m sub a } !{ req.fhdr(X-Beta) 1 2 }",
            'headers = { ["X-Beta"] = { contains = "a", except = { "1", "2" } } }',
        ),
        ("{ cook(beta) 1 }", 'cookies = { beta = "1" }'),
        ("{ req.cook(beta) -m found }", "cookies = { beta = true }"),
        ("!{ cook_sub(beta) x }", 'cookies = { beta = { except = { contains = "x" } } }'),
        ("{ urlp(v) -m beg 2 }", 'query = { v = { prefix = "2" } }'),
        ("{ url_param(v) -m reg ^[0-9]+$ }", 'query = { v = { regex = "^[0-9]+$" } }'),
        ("{ hdr(Upgrade) -i WebSocket }", 'headers = { Upgrade = "WebSocket" }'),
        ("{ urlp(v) 2 }", 'query = { v = "2" }'),
    ],
)
def test_conditions(lua, condition, key):
    text = lua(front(f"use_backend other if {condition}") + "backend other\n  server b 10.0.0.1:1\n")
    assert f"route {{ {key}, to = " in text


def test_what_a_guard_asks_of_a_field_is_exact(lua, site):
    """Between commas, as HAProxy looks at it."""
    text = lua(front("http-request deny if { path /a } !{ hdr(X-Role) staff }"))
    assert r'headers = { ["X-Role"] = { except = { regex = [[(?:^|,)[ \t]*staff[ \t]*(?:,|$)]] } } }' in " ".join(
        text.split()
    )
    made = site(front("http-request deny if { path /a } { hdr_reg(X-Role) ^s.aff }"))
    assert not made.whole and "respond = { status = 403 }" in write(made).text


@pytest.mark.parametrize(
    "condition",
    [
        "{ hdr_sub(X-A) a,b }",
        "{ hdr(X-A,-1) a }",
        "{ hdr_dir(X-A) a }",
        "{ urlp(v) a%20b }",
        "{ hdr_reg(X-A) ^(?=a) }",
        "{ cook a }",
    ],
)
def test_what_cannot_be_asked_of_a_field(site, condition):
    line = f"use_backend app if {condition}"
    assert [text for _, text, _ in lost(site(front(line)))] == [line]


def test_networks_are_allow_and_deny(lua):
    text = lua(
        front("http-request deny if { path_beg /admin/ } !{ src 10.0.0.0/8 }", "http-request deny if { src 192.0.2.1 }")
    )
    assert 'path = "/admin/", to = "app", allow = { "10.0.0.0/8" }, deny = { "192.0.2.1" }' in " ".join(text.split())


def test_a_rate(lua):
    text = lua(
        front(
            "stick-table type ip size 1m expire 1m store http_req_rate(10s)",
            "http-request track-sc0 src",
            "http-request deny deny_status 429 if { sc_http_req_rate(0) gt 20 }",
        )
    )
    assert 'rate_limit = { rate = "2r/s", burst = 19 }' in text


def test_a_password(site):
    made = site(
        front("http-request auth realm staff unless { http_auth(u) }") + "userlist u\n  user ann password $6$x\n"
    )
    assert made.whole
    assert 'auth = { basic = "u.htpasswd", realm = "staff" }' in write(made).text
    assert any("ann:$6$x" in note.text for note in made.notes)


def test_what_only_a_trusted_proxy_may_say_is_a_note(site):
    made = site(front("http-request deny if { req.fhdr(X-Forwarded-Proto) http }"))
    assert made.whole
    assert any("X-Forwarded-Proto of proxies in `trusted`" in note.text for note in made.notes)


def test_fields_and_answers(lua):
    text = lua(
        front(
            "http-request set-header X-Forwarded-Proto https if { ssl_fc }",
            "http-request set-header X-Real-IP %[src]",
            "http-response set-header X-Frame-Options DENY",
            'http-request return status 200 content-type text/plain string "ok" if { path /up }',
            "http-request redirect location /new code 301 if { path /old }",
        )
    )
    assert 'request_headers = { set = { ["X-Real-IP"] = "{client}" } }' in text
    assert 'set = { ["X-Frame-Options"] = "DENY" }' in text and "own = false" in text
    assert 'exact = "/up"' in text and 'body = "ok"' in text
    assert 'respond = { status = 301, headers = { Location = "/new" } }' in text


def test_a_prefix_taken_off(lua):
    text = lua(front("http-request replace-path /api(/)?(.*) /\\\\2 if { path_beg /api }"))
    assert 'regex = "^/api(/)?(.*)"' in text and 'rewrite = "/{2}"' in text


def test_a_prefix_taken_off_by_the_backend_that_it_leads_to(lua):
    api, backend = "use_backend app if { path_beg /api }", "  http-request replace-path {}\n  server a 127.0.0.1:3000"
    text = " ".join(lua(front(api, backend=backend.format("/api(/)?(.*) /\\2"))).split())
    assert 'route { regex = "^/api(/)?(.*)", to = "app", rewrite = "/{2}"' in text
    text = lua(front(api, backend=backend.format("(.*) /a\\1")))
    assert 'rewrite = "/a{path}"' in text


def test_groups_are_those_of_the_expression_that_has_them(site):
    rule = "http-request replace-path (.*)/x /\\1"
    made = site(front("use_backend app if { path_beg /a }", backend=f"  {rule}\n  server a 127.0.0.1:3000"))
    assert lost(made)[0][:2] == ("a path has to match two patterns at once", rule)
    assert 'route { regex = "^/a", to = "app" }' in write(made).text


# -- what is not translated


@pytest.mark.parametrize(
    "line",
    [
        "use_backend %[req.hdr(host),map(/etc/m.map)]",
        "use_backend app if { nbsrv(app) lt 1 }",
        "http-request set-header X-A %[var(txn.a)]",
        "http-request lua.something",
        "option originalto",
        "nonsense here",
    ],
)
def test_what_is_not_translated_names_line_and_reason(site, line):
    made = site(front(line))
    assert [(text, origin) for _, text, origin in lost(made)] == [(line, "haproxy.cfg:9")]
    assert all(reason for reason, _, _ in lost(made))


@pytest.mark.parametrize(
    "line",
    [
        "http-request deny unless { src -f office.lst }",
        "http-request deny if !{ hdr_len(X-Key) gt 3 }",
        "http-request auth unless { http_auth(a) } or { http_auth(b) }",
    ],
)
def test_a_restriction_that_is_not_understood_stays_closed(site, line):
    made = site(front(line))
    assert [text for _, text, _ in lost(made)] == [line]
    assert 'to = "app"' not in write(made).text
    assert "respond = { status = 403 }" in write(made).text


@pytest.mark.parametrize(
    "line",
    [
        "http-request deny if { path_beg /admin } !{ hdr_len(user-agent) gt 3 }",
        "http-request deny if { path_beg /admin } { hdr_len(X-Key) gt 3 }",
    ],
)
def test_a_part_of_the_site_whose_restriction_is_not_understood_stays_closed(site, line):
    made = site(front(line))
    assert [text for _, text, _ in lost(made)] == [line]
    assert 'route { regex = "^/admin", respond = { status = 403 } }' in write(made).text
    assert 'route { to = "app" }' in write(made).text


def test_mode_tcp_is_reported_and_its_backends_are_not_served(site):
    made = site(
        "frontend f\n  mode tcp\n  bind :443\n  default_backend b\nbackend b\n  mode tcp\n  server a 10.0.0.1:443\n"
    )
    assert lost(made)[0] == ("rsp proxies HTTP, not mode tcp", "frontend f", "haproxy.cfg:1")
    assert "10.0.0.1" not in write(made).text


def test_what_only_tunes_is_named(site):
    made = site("global\n  nbthread 4\n" + front("option httplog", backend="  server a 10.0.0.1:1 on-error fastinter"))
    assert made.whole
    assert set(made.dropped) == {"nbthread", "option httplog", "server on-error"}


def test_statistics_are_a_note(site):
    made = site(front() + "listen stats\n  bind :8404\n  stats enable\n  stats uri /\n")
    assert made.whole
    assert any("rspctl top" in note.text for note in made.notes)
    assert "8404" not in write(made).text


def test_a_quote_without_an_end(site):
    with pytest.raises(Unreadable, match=r"haproxy.cfg:2: a quote"):
        site('global\n  log "x\n')
