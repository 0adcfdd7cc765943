"""examples/wordpress.lua and examples/php.lua with a real PHP-FPM: scripts are PHP's, all other files are rsp's."""

import gzip
import re

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.harness import as_root, run_rsp
from tests.paths import ROOT
from tests.php_fpm import PROGRAMS, php_fpm, write_scripts

STYLE = "body { color: black }\n" * 200
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000
CODE = "<?php echo 'UPLOADED CODE HAS RUN';"
WORDPRESS = {
    "index.php": r"""
        $path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
        if ($path === '/robots.txt') { header('Content-Type: text/plain'); echo "User-agent: *\n"; }
        elseif (preg_match('#^/(\d{4})/([a-z-]+)/$#', $path, $found)) {
            echo "<h1>{$found[2]} of {$found[1]}</h1>", str_repeat("<p>text</p>\n", 500); }
        elseif ($path === '/') { echo 'home'; }
        else { http_response_code(404); echo 'WordPress knows no such page'; }
    """,
    "wp-login.php": "setcookie('logged_in', '1', 0, '/'); header('Location: /wp-admin/', true, 302);",
    "wp-admin/index.php": "echo 'dashboard';",
    "wp-admin/load-styles.php": "header('Content-Type: text/css'); echo str_repeat('a { color: red }', 200);",
    "wp-config.php": "$password = 'SECRET';",
    "wp-content/plugins/shop/ajax.php": "echo json_encode($_POST);",
    "wp-content/uploads/shell.php": CODE,
}
FILES = {
    "wp-includes/js/jquery.js": "/* jquery */ " + "x = 1; " * 500,
    "wp-content/themes/plain/style.css": STYLE,
    "wp-content/themes/plain/logo.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    "wp-admin/css/admin.css": STYLE,
    ".well-known/acme-challenge/token": "token.key",
    ".htaccess": "SECRET",
    ".git/config": "SECRET",
    "wp-config.php.bak": "SECRET",
    "wp-config.php~": "SECRET",
    "dump.sql": "SECRET",
    "wp-content/debug.log": "SECRET",
    "readme.html": "Version 6.9, SECRET",
    "wp-content/uploads/x.php.jpg": CODE,
    "wp-content/uploads/drawing.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
}


def write_files(www, files):
    for name, text in files.items():
        (www / name).parent.mkdir(parents=True, exist_ok=True)
        (www / name).write_text(text)


def served(directory, example, socket, www, root):
    """The text of an example, for this PHP-FPM and this directory."""
    text = (ROOT / "examples" / example).read_text()
    checked = run_rsp(directory, "-t", "site.lua", text=text)
    assert checked.returncode == 0, checked.stderr
    for old, new in {
        "unix:/run/php/php8.2-fpm.sock": f"unix:{socket}",
        root: str(www),
        'listen "0.0.0.0:8080"': "",
    }.items():
        assert old in text
        text = text.replace(old, new)
    return as_root() + text


@pytest.fixture(scope="module")
def fpm(program):
    return program(*PROGRAMS)


@pytest.fixture(scope="module")
def wordpress(tmp_path_factory, fpm):
    directory = tmp_path_factory.mktemp("wordpress")
    www = directory / "html"
    write_scripts(www, WORDPRESS)
    write_files(www, FILES)
    (www / "wp-content" / "uploads" / "photo.png").write_bytes(IMAGE)
    with php_fpm(directory, fpm) as socket:
        with Everywhere(directory, served(directory, "wordpress.lua", socket, www, "/srv/www/wordpress")) as rsp:
            rsp.www = www
            yield rsp


