"""`files`, `fallback` and `else_to`: what mistakes in them say, words of other servers, what is warned of."""

import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsp.config import files_warnings
from rsp.config.cache_control import mistake
from rsp.config.content import Files
from rsp.config.dump import to_lua
from rsp.config.errors import ConfigError
from rsp.exchange.handlers.file_roots import closed
from rsp.files.names import Names
from rsp.lua.evaluate import evaluate
from tests.soak import examples

SITE = 'listen "127.0.0.1:8080"\nupstream "app" { "127.0.0.1:8000" }\n'


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("")

    def checked(text: str, name: str = "s.lua"):
        (tmp_path / name).write_text(SITE + text)
        return evaluate(name)[0]

    return checked


@pytest.fixture
def mistakes(read):
    def found(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text)
        return list(caught.value.messages)

    return found


FILES = [  # in `files = { root = "www", ... }`
    ('index = "index.html index.htm"', 'index: "index.html index.htm": write several names as a list: write { '
                                       '"index.html", "index.htm" }'),
    ('index = "/index.html"', 'such as "index.html"; one file for all paths is fallback = "/index.html" of the route'),
    ('extensions = { "html" }', 'extensions: expected the end of a name, such as ".html"; write ".html"'),
    ('extensions = { "$uri.html" }', 'extensions: expected the end of a name, such as ".html"'),
    ('extensions = { ".php" }', 'extensions: ".php" would be sent as it is, not run'),
    ("index = true", 'index: expected a string or a list, got true; write "index.html"'),
    ("index = false", 'index: expected a string or a list, got false; write ""'),
    ('index = "index.php"', 'index: "index.php" would be sent as it is, not run; write else_to = "app"'),
    ('index = { "index.html", "$uri/x" }', 'index: "$uri/x": expected the name of a file in the directory, such as "x"'),
    ('symlinks = "off"', 'symlinks: expected "inside", "all" or "none", got "off"; write "none"'),
    ("symlinks = true", 'got true; write "inside"'),
    ('hidden = "deny"', 'hidden: expected true or false, got "deny"; write false'),
    ('precompressed = { "br" }', "precompressed: expected true or false, got a list; write true"),
    ('precompressed = "br"', "write true: what is there is served"),
    ('hidden = { ".git" }', 'names that are not served are  hide = { ".git" }'),
    ("hide = true", 'hide: expected a list, got true; write hide = { "*.php" }'),
    ("charset = false", 'charset: expected a string, got false; write ""'),
    ("follow_symlinks = true", '(in rsp: symlinks = "all")'),
    ('cache_control = { css = "no-cache" }', 'cache_control: "css": the pattern is "*.css"'),
    ('cache_control = { [".js"] = "no-cache" }', 'cache_control: ".js": the pattern is "*.js"'),
    ('precompressed = "off"', "got \"off\"; write false"),
    ('types = "text/html"', 'types: expected a table, got "text/html"; the extension is the key; write { ext = '
                            '"text/html" }'),
    ('hide = { ["*.php"] = true }', 'hide: expected a list, got a table; write { "*.php" }'),
    ('hide = "*.php"', 'hide: expected a list, got "*.php"; write { "*.php" }'),
    ('hide = { "\\\\.php$" }', 'hide: "\\.php$": patterns are not regular expressions; write "*.php" or "private/*"'),
    ('hide = { "~ \\\\.php" }', "patterns are not regular expressions"),
    ('hide = { "*.{js,css}" }', 'braces are not supported here; list each pattern: { "*.js", "*.css" }'),
    ('hide = { "**/*.php" }', '"**" is not needed; write "*.php"'),
    ('hide = { "a/**" }', 'write "a/*"'),
    ('cache_control = -1', 'got -1; write "no-cache"'),
    ('hide = { "!*.js" }', '"!" is not supported here'),
    ('hide = { "/" }', 'hide: expected a pattern such as "*.php"'),
    ("cache_control = 3600", 'cache_control: expected a string or a table, got 3600; write "max-age=3600"'),
    ("cache_control = true", 'cache_control: expected a string or a table, got true; write "max-age=3600"'),
    ('cache_control = { "public", "max-age=60" }', '; write "public, max-age=60"'),
    ('cache_control = "30d"', 'cache_control: "30d" is not a value of Cache-Control; write "max-age=2592000"'),
    ('cache_control = { ["*.js"] = 3600 }', 'cache_control: *.js: expected a string, got 3600; write "max-age=3600"'),
    ('cache_control = { ["*.js"] = "maxage=3" }', 'cache_control: *.js: "maxage=3" is not a directive of Cache-Control (did you mean "max-age"?)'),
    ('cache_control = { ["assets/"] = "no-cache" }', '"assets/": for all files in a directory write "assets/*"'),
    ('types = { [".glb"] = "model/gltf-binary" }', 'types: ".glb": expected the extension in lower case, without a dot; write "glb"'),
    ('types = { GLB = "model/gltf-binary" }', 'write "glb"'),
    ('types = { glb = "json" }', 'types: glb: expected a type such as "text/plain", got "json"; write "application/json"'),
    ('types = { ["text/html"] = "html htm" }', 'types: "text/html": the extension is the key; write { html = '
                                               '"text/html" }'),
    ('charset = "off"', 'charset: "off" is not a character set; for none write ""'),
    ('charset = "utf 8"', 'charset: expected a name such as "utf-8", or "", got "utf 8"'),
    ('autoindex = true', 'unknown key "autoindex" (in rsp: list = true)'),
    ('browse = true', "(in rsp: list = true)"),
    ('expires = "30d"', "(in rsp: cache_control = "),
    ('dotfiles = "allow"', "(in rsp: hidden = true)"),
    ('alias = "x"', '(in rsp: root = "/srv/www")'),
    ('try_files = "x"', '(it belongs to the route, beside files: fallback = "/index.html")'),
    ('pass_thru = true', '(it belongs to the route, beside files: else_to = "app")'),
    ('gzip_static = true', "(in rsp: precompressed = true)"),
    ('gzip = true', "(it belongs to the route, beside files: compress = true)"),
    ('etag = true', "(rsp sends ETag and Last-Modified with every file; there is no key for it)"),
    ('charset = "a\\nb"', "the value contains a control character or a line break"),
    ('types = { x = "text/plain\\r\\nSet-Cookie: a=b" }', "the value contains a control character or a line break"),
    ('cache_control = "no-cache\\r\\nX: y"', "the value contains a control character or a line break"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), FILES)
