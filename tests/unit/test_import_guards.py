"""What Caddy and HAProxy keep from clients by fields, hosts and addresses: it stays so, or the result is not whole."""

import pytest

from rsp.importing.caddy.reader import read as read_caddy
from rsp.importing.haproxy.reader import read as read_haproxy
from rsp.importing.lua import write
from tests.unforked import checked


@pytest.fixture
def haproxy(tmp_path):
    """What a frontend with these lines becomes; ``backend``: lines of its backend."""

    def make(*lines, backend=""):
        inside = "".join(f"  {line}\n" for line in lines)
        text = f"defaults\n  mode http\nfrontend f\n  bind :80\n{inside}  default_backend app\nbackend app\n{backend}"
        made = read_haproxy(tmp_path / "haproxy.cfg", f"{text}\n  server a 127.0.0.1:1\n")
        checked(made, str(tmp_path))
        return made

    return make


@pytest.fixture
def caddy(tmp_path):
    def make(*lines):
        inside = "".join(f"{line}\n" for line in lines)
        made = read_caddy(tmp_path / "Caddyfile", f":80 {{\n{inside}reverse_proxy localhost:1\n}}\n")
        checked(made, str(tmp_path))
        return made

    return make


def lua(site):
    return " ".join(write(site).text.split())


def lost(site):
    return [part.text for part in site.untranslated]


# -- fields that an earlier rule has changed


def test_a_field_is_sent_as_an_earlier_rule_has_set_it(haproxy):
    made = haproxy("http-request set-header X-User %[src]", backend="  http-request set-header X-Id %[req.hdr(x-user)]")
    assert made.whole
    assert 'set = { ["X-User"] = "{client}", ["X-Id"] = "{client}" }' in lua(made)


def test_a_removed_field_is_not_sent_under_another_name(haproxy):
    made = haproxy("http-request del-header X-User", "http-request set-header X-Id u-%[req.hdr(X-User)]")
    assert '["X-Id"] = "u-"' in lua(made)


def test_a_field_is_sent_as_an_earlier_rule_has_set_it_in_caddy(caddy):
    assert '["X-Id"] = "{client}"' in lua(
        caddy("route {", "request_header X-User {remote_host}", "request_header X-Id {header.X-User}", "}")
    )


def test_what_was_added_to_a_field_is_not_known(haproxy):
    line = "http-request set-header X-Id %[req.hdr(X-User)]"
    assert lost(haproxy("http-request add-header X-User me", line)) == [line]


@pytest.mark.parametrize(
    "before", ["del-header X-Key", "set-header X-Key wrong", "set-header X-Key %[src]", "add-header X-Key none"]
)
def test_a_client_does_not_come_in_by_a_field_that_was_changed(haproxy, before):
    made = haproxy(f"http-request {before}", "http-request deny unless { hdr(X-Key) secret }")
    assert 'to = "app"' not in lua(made) and "respond = { status = 403 }" in lua(made)


def test_a_field_that_was_set_is_known(haproxy):
    made = haproxy("http-request set-header X-Key yes", "http-request deny if { req.fhdr(X-Key) yes }")
    assert made.whole and 'to = "app"' not in lua(made)


def test_a_host_that_was_changed_is_not_that_of_the_client(haproxy):
    line = "http-request deny unless { hdr(host) a.test }"
    made = haproxy("http-request set-header Host b.test", line)
    assert lost(made) == [line] and 'to = "app"' not in lua(made)


# -- conditions that rsp says in another way


@pytest.mark.parametrize(
    "condition",
    ["hdr_reg(X-Role) ^b.d", "ssl_fc_sni a.test"],
)
def test_a_refusal_by_what_rsp_compares_in_another_way_is_not_whole(haproxy, condition):
    line = f"http-request deny if {{ {condition} }}"
    made = haproxy(line)
    assert lost(made) == [line] and "respond = { status = 403 }" in lua(made)