@pytest.mark.parametrize("way", WAYS)
def test_a_page_and_what_belongs_to_it(wordpress, way):
    def ask(path, *fields, **more):
        return wordpress.ask(way, path, *fields, **more)

    page = ask("/2024/hello-world/?preview=1", ("Accept-Encoding", "gzip"))
    assert (page.status, page["content-encoding"], page["vary"]) == (200, "gzip", "Accept-Encoding")
    assert gzip.decompress(page.body).startswith(b"<h1>hello-world of 2024</h1>")
    assert page["x-powered-by"] is None
    style = ask("/wp-content/themes/plain/style.css?ver=6.9")
    assert (style.body.decode(), style["content-type"]) == (STYLE, "text/css; charset=utf-8")
    assert style["cache-control"] == "public, max-age=604800"
    again = ask("/wp-content/themes/plain/style.css?ver=6.9", ("If-None-Match", style["etag"]))
    assert (again.status, again.body) == (304, b"")
    assert ask("/wp-content/themes/plain/logo.svg")["content-type"].startswith("image/svg+xml")
    photo = ask("/wp-content/uploads/photo.png")
    assert (photo.body, photo["content-type"]) == (IMAGE, "image/png")
    part = ask("/wp-content/uploads/photo.png", ("Range", "bytes=100-199"))
    assert (part.status, part.body) == (206, IMAGE[100:200])
    assert ask("/.well-known/acme-challenge/token").body == b"token.key"


@pytest.mark.parametrize("way", WAYS)
def test_scripts_of_all_kinds(wordpress, way):
    def ask(path, *fields, **more):
        return wordpress.ask(way, path, *fields, **more)

    assert ask("/").body == b"home"
    assert ask("/wp-admin")["location"] == "/wp-admin/"
    assert ask("/wp-admin/").body == b"dashboard"
    assert ask("/wp-admin/load-styles.php?load=a,b")["content-type"].startswith("text/css")
    assert ask("/wp-admin/css/admin.css").body.decode() == STYLE
    form = ("Content-Type", "application/x-www-form-urlencoded")
    assert ask("/wp-content/plugins/shop/ajax.php", form, method="POST", body=b"a=b").body == b'{"a":"b"}'
    assert ask("/robots.txt").body == b"User-agent: *\n"  # which WordPress makes
    missing = ask("/wp-content/themes/plain/none.css")
    assert (missing.status, missing.body) == (404, b"WordPress knows no such page")
    # Another method than GET and HEAD is no question for a file.
    assert ask("/wp-content/themes/plain/style.css", form, method="POST", body=b"a=b").status == 404


PROTECTED = (
    "/.htaccess", "/.git/config", "/wp-config.php", "/wp-config.php.bak", "/wp-config.php~", "/dump.sql", "/readme.html",
    "/wp-content/debug.log", "/wp-content/../wp-config.php", "/wp-config.php/", "/wp-config.php/x.css", "/wp-config.php%20",
    "/wp-config%2Ephp", "/wp-config.php%00.css", "/WP-CONFIG.PHP", "//wp-config.php", "/./wp-config.php", "/.%67it/config",
    "/wp-content/%2e%2e/wp-config.php", "/wp-content/uploads/../../wp-config.php", "/wp-config.php%2F",
)  # fmt: skip


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize("fields", [(), (("Range", "bytes=0-"),), (("Accept-Encoding", "gzip, br"),)], ids=str)
def test_secrets_stay_on_the_server(wordpress, path, fields):
    answer = wordpress.ask("h1", path, *fields)
    assert b"SECRET" not in answer.body and b"<?php" not in answer.body
    assert answer.body == b"" or answer.status >= 300


@pytest.mark.parametrize(
    "path",
    ["/wp-content/uploads/shell.php", "/wp-content/uploads/shell.php/x", "/wp-content/uploads/x.php.jpg/y.php",
     "/wp-content/uploads/shell.php%00.jpg", "/wp-content/uploads//shell.php", "/wp-content/uploads/./shell.php",
     "/wp-content/uploads%2Fshell.php", "/wp-content/uploads/%73hell.php",
     "//wp-content/uploads/shell.php", "/wp-content/./uploads/shell.php", "/wp-content/themes/../uploads/shell.php",
     "/%77p-content/uploads/shell.php", "/wp-content%2fuploads/shell.php", "/wp-content/uploads/shell.PHP"],
)  # fmt: skip
def test_uploads_neither_run_nor_show_their_source(wordpress, path):
    for method in ("GET", "POST", "HEAD"):
        answer = wordpress.ask("h1", path, method=method)
        assert answer.status in (400, 404, 405), (method, answer)
        assert b"UPLOADED" not in answer.body
    assert b"UPLOADED CODE" in (wordpress.www / "wp-content" / "uploads" / "shell.php").read_bytes()


