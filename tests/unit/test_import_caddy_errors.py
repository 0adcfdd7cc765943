"""A Caddyfile's handle_errors, and what else it says beside its sites' own answers."""

import pytest

from rsp.importing.caddy.reader import read
from tests.unforked import checked


@pytest.fixture
def result(tmp_path):
    """Reasons of what is not translated, the Lua, and the notes, of lines of a site."""

    def make(*lines, start=""):
        site = read(tmp_path / "Caddyfile", f"{start}http://a.test {{\n{chr(10).join(lines)}\n}}\n")
        lua = checked(site, str(tmp_path)).text
        return [part.reason for part in site.untranslated], " ".join(lua.split()), [note.text for note in site.notes]

    return make


def test_errors_are_answered_by_a_hook(result):
    lost, lua, _ = result("reverse_proxy a:1", 'handle_errors {\nrespond "{err.status_code} {err.status_text}"\n}')
    assert not lost and "on_error = answer_errors" in lua
    assert '[502] = function(req) return respond(502, "502 Bad Gateway") end' in lua


def test_conditions_on_the_status(result):
    lost, lua, _ = result(
        "reverse_proxy a:1",
        "handle_errors {",
        "@down expression {err.status_code} >= 500",
        'respond @down "down" 503',
        "@gone expression `{http.error.status_code} in [404, 410]`",
        "redir @gone / 302",
        "}",
    )
    assert not lost
    assert '[500] = function(req) return respond(503, "down") end' in lua
    assert '[410] = function(req) return redirect("/", 302) end' in lua and "[403]" not in lua


def test_codes_of_handle_errors(result):
    lost, lua, _ = result(
        "reverse_proxy a:1", "handle_errors 404 {\nrespond none\n}", "handle_errors 5xx {\nrespond down\n}"
    )
    assert not lost and '[404] = function(req) return respond(404, "none")' in lua
    assert '[503] = function(req) return respond(503, "down")' in lua and "[400]" not in lua


def test_an_error_of_the_site_itself_is_answered_as_well(result):
    lost, lua, _ = result("error /private 403", "reverse_proxy a:1", 'handle_errors {\nrespond "no"\n}')
    assert not lost and "on_request = function(req) return errors(req, 403) end" in lua


def test_pages(result, tmp_path):
    (tmp_path / "404.html").write_text("not here")
    text = f"handle_errors {{\nroot * {tmp_path}\nrewrite * /{{err.status_code}}.html\nfile_server\n}}"
    lost, lua, _ = result("reverse_proxy a:1", text)
    assert not lost and f'page {{ status = 404, file = "{tmp_path}/404.html" }}' in lua
    lost, lua, notes = result(
        "reverse_proxy a:1", "handle_errors {\nroot * /nowhere\nrewrite * /error.html\nfile_server\n}"
    )
    assert not lost and "page {" not in lua.replace("add: page {", "")
    assert any('file = "/nowhere/error.html" }' in note for note in notes)


def test_pages_of_two_sites_are_reported_if_they_differ(result, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "404.html").write_text(name)
    errors = f"handle_errors {{\nroot * {tmp_path}/NAME\nrewrite * /404.html\nfile_server\n}}\n"
    other = "http://b.test {\nreverse_proxy b:1\n" + errors.replace("NAME", "one") + "}\n"
    lost, _, _ = result("reverse_proxy a:1", errors.replace("NAME", "two"), start=other)
    assert lost == ["pages of rsp are for all sites of a file"]


@pytest.mark.parametrize(
    "inside",
    [
        "templates\nrewrite * /e.html\nfile_server",
        "reverse_proxy b:1",
        "@x path /a\nrespond @x no",
        'respond "{err.message}"',
        "file_server",
        "handle /a {\nrespond no\n}",
    ],
)
def test_what_rsp_cannot_do_for_errors_is_reported(result, inside):
    lost, lua, _ = result("reverse_proxy a:1", f"handle_errors {{\n{inside}\n}}")
    assert len(lost) == 1 and "on_error" not in lua


def test_metrics_are_not_those_of_the_peer(result):
    lost, lua, notes = result("metrics /metrics", "reverse_proxy a:1")
    assert not lost and 'exact = "/metrics", respond = { status = 404 }' in lua
    assert any("docs/metrics.md" in note for note in notes)


def test_a_rate_limit_of_the_plugin(result):
    lost, lua, _ = result("rate_limit {\nzone a {\nkey {remote_host}\nevents 10\nwindow 1m\n}\n}", "reverse_proxy a:1")
    assert not lost and 'rate_limit = { { rate = "10r/m", burst = 9 } }' in lua
    assert result("rate_limit {\nzone a {\nmatch {\nmethod GET\n}\nevents 10\nwindow 1m\n}\n}", "reverse_proxy a:1")[0]


def test_an_exact_handle_path(result):
    lost, lua, _ = result("handle_path /ws {\nreverse_proxy b:1\n}", "reverse_proxy a:1")
    assert not lost and 'exact = "/ws", to = "b", rewrite = "/"' in lua


def test_variables_of_scripts_and_their_relative_directory(result, tmp_path):
    lost, lua, _ = result("root * public", "php_fastcgi a:9000 {\nenv APP_ENV live\n}", "file_server")
    assert not lost and 'params = { APP_ENV = "live" }' in lua and f'root = "{tmp_path}/public"' in lua


def test_imports_and_variables_that_are_nothing(result, monkeypatch):
    monkeypatch.delenv("EXTRA", raising=False)
    lost, _, notes = result("import sites/*.caddy", "{$EXTRA}", "reverse_proxy a:1")
    assert not lost and any("sites/*.caddy" in note for note in notes) and any("EXTRA" in note for note in notes)
    monkeypatch.setenv("EXTRA", "header X-Extra yes")
    assert '["X-Extra"] = "yes"' in result("{$EXTRA}", "reverse_proxy a:1")[1]
    assert result("import lost.caddy", "reverse_proxy a:1")[0] == ["there is no such file or snippet"]


def test_placeholders_of_templates_in_the_names_of_sites(result):
    start = "auth.<your-domain.com> {\nreverse_proxy a:1\n}\n${app_url} {\nreverse_proxy b:1\n}\n"
    lost, lua, notes = result("reverse_proxy c:1", start=start)
    assert not lost and 'host = "auth." .. (os.getenv("YOUR_DOMAIN_COM") or "your-domain-com.invalid")' in lua
    assert any("APP_URL" in note for note in notes)