def test_a_key_of_files(mistakes, keys, said):
    found = mistakes(f'route {{\n files = {{ root = "www",\n {keys} }} }}')
    assert said in found[0], found
    assert found[0].startswith("s.lua:5: route: files: "), found


ROUTES = [
    ('files = ""', 'files: root: expected a directory such as "/srv/www"'),
    ("files = {}", 'files: missing "root"'),
    ("files = true", 'files: expected a string or a table, got true; write files = "/srv/www"'),
    ('files = { "www" }', 'files: expected a string or a table with named keys, got a list; write files = "www"'),
    ('files = { "www", list = true }', 'files: unexpected item [1]; write root = "/srv/www"'),
    ('files = "/"', 'files: root: "/" is the whole file system; write a directory below it'),
    ('files = "~/www"', '"~" is not expanded here; write the full path'),
    ('files = "$document_root/x"', "variables are not supported here"),
    ('files = "file:///srv/x"', 'write "/srv/x"'),
    ('files = "http://a/b"', 'requests for another server go to an upstream: to = "..."'),
    ('files = "www", fallback = "index.html"', 'fallback: expected a path that begins with "/", got "index.html"; write "/index.html"'),
    ('files = "www", fallback = { "$uri", "$uri/", "/app.html" }', 'fallback: expected a string, got a list; write "/app.html"'),
    ('files = "www", fallback = "$uri"', 'write "/index.html": it is one file for all paths'),
    ('files = "www", fallback = "/{path}"', '"/{path}": it is a single file for all paths, without variables'),
    ('files = "www", fallback = "=404"', "a path without a file gets 404, with the page of"),
    ('files = "www", fallback = "@app"', 'write else_to = "app", the name of an upstream'),
    ('files = "www", fallback = "app"', 'another upstream is else_to = "app" beside files'),
    ('files = "www", fallback = "/"', 'fallback: "/": expected a file, not a directory; write "/index.html"'),
    ('files = "www", fallback = "/index.php"', '"/index.php" would be sent as it is, not run; write else_to = "app"'),
    ('files = "www", fallback = "/index.html?x"', 'expected the name of a file; write "/index.html"'),
    ('files = "www", fallback = "/caf%C3%A9.html"', 'file names are not percent-encoded here; write "/café.html"'),
    ('files = "www", fallback = "/a/../b"', 'expected a path below the directory, without "//", "." and ".."'),
    ('files = "www", fallback = "/.x/y"', "is not served, because its name begins with a dot"),
    ('files = "www", fallback = "/index.html", else_to = "app"', '"fallback" and "else_to" cannot be used together'),
    ('files = "www", else_to = "ap"', 'else_to = "ap": no such upstream (did you mean "app"?)'),
    ('files = "www", else_to = "http://10.0.0.1:80/x"', 'write upstream "app2" { "10.0.0.1:80" } and else_to = "app2"'),
    ('files = "www", else_rewrite = "/x"', '"else_rewrite" requires "else_to", which this route does not have'),
    ('to = "app", else_rewrite = "/x"', 'which this route does not have; for a route with "to": rewrite'),
    ('files = "www", else_to = "app", else_rewrite = "x{path}"', 'else_rewrite: expected a path, which begins with "/"'),
    ('files = "www", else_to = "app", else_rewrite = "/{1}"', "else_rewrite: "),
    ('to = "app", fallback = "/index.html"', '"fallback" requires "files", which this route does not have; to use '
                                             "another upstream when this one fails"),
    ('to = "app", else_to = "app"', '"else_to" requires "files", which this route does not have'),
    ('to = "app", files = "www"', '"to" and "files" cannot be used together; write else_to = "app" for requests '
                                  "without a file"),
    ('redirect = "https://a", files = "www"', '"redirect" and "files" cannot be used together'),
    ('path = "/a/", files = "www", strip = true', 'strip: "files" removes "path" already; leave strip out'),
    ('path = "/a/", files = "www", strip = true, else_to = "app"', '; "else_to" gets the path unchanged'),
    ('path = "/a", files = "www", slash = "redirect"', '"files" redirects directories to the path with a slash '
                                                       "already"),
    ('files = "www", methods = { "POST" }', 'files are served for GET and HEAD only; add "GET"'),
    ('files = "www", methods = { "POST" }, else_to = "app"', '; write to = "app"'),
    ('files = "www", send_host = "x"', '"send_host" is for requests that go to a peer; "files" answers them here'),
    ('files = "www", rewrite_location = true, rewrite = "/x"', '"rewrite_location" is for requests that go to a peer'),
    ('files = "www", mirror = { to = "app" }', '"mirror" is for requests that go to a peer; "files" answers them here'),
    ('files = "www", failover = { to = "app" }', '"failover" is for requests that go to a peer'),
    ('files = "www", request_buffering = true', '"request_buffering" is for requests that go to a peer'),
    ('files = "www", response_buffering = true', '"response_buffering" is for requests that go to a peer'),
    ('root = "www"', 'unknown key "root" (in rsp: files = "/srv/www")'),
    ('try_files = "x"', 'unknown key "try_files" (in rsp: files = "/srv/www", fallback = "/index.html"; or else_to = "app"'),
    ('path = "static/", files = "www"', 'path: expected a path that begins with "/", got "static/"; write "/static/"'),
    ('"/static/", files = "www"', 'unexpected item [1]; write path = "/static/"'),
    ('to = "/srv/www"', 'to = "/srv/www": no such upstream; a directory is served by files = "/srv/www"'),
    ('files = "www", else_to = { "10.0.0.1:80" }', 'write upstream "app" { "10.0.0.1:80" } and else_to = "app"'),
    ('files = "/srv/www", fallback = "/srv/www/a.html"', 'expected the path below the directory; write "/a.html"'),
    ('files = "www/*"', 'root: "*" is not a wildcard here; write "/'),
    ('files = "www", fallback = ""', 'got ""; write "/index.html", or leave it out'),
    ('files = { root = "/srv/x", hide = { "/srv/x/a/b" } }', 'patterns are for paths below root; write "a/b"'),
    ('files = "www", list = true', 'unknown key "list" (it belongs in  files = { root = "/srv/www", list = true })'),
    ('files = "www", index = "a.html"', 'files = { root = "/srv/www", index = "index.html" }'),
    ('files = "www", expires = "max"', "files = { root = \"/srv/www\", cache_control = "),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), ROUTES)