def test_uploads_are_no_pages_of_the_site(wordpress):
    drawing = wordpress.ask("h1", "/wp-content/uploads/drawing.svg")
    assert (drawing.status, drawing["content-security-policy"]) == (200, "script-src 'none'")
    assert drawing["x-content-type-options"] == "nosniff"
    (wordpress.www / "wp-content" / "uploads" / "link.txt").symlink_to("../../wp-config.php")
    assert wordpress.ask("h1", "/wp-content/uploads/link.txt").status == 404
    picture = wordpress.ask("h1", "/wp-content/uploads/x.php.jpg")
    assert (picture.status, picture["content-type"]) == (
        200,
        "image/jpeg",
    )  # code by its content, sent as what it is named


def test_a_file_that_is_uploaded_or_replaced_is_there_at_once(wordpress):
    new = wordpress.www / "wp-content" / "uploads" / "new.txt"
    assert wordpress.ask("h1", "/wp-content/uploads/new.txt").status == 404
    new.write_text("one")
    assert wordpress.ask("h1", "/wp-content/uploads/new.txt").body == b"one"
    (new.parent / "next").write_text("two")
    (new.parent / "next").rename(new)
    assert wordpress.ask("h1", "/wp-content/uploads/new.txt").body == b"two"
    new.unlink()
    assert wordpress.ask("h1", "/wp-content/uploads/new.txt").status == 404


def test_logins_and_xmlrpc(wordpress):
    assert wordpress.ask("h1", "/xmlrpc.php", method="POST", body=b"x").status == 403
    login = wordpress.ask("h2-tls", "/wp-login.php", method="POST", body=b"u=x")
    assert (login.status, login["location"], login["set-cookie"]) == (302, "/wp-admin/", "logged_in=1; path=/")
    statuses = [wordpress.ask("h1", "/wp-login.php").status for _ in range(12)]
    assert statuses[-1] == 429


def test_a_front_controller(tmp_path_factory, fpm):
    """examples/php.lua"""
    directory = tmp_path_factory.mktemp("front")
    public = directory / "public"
    write_scripts(public, {"index.php": "echo 'front ', $_SERVER['REQUEST_URI'];", "tools/info.php": "phpinfo();"})
    write_files(public, {"build/app-0a1b2c3d.js": "x = 1\n" * 500, "robots.txt": "User-agent: *\n", ".env": "SECRET"})
    with php_fpm(directory, fpm) as socket:
        with Everywhere(directory, served(directory, "php.lua", socket, public, "/var/www/shop/public")) as rsp:
            for way in WAYS:
                assert rsp.ask(way, "/orders/7?a=b").body == b"front /orders/7?a=b"
                assert rsp.ask(way, "/index.php/orders/7").body == b"front /index.php/orders/7"
                assert rsp.ask(way, "/robots.txt").body == b"User-agent: *\n"
                script = rsp.ask(way, "/build/app-0a1b2c3d.js")
                assert re.match("(text|application)/javascript", script["content-type"])
                assert script["cache-control"] == "public, max-age=31536000, immutable"
            assert rsp.ask("h1", "/tools/info.php").status == rsp.ask("h1", "/build/none.js").status == 404
            for path in ("/.env", "/%2eenv", "/.env/", "/build/../.env"):
                assert b"SECRET" not in rsp.ask("h1", path).body
            statuses = [rsp.ask("h1", "/login", method="POST", body=b"u=x").status for _ in range(12)]
            assert (statuses[0], statuses[-1]) == (200, 429)
