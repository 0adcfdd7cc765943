"""haproxy.cfg: files of patterns, maps, variables, names that are computed, and lines of older or other HAProxies."""

import pytest

from rsp.importing.haproxy.reader import read
from tests.unforked import checked

START = "defaults\n  mode http\n  option forwardfor\nfrontend f\n  bind *:80\n"
END = "backend app\n  server a 127.0.0.1:3000\nbackend api\n  server a 127.0.0.1:3001\n"


@pytest.fixture
def result(tmp_path):
    """Reasons of what is not translated, and the Lua, of lines of a frontend."""

    def make(*lines, end=END):
        inside = "\n".join(f"  {line}" for line in lines)
        site = read(tmp_path / "haproxy.cfg", f"{START}{inside}\n  default_backend app\n{end}")
        lua = checked(site, str(tmp_path)).text
        return [part.reason for part in site.untranslated], " ".join(lua.split())

    return make


def test_files_of_patterns_are_found_beside_the_configuration(result, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "bad.lst").write_text("# bad ones\n10.0.0.0/8\n\n192.0.2.7\n")
    lost, lua = result("http-request deny if { src -f /etc/haproxy/lists/bad.lst }")
    assert not lost and 'deny = { "10.0.0.0/8", "192.0.2.7" }' in lua
    assert "the lines of /etc/haproxy/lists/bad.lst" in lua


@pytest.mark.parametrize("name", ["/nowhere/good.lst", "nowhere.lst", "virt@x"])
def test_a_list_that_is_not_here_is_reported_and_what_it_lets_in_stays_out(result, name):
    lost, lua = result(f"http-request deny unless {{ src -f {name} }}")
    assert len(lost) == 1 and "not on this machine" in lost[0]
    assert "respond = { status = 403 }" in lua


def test_a_long_list_is_not_written_out(result, tmp_path):
    (tmp_path / "long.lst").write_text("".join(f"10.0.{n // 250}.{n % 250}\n" for n in range(2500)))
    lost, _ = result("http-request deny if { src -f long.lst }")
    assert lost and "more than 2000 lines" in lost[0]


def test_keys_of_a_map_as_patterns(result, tmp_path):
    (tmp_path / "hosts.map").write_text("a.test app\nb.test api\n")
    lost, lua = result("use_backend api if { hdr(host) -M -f hosts.map }")
    assert not lost and 'host = { "a.test", "b.test" }, to = "api"' in lua


def test_a_map_of_backends(result, tmp_path):
    (tmp_path / "hosts.map").write_text("a.test api\nb.test nobody\n")
    lost, lua = result("use_backend %[hdr(host),lower,map(hosts.map,app)]")
    assert not lost
    assert 'route { host = "a.test", to = "api" }' in lua
    assert "b.test" not in lua or 'route { host = "b.test", to = "app" }' in lua  # no such backend: the default one


def test_variables_stand_for_what_they_are_set_to(result):
    lost, lua = result(
        "http-request set-var(txn.host) hdr(host),lower",
        "http-request set-header X-Host %[var(txn.host)]",
        "use_backend api if { var(txn.host) -m str api.test }",
    )
    assert not lost and 'host = "api.test", to = "api"' in lua and '["X-Host"] = "{host}"' in lua


@pytest.mark.parametrize(
    "between", ["http-request set-path /x", "http-request replace-path /a(.*) /b\\1", "http-request set-uri /x"]
)
def test_a_variable_whose_source_has_changed_is_reported(result, between):
    lost, _ = result(
        "http-request set-var(txn.path) path", between, "http-request deny if { var(txn.path) -m beg /secret }"
    )
    assert any("is changed" in reason for reason in lost)
    lost, _ = result(
        "http-request set-var(txn.secret) bool(true) if { path_beg /secret }",
        between,
        "http-request set-header X-Secret yes if { var(txn.secret) -m bool }",
    )
    assert any("changed since" in reason for reason in lost)


def test_a_variable_with_several_values_is_reported(result):
    lost, _ = result(
        "http-request set-var(txn.a) str(one) if { path_beg /one }",
        "http-request set-var(txn.a) str(two) if { path_beg /two }",
        "use_backend api if { var(txn.a) -m str two }",
    )
    assert lost == ["the variable txn.a has several values"]