def test_a_key_of_a_route(mistakes, keys, said):
    found = mistakes(f"route {{ {keys} }}")
    assert said in found[0], found
    assert found[0].startswith("s.lua:3: route: "), found


def test_of_a_route_with_else_to_or_a_hook_the_keys_for_peers_are_taken(read):
    keys = 'request_headers = { remove = { "X" } }, send_host = "a", mirror = { to = "b" }, request_buffering = true'
    read(
        f'upstream "b" {{ "10.0.0.1:80" }} route {{ path = "/a", files = "www", else_to = "app", slash = "redirect", {keys} }}'
    )
    read(f'upstream "b" {{ "10.0.0.1:80" }} route {{ files = "www", {keys}, on_request = function() end }}')


def test_a_second_route_for_what_has_no_file(mistakes):
    said = '; for requests without a file write else_to = "app" there, and no second route'
    found = mistakes('route { files = "www" }\nroute { to = "app" }')
    assert found == [f"s.lua:4: this route is declared twice (first at s.lua:3){said}"]
    found = mistakes('route { files = "www" }\nroute { methods = { "GET" }, to = "app" }')
    assert found == [
        "s.lua:4: route: no request can match this route: the route at s.lua:3 matches all its requests; declare "
        "this one before it"
    ]
    found = mistakes('route { files = "www", fallback = "/index.html" }\nroute { to = "app" }')
    assert found == ["s.lua:4: this route is declared twice (first at s.lua:3)"]