@pytest.mark.parametrize(
    ("condition", "regex"),
    [
        ("hdr_beg(host) admin", "(?i)^admin"),
        ("hdr_end(host) x.test", r"(?i)x\.test$"),
        ("hdr_dom(host) admin", "(?i)(?:^|[./:?])admin(?:[./:?]|$)"),
        ("hdr_sub(host) admin", "(?i)admin"),
        (r"hdr_reg(host) ^a[0-9]+\\.", r"(?i)^a[0-9]+\."),
    ],
)
def test_a_part_of_a_host_is_a_pattern_of_the_field(haproxy, condition, regex):
    made = haproxy(f"http-request deny if {{ {condition} }}")
    text = f"[[{regex}]]" if "\\" in regex else f'"{regex}"'
    assert made.whole and f"headers = {{ Host = {{ regex = {text} }} }}, respond = {{ status = 403 }}" in lua(made)


def test_the_page_of_statistics_does_not_reach_a_peer(haproxy):
    made = haproxy("stats enable", "stats uri /stats", "stats auth ann:secret")
    assert made.whole and 'route { regex = "^/stats", respond = { status = 404 } }' in lua(made)
    assert 'exact = "/haproxy", query = { stats = true }, respond = { status = 404 }' in lua(
        haproxy(backend="  stats uri /haproxy?stats")
    )


# -- rules that cannot be translated


@pytest.mark.parametrize(
    "line",
    [
        "http-request deny if { var(txn.known) -m bool false }",
        "http-request deny if { src,map_ip(/etc/known.map) eq 0 }",
        "http-request deny if { hdr_reg(X-Key) ^(?!secret) }",
        "http-request silent-drop unless { src -f office.lst }",
        "http-request return status 403 unless { src -f office.lst }",
        "http-request redirect location /login unless { cook_len(session) gt 3 }",
        "redirect location /login if !{ cook_len(session) gt 3 }",
        "tcp-request session reject unless { src -f office.lst }",
        "block unless { src -f office.lst }",
    ],
)
def test_where_only_some_clients_come_in_none_does(haproxy, line):
    made = haproxy(line)
    assert lost(made) == [line]
    assert 'to = "app"' not in lua(made) and "respond = { status = 403 }" in lua(made)


@pytest.mark.parametrize(
    "line",
    [
        "http-request deny if { src -f bad.lst }",
        "http-request deny if { hdr_len(User-Agent) gt 500 }",
        "http-request redirect location /old if { hdr_len(User-Agent) gt 500 }",
    ],
)
def test_a_list_of_bad_clients_is_reported_and_the_site_is_served(haproxy, line):
    made = haproxy(line)
    assert lost(made) == [line] and 'to = "app"' in lua(made)


@pytest.mark.parametrize(
    "lines",
    [
        ["@a expression {http.request.header.X-Key} != 'secret'", "respond @a 403"],
        ["@a expression {http.request.header.X-Key}.size() == 0", "abort @a"],
        ["@a not vars_regexp session x", "redir @a /login"],
        ["@a not vars_regexp session x", "handle @a {", "redir /login", "}"],
        ["@a not vars_regexp key ^a", 'respond @a "log in first"'],
    ],
)
def test_where_only_some_clients_come_into_a_site_of_caddy_none_does(caddy, lines):
    made = caddy(*lines)
    assert not made.whole
    assert 'to = "port-1"' not in lua(made) and "respond = { status = 403 }" in lua(made)


@pytest.mark.parametrize("matcher", ["vars_regexp agent bot", "expression {path}.contains('x')"])
def test_a_site_of_caddy_is_served_without_a_list_of_bad_clients(caddy, matcher):
    made = caddy(f"@bad {matcher}", "respond @bad 403")
    assert lost(made) == ["respond @bad 403"] and 'to = "port-1"' in lua(made)


@pytest.mark.parametrize("other", ["http://a.test", ":80"])
def test_a_site_below_a_path_is_not_left_to_other_sites_of_the_host(tmp_path, other):
    proxy = "reverse_proxy localhost:1\n"
    text = f"http://a.test/adm* {{\nbasic_auth {{\nann x\n}}\n{proxy}}}\n{other} {{\n{proxy}}}\nhttp://b.test {{\n{proxy}}}\n"
    made = read_caddy(tmp_path / "Caddyfile", text)
    checked(made, str(tmp_path))
    assert lost(made) == ["http://a.test/adm*"]
    assert 'route { host = "a.test", regex = "(?i)^/adm", respond = { status = 403 } }' in lua(made)
    assert 'host = "b.test", regex' not in lua(made)