def test_a_response_knows_the_request_by_variables_only(result):
    lost, lua = result(
        "http-request set-var(txn.path) path", "http-response set-header X-A b if { var(txn.path) -m beg /a/ }"
    )
    assert not lost and 'path = "/a/"' in lua
    assert result("http-response set-header X-A b if { path_beg /a/ }")[0]


def test_proxies_that_are_believed(result):
    lost, lua = result("http-request set-src hdr(X-Forwarded-For) if { src 10.0.0.0/8 }")
    assert not lost and 'trusted = { "10.0.0.0/8" }' in lua
    assert result("http-request set-src hdr(X-Forwarded-For)")[0]
    lines = (
        "http-request deny unless { src 10.0.0.1 }",
        "http-request set-src hdr(X-Forwarded-For) if { src 10.0.0.1 }",
    )
    assert any("compared before" in reason for reason in result(*lines)[0])


def test_lines_before_2_1(result):
    lost, lua = result(
        "use_backend api if { path_beg /old/ }",
        end=END + "  reqrep ^([^\\ :]*)\\ /old/(.*) \\1\\ /new/\\2\n  reqidel ^X-Secret:.*\n",
    )
    assert not lost and 'rewrite = "/new/{1}"' in lua and 'remove = { "X-Secret" }' in lua
    assert result("reqrep ^(GET|POST)(.*) \\1\\2")[0]


def test_lines_for_some_machines(result):
    lost, lua = result(".if feature(QUIC)", "use_backend api if { path /q }", ".else", ".notice x", ".endif")
    assert not lost and '"/q"' not in lua
    lost, _ = result(".if defined(X)", "use_backend api if { path /q }", ".endif")
    assert len(lost) == 2
    assert not result(".if defined(X)", '.alert "no X"', ".endif")[0]


def test_lists_of_certificates(result, tmp_path):
    (tmp_path / "certs.list").write_text("/etc/a.pem [alpn h2] a.test\n/etc/b.pem\n")
    lost, lua = result("bind :443 ssl crt-list /etc/haproxy/certs.list")
    assert not lost and 'certificate { "/etc/a.pem" }' in lua and 'certificate { "/etc/b.pem" }' in lua
    lost, lua = result("bind :443 ssl crt-list /etc/haproxy/none.list")
    assert len(lost) == 1 and 'listen "0.0.0.0:443"' in lua


def test_redirects_with_cookies_and_slashes(result):
    lost, lua = result("redirect prefix / drop-query append-slash set-cookie SEEN=1 if { path_beg /docs }")
    assert not lost and 'redirect = "{path}/?"' in lua and '"SEEN=1; path=/;"' in lua


@pytest.mark.parametrize(
    "line",
    ["http-request replace-header Host (.*) a.internal", "http-request replace-header Host .* a.internal if TRUE",
     "reqrep ^Host:.* Host:\\ a.internal"],
)  # fmt: skip
def test_a_host_that_is_replaced(result, line):
    lost, lua = result(line)
    assert not lost and 'send_host = "a.internal"' in lua


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (["retry-on conn-failure 503 all-retryable-errors"], "retry = { on = { 500, 502, 503, 504 } }"),
        (["retry-on conn-failure 429"], "retry = { on = { 429 } }"),
        (["retries 0", "retry-on 503"], "retry = { tries = 1 }"),
    ],
)
def test_retries(result, lines, key):
    lost, lua = result(end=END.replace("backend app", "\n".join(["backend app", *lines])))
    assert not lost and key in lua


def test_cors_has_a_key_of_its_own(result):
    field = '"%[req.hdr(Origin)]" if { req.hdr(Origin) -m found }'
    (reason,), _ = result(f"http-response set-header Access-Control-Allow-Origin {field}")
    assert reason.endswith("; a route answers browsers with cors = { origins = { ... } }")


def test_a_return_above_a_rate_is_a_limit(result):
    lost, lua = result(
        "stick-table type ip size 1k expire 1m store http_req_rate(10s)",
        "http-request track-sc0 src",
        "http-request return status 429 hdr Retry-After 60 if { sc_http_req_rate(0) gt 120 }",
    )
    assert not lost and 'rate_limit = { rate = "12r/s", burst = 119 }' in lua