ELSEWHERE = [
    ('files = "www"', 'unknown setting "files" (it is a key of a route)'),
    ('root = "/srv/www"', '(in rsp: files = "/srv/www" in a route; of scripts: root = "/srv/www" in an upstream with'),
    ('alias = "x"', '(in rsp: route { path = "/static/", files = "/srv/www/static" })'),
    ('try_files = "x"', '(in rsp: route { files = "/srv/www", fallback = "/index.html" }, or else_to = "app"'),
    ('autoindex = "on"', '(in rsp: files = { root = "/srv/www", list = true } in a route)'),
    ('directory_index = "x"', '(in rsp: files = { root = "/srv/www", index = "index.html" } in a route'),
    ('sendfile = "on"', "(rsp uses sendfile where possible; there is no key for it)"),
    ('open_file_cache = "max=1000"', "(rsp keeps small files in memory"),
    ('disable_symlinks = "on"', 'symlinks = "none"'),
    ('file_server "/srv"', '(in rsp: route { path = "/static/", files = "/srv/www/static" })'),
    ('files "www"', "(it is a key of a route: route { files = ... })"),
    ("location /static/ { alias /srv/static/; }", 'files = "/srv/www" in the place of to serves a directory'),
    ("expires 30d;", "malformed number near '30d' (in rsp: files = { root = \"/srv/www\", cache_control = "),
    ("autoindex on;", "(in rsp: files = { root = \"/srv/www\", list = true } in a route)"),
    ('upstream "x" { "10.0.0.2:80", root = "/srv" }', 'files are served by a route: files = "/srv/www"'),
    ('upstream "x" { "10.0.0.2:80", static = "/srv" }', "(a key of a route: route { path"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ELSEWHERE)
def test_words_of_other_servers(mistakes, text, said):
    found = mistakes(f'{text}\nroute {{ to = "app" }}')
    assert any(said in message for message in found), found


# -- what is taken


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ('files = "www"', ("index.html",)),
        ('files = "www", else_to = "app"', ()),
        ('files = { root = "www", index = "a.html" }, else_to = "app"', ("a.html",)),
        ('files = { root = "www", index = { "a.html", "b.html" } }', ("a.html", "b.html")),
        ('files = { root = "www", index = "" }', ()),
        ('files = { root = "www", index = {} }', ()),
        ('to = "app"', ()),
    ],
)
def test_the_index(read, keys, names):
    assert read(f"route {{ {keys} }}").routes[0].index_names == names


PATTERNS = ['"*.sql.*"', '"~$*"', '"private/"', '"/private/*"', '"[0-9]*"', '"a b.txt"']


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(read, pattern):
    read(f'route {{ files = {{ root = "www", hide = {{ {pattern} }} }} }}')


def test_a_relative_root_is_below_the_folder_of_the_configuration(read, tmp_path):
    (tmp_path / "etc").mkdir()
    config = read('route { files = "../www/./" }\nroute { path = "/b", files = { root = "www" } }', "etc/s.lua")
    assert [route.file_rules.root for route in config.routes] == [f"{tmp_path}/etc/../www", f"{tmp_path}/etc/www"]
    config = read('route { files = "/srv//www/" }')
    assert config.routes[0].files == "/srv/www"


