"""What a result of ``rsp import`` says where it is not what a reader expects: certificates, caches, pages, hosts."""

import pytest

from rsp.importing.formats import read
from tests.unforked import checked

CACHE = """proxy_cache_path /var/cache keys_zone=one:10m;
server { listen 80; server_name blog.test www.blog.test;
  location /static/ {
    proxy_cache one;
    proxy_cache_valid 200 10m;
    proxy_cache_use_stale error;
    proxy_pass http://127.0.0.1:1;
  }
  location / { proxy_cache off; proxy_pass http://127.0.0.1:2; }
}
"""


@pytest.fixture
def result(tmp_path):
    """The Lua of a part of nginx.conf, with its comments in one line, and the notes."""

    def make(text):
        path = tmp_path / "part.conf"
        path.write_text(text)
        site = read("nginx", str(path), text, None)
        lua = checked(site, str(tmp_path)).text
        return " ".join(lua.replace("\n-- ", " ").split()), [note.text for note in site.notes]

    return make


def test_a_cache_is_told_at_its_route_with_its_lines(result):
    lua, notes = result(CACHE)
    said = [note for note in notes if "(lines 4 to 6)" in note]
    assert len(said) == 1 and "proxy_cache_use_stale" in said[0] and "each request" in said[0]
    assert lua.index('upstream "') < lua.index("(lines 4 to 6)") < lua.index('path = "/static/"')


def test_the_only_server_says_that_it_answers_for_all_hosts(result):
    assert 'host = { "blog.test", "www.blog.test" } would restrict it' in result(CACHE)[0]
    two = CACHE + "server { listen 80; server_name other.test; return 404; }"
    assert "would restrict it" not in result(two)[0]


def test_a_page_that_is_not_here_is_a_line_to_copy(result):
    text = (
        "server { listen 80; error_page 404 500 /lost.html; root /nowhere/blog; location / { proxy_pass http://a:1; }"
    )
    text += " location = /lost.html { root /nowhere/blog; internal; } }"
    _, notes = result(text)
    assert any('add: page { status = { 404, 500 }, file = "/nowhere/blog/lost.html" }' in note for note in notes)


def test_a_certificate_that_is_not_here_is_told_with_a_command(result, tmp_path):
    tls = "server { listen 443 ssl; ssl_certificate FILE; ssl_certificate_key FILE; return 404; }"
    _, notes = result(tls.replace("FILE", "/nowhere/live/blog.test/fullchain.pem"))
    assert any(note.endswith("rsp certificate blog.test") for note in notes)
    (tmp_path / "here.pem").write_text("")
    assert not any("rsp certificate" in note for note in result(tls.replace("FILE", str(tmp_path / "here.pem")))[1])


def test_an_expression_that_leaves_out_others_says_so(result):
    text = "server { listen 80; location /wp-login.php { return 200 a; } location /wp-l { return 200 b; }"
    text += " location /wp-content/uploads/private { return 200 c; } location /wp { return 200 d; } }"
    lua, _ = result(text)
    assert "long because RE2 cannot say (?!...): what" in lua