def test_what_is_dumped_is_read_again(read, tmp_path):
    text = """route { path = "/a", files = { root = "www", index = {}, hide = { "*.php" }, types = { glb = "a/b" },
      cache_control = { ["*.html"] = "no-cache", ["assets/*"] = 'x="y z"' }, charset = "", symlinks = "none" } }
    compress = { level = 9, types = { "text/*" } }
    route { path = "/b", files = "www", else_to = "app", compress = false }
    route { path = "/c", files = "www", fallback = "/index.html", compress = { algorithms = { "gzip" } } }"""
    config = read(text)
    (tmp_path / "again.lua").write_text(to_lua(config))
    again = evaluate("again.lua")[0]
    assert again.routes[0].index_names == ()
    assert again.routes == config.routes
    assert again.settings.compress == config.settings.compress


# -- warnings


def warned(config) -> list[str]:
    return [line.removeprefix("s.lua:3: warning: route: ") for line in config.warnings]


def test_directories_that_are_not_there_are_warned_of(read, tmp_path):
    said = f'files: there is no directory "{tmp_path}/no" yet; until there is, requests '
    assert warned(read('route { files = "no" }')) == [said + "are answered 404"]
    assert warned(read('route { files = "no", else_to = "app" }')) == [said + 'go to "app"']
    (found,) = warned(read('route { files = "www/index.html" }'))
    assert found.endswith(f'write files = "{tmp_path}/www", rewrite = "/index.html"')
    (tmp_path / "loop").symlink_to("loop")
    assert warned(read('route { files = "loop" }')) == [f'files: "{tmp_path}/loop" does not lead to a directory']
    assert warned(read('route { files = "www" }')) == []


def test_a_pattern_that_hides_nothing_is_warned_of(read):
    (found,) = warned(read('route { files = { root = "www", hide = { ".php", "*.bak" } } }'))
    assert found.endswith(
        'names that begin with a dot are hidden already; for names with this extension, write "*.php"'
    )
    assert warned(read('route { files = { root = "www", hidden = true, hide = { ".git" } } }')) == []


def test_a_file_in_the_place_of_a_directory_is_not_said_to_be_closed(read, tmp_path):
    config = read('route { files = "www/index.html" }')
    assert list(closed(f"{tmp_path}/www/index.html", config.routes)) == []


def test_a_fallback_that_is_not_there_is_warned_of(read, tmp_path):
    said = f'fallback: there is no file "{tmp_path}/www/x.html" yet'
    assert warned(read('route { files = "www", fallback = "/x.html" }')) == [said]
    assert warned(read('route { files = "www", fallback = "/index.html" }')) == []


def test_secrets_that_clients_can_read_are_warned_of(read, tmp_path):
    (tmp_path / "index.html").write_text("")
    (found,) = warned(read('route { files = "." }'))
    assert found == (
        f'files: clients can read "{tmp_path}/s.lua"; serve another directory, or add hide = {{ "s.lua" }}'
    )
    assert warned(read('route { files = { root = ".", hide = { "*.lua" } } }')) == []
    (tmp_path / "way").symlink_to(tmp_path)
    assert len(warned(read('route { files = "way" }'))) == 1
    auth = 'auth = { basic = "www/users" }'
    (found,) = warned(read(f'route {{ files = "www", {auth} }}'))
    assert f'clients can read "{tmp_path}/www/users"' in found
    assert warned(read(f'route {{ files = {{ root = "www", hide = {{ "users" }} }}, {auth} }}')) == []


def test_sources_of_scripts_that_clients_can_read_are_warned_of(read, tmp_path):
    (tmp_path / "www" / "index.php").write_text("")
    php = f'upstream "php" {{ "unix:/p", protocol = "fastcgi", root = "{tmp_path}/www" }}\n'
    (found,) = warned(read('route { files = "www" }'))
    assert 'the source of scripts, such as "index.php"; add else_to = "app"' in found
    assert 'hide = { "*.php" }' in found
    assert len(warned(read('route { files = "www", else_to = "app" }'))) == 1
    assert read(php + 'route { files = "www", else_to = "php" }').warnings == ()
    for key in ("failover", "mirror"):
        assert read(php + f'route {{ files = "www", else_to = "app", {key} = {{ to = "php" }} }}').warnings == ()
    assert warned(read('route { files = { root = "www", hide = { "*.PHP" } } }')) == []
    closed = 'route { path = "/m/", files = "www" }\nroute { regex = "[.]php$", respond = { status = 403 }'
    assert warned(read(f"{closed} }}")) == []
    assert len(warned(read(f'{closed}, methods = {{ "GET" }} }}'))) == 1


SEGMENTS = st.sampled_from(["a", "b", ".a", ".well-known", "ab.php", "B.PHP", "a b"])
PIECES = st.sampled_from(["*", "?", "[ab]", "a", "b", ".", "/", ".php", "[!a]"])


@given(
    st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join),
    st.lists(st.lists(PIECES, min_size=1, max_size=4).map("".join), max_size=2),
    st.booleans(),
)
@example("a", ["//*"], False)
@examples(200)
def test_what_is_warned_of_is_what_is_served(name, patterns, hidden):
    rules = Files(root="/r", hide=tuple(pattern for pattern in patterns if pattern.strip("/")), hidden=hidden)
    assert files_warnings.is_hidden(name, rules) == (not Names(rules, ()).allow(name.encode()))


def test_a_root_that_cannot_be_looked_at_stops_nothing(read, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    assert warned(read('route { files = "www" }')) == []


def test_a_disk_that_does_not_respond_stops_nothing(read, tmp_path, monkeypatch):
    responds, is_dir = threading.Event(), Path.is_dir
    monkeypatch.setattr(files_warnings, "_PATIENCE", 0.05)
    monkeypatch.setattr(Path, "is_dir", lambda path: responds.wait() if path.name == "www" else is_dir(path))
    try:
        warned_of = read('route { files = "www" }\nroute { path = "/b", files = "www" }').warnings
    finally:
        responds.set()
    said = f'warning: route: files: the file system of "{tmp_path}/www" does not respond'
    assert warned_of == (f"s.lua:3: {said}", f"s.lua:4: {said}")


# -- Cache-Control


@pytest.mark.parametrize(
    "value",
    ["", "no-cache", "public, max-age=3600", "max-age=0,must-revalidate", 'private="Set-Cookie, X", no-cache', "no-store ,",
     "max-age=31536000, immutable", "NO-CACHE", "stale-while-revalidate=60", "community=UCI", "x-own"],
)  # fmt: skip
def test_good_values_of_cache_control(value):
    assert mistake(value) == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Cache-Control: no-cache", 'write the value alone: "no-cache"'),
        ("max", 'write "max-age=31536000, immutable"'),
        ("off", "leave it out"),
        ("3600", 'write "max-age=3600"'),
        ("1y", 'write "max-age=31536000"'),
        ("1M", 'write "max-age=2592000"'),
        ("max-age=2w", 'expected a number of seconds; write "max-age=1209600"'),
        ("max-age: 5", 'write "max-age=5"'),
        ("+1h", 'write "max-age=3600"'),
        ("max-age=1h", 'expected a number of seconds; write "max-age=3600"'),
        ("max-age", 'expected a number of seconds, as in "max-age=3600"'),
        ("public max-age=5", "directives stand with commas between them"),
        ("nocache", 'did you mean "no-cache"?'),
        ("max_age=5", 'did you mean "max-age"?'),
        ("x=", "a value is missing after ="),
    ],
)
def test_values_of_cache_control_that_are_none(value, said):
    assert said in mistake(value)


# -- the manual


def blocks():
    """The configurations in the manual."""
    docs = Path(__file__).parents[2] / "docs"
    return [
        pytest.param(block, id=f"{name}-{number}")
        for name in ("files", "compression")
        for number, block in enumerate(re.findall(r"```lua\n(.*?)```", (docs / f"{name}.md").read_text(), re.DOTALL))
    ]


@pytest.mark.parametrize("block", blocks())
def test_the_configurations_of_the_manual_load(tmp_path, block):
    if block.startswith("files = {"):
        block = f"route {{ {block} }}"
    for wanted, line in {'listen "': 'listen "127.0.0.1:1"', "route {": 'route { to = "app" }'}.items():
        block += f"\n{line}" if wanted not in block else ""
    for name in ("app", "api"):
        block += f'\nupstream "{name}" {{ "127.0.0.1:1" }}' if f'upstream "{name}"' not in block else ""
    (tmp_path / "site.lua").write_text(block)
    evaluate(str(tmp_path / "site.lua"))
