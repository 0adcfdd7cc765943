"""Files in front of upstreams: which request is whose, over HTTP/1.1 and HTTP/2; what logs and metrics say of it."""

import json
import os
import posixpath
import random
import socket
from urllib.parse import quote, unquote_to_bytes

import pytest

from rsp.http.conditions import Unroutable
from rsp.http.paths import check_dots
from tests.everywhere import Everywhere
from tests.fastcgi_peer import FastCgiPeer, page, saying
from tests.harness import Backend, answering, exchange, wait_until
from tests.paths import public_directory
from tests.ports import free_port

SITE = """
access_log = { path = "access.log", format = "json" }
upstream "app" { "APP" }
upstream "sick" { "SICK" }
upstream "gone" { "127.0.0.1:GONE", queue = { size = 0 } }
upstream "shadow" { "SHADOW" }
upstream "php" { "PHP", protocol = "fastcgi", root = "WWW" }
route { host = "php", files = "www", else_to = "php" }
route { host = "indexed.php", files = { root = "www", index = { "index.html" } }, else_to = "php" }
route { host = "spare.php", files = "www", else_to = "sick", failover = { to = "php", on = { 502, 503 } } }
route { host = "spare", files = "www", else_to = "sick", failover = { to = "app", on = { 502, 503 } } }
route { host = "copied", files = "www", else_to = "app", mirror = { to = "shadow" } }
route { host = "gone", files = "www", else_to = "gone" }
route { host = "names", path = "/p/", files = "www" }
route { host = "rewritten", path = "/new/", files = "www", else_to = "app", rewrite = "/old/" }
route { host = "else", files = "www", else_to = "app", else_rewrite = "/else{path}?at={path}&{query}" }
route { host = "else", regex = "^/_(.*)$", files = "www", else_to = "php", else_rewrite = "/index.php/{1}?x={1}" }
route { host = "guarded", files = "www", rate_limit = { rate = "1000/s", burst = 100 }, bandwidth = { down = "50MB" },
  cors = { origins = { "*" } }, deny = "10.0.0.0/8", security_headers = true, response_headers = { set = { ["X-Rule"] = "1" } } }
route { host = "denied", files = "www", deny = "127.0.0.1" }
"""
SOURCE = b"<?php $password = 'secret';"
WAYS = ("h1", "h2-tls")


@pytest.fixture(scope="module")
def rsp():
    with (
        public_directory() as directory,
        Backend(name="app") as app,
        Backend(name="shadow") as shadow,
        Backend(answering(b"HTTP/1.1 503 Sick\r\nContent-Length: 0\r\n\r\n")) as sick,
        FastCgiPeer(saying(page(b"ran"))) as php,
    ):
        www = directory / "www"
        for name, content in {
            "index.php": SOURCE,
            "wp-admin/x.php": SOURCE,
            "wp-admin/index.php": SOURCE,
            "dir.php/style.css": SOURCE,
            "style.css": b"p { }",
            "style.css.gz": b"squeezed",
            "large.bin": b"x" * 500_000,
            "old/a.txt": b"a",
            "html/index.html": b"<p>",
            "a/b/c/d.txt": b"deep",
            "a/b/e f.txt": b"space",
            "a/%41.txt": b"percent",
        }.items():
            (www / name).parent.mkdir(parents=True, exist_ok=True)
            (www / name).write_bytes(content)
        text = SITE.replace("APP", app.address).replace("SHADOW", shadow.address).replace("SICK", sick.address)
        with Everywhere(
            directory, text.replace("PHP", php.address).replace("WWW", str(www)).replace("GONE", str(free_port()))
        ) as one:
            one.app, one.shadow, one.sick, one.php, one.www = app, shadow, sick, php, www
            yield one


@pytest.mark.parametrize("way", WAYS)
def test_sources_of_scripts_are_never_sent(rsp, way):
    for host in ("php", "indexed.php"):
        for path in (
            "/index.php", "/index.php/info", "/index.php?x=1", "/wp-admin/x.php", "/wp-admin/x%2ephp", "/wp-admin//x.php",
            "/x/../index.php", "/wp-admin/./x.php", "/index.php/", "/", "/wp-admin/", "/none", "/%69ndex.php", "/a/b",
            "/index.php%2Fstyle.css", "/index%2Ephp/style.css",
        ):  # fmt: skip
            for method in ("GET", "HEAD", "POST"):
                for fields in ((), (("Range", "bytes=0-5"),), (("If-None-Match", "*"), ("Accept-Encoding", "gzip"))):
                    answer = rsp.ask(
                        way, path, *fields, method=method, host=host, body=b"x" if method == "POST" else b""
                    )
                    assert b"password" not in answer.body, path
                    assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else b"ran"), (method, path)
        for path in ("/dir.php/style.css", "/index.php%00", "/index.php%00.css", "/.php", "/index.php.", "/INDEX.PHP"):
            assert b"password" not in rsp.ask(way, path, host=host).body, path
        answer = rsp.ask(way, "/style.css", ("Accept-Encoding", "gzip"), host=host)
        assert (answer.status, answer.body, answer["content-encoding"]) == (200, b"squeezed", "gzip")
        assert rsp.ask(way, "/style.css", host=host, method="POST", body=b"x").body == b"ran"
    assert rsp.ask(way, "/html/", host="indexed.php").body == b"<p>"
    assert rsp.ask(way, "/html/", host="php").body == b"ran"


def test_sources_of_scripts_that_only_the_other_upstream_runs_are_never_sent(rsp):
    for path in ("/index.php", "/wp-admin/x%2ephp", "/index.php/info"):
        answer = rsp.ask("h1", path, host="spare.php")
        assert (answer.status, answer.body) == (200, b"ran"), path
    assert rsp.ask("h1", "/style.css", host="spare.php").body == b"p { }"


@pytest.mark.parametrize("way", WAYS)
def test_failover_and_copies_are_about_what_goes_upstream(rsp, way):
    assert rsp.ask(way, "/none", host="spare").body == b"app"
    before = rsp.sick.connections
    assert rsp.ask(way, "/style.css", host="spare").body == b"p { }"
    assert rsp.sick.connections == before
    rsp.shadow.heads.clear()
    assert rsp.ask(way, "/style.css", host="copied").body == b"p { }"
    assert rsp.ask(way, "/copied", host="copied").body == b"app"
    wait_until(lambda: rsp.shadow.heads, "a copy")
    assert [head.split(b"\r\n")[0] for head in rsp.shadow.heads] == [b"GET /copied HTTP/1.1"]
    assert rsp.ask(way, "/none", host="gone").status in (502, 503)
    assert rsp.ask(way, "/large.bin", host="gone").body == b"x" * 500_000


@pytest.mark.parametrize("way", WAYS)
def test_rewritten_paths(rsp, way):
    assert rsp.ask(way, "/new/a.txt", host="rewritten").body == b"a"
    rsp.app.heads.clear()
    assert rsp.ask(way, "/new/b.txt?q", host="rewritten").body == b"app"
    assert rsp.app.heads[0].startswith(b"GET /old/b.txt?q HTTP/1.1\r\n")
    assert rsp.ask(way, "/new/%2e%2e/style.css", host="rewritten").status == 400


@pytest.mark.parametrize("way", WAYS)
def test_paths_without_a_file_are_rewritten_for_the_upstream(rsp, way):
    assert rsp.ask(way, "/style.css?q", host="else").body == b"p { }"
    rsp.app.heads.clear()
    for path in ("/none?q=1", "/a%20b", "/html/"):
        assert rsp.ask(way, path, host="else").body == b"app"
    assert rsp.ask(way, "/style.css", host="else", method="POST", body=b"").body == b"app"
    targets = [head.split(b" ")[1] for head in rsp.app.heads]
    assert targets == [
        b"/else/none?at=/none&q=1", b"/else/a%20b?at=/a%20b", b"/else/html/?at=/html/", b"/else/style.css?at=/style.css",
    ]  # fmt: skip
    asked = len(rsp.php.asked)
    assert rsp.ask(way, "/_a/b?q", host="else").body == b"ran"
    params = rsp.php.asked[asked].params
    assert (params[b"SCRIPT_NAME"], params[b"PATH_INFO"], params[b"QUERY_STRING"]) == (b"/index.php", b"/a/b", b"x=a/b")
    assert rsp.ask(way, "/%2e%2e/x", host="else").status == 400


@pytest.mark.parametrize("way", WAYS)
def test_filters_hold_for_files(rsp, way):
    for path, fields in (
        ("/style.css", ()),
        ("/large.bin", ()),
        ("/large.bin", (("Range", "bytes=1-400000"),)),
        ("/style.css", (("If-None-Match", "*"),)),
    ):
        answer = rsp.ask(way, path, ("Origin", "https://other.example"), *fields, host="guarded")
        assert answer.status in (200, 206, 304)
        assert answer["access-control-allow-origin"] == "*"
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["x-rule"] == "1"
    assert len(rsp.ask(way, "/large.bin", host="guarded").body) == 500_000
    assert rsp.ask(way, "/style.css", host="denied").status == 403


def test_logs_and_metrics(rsp):
    for path, host in (("/style.css?logged", "php"), ("/none?logged", "copied"), ("/large.bin?logged", "gone")):
        rsp.ask("h1", path, host=host)
    rsp.ask("h1", "/style.css?logged", ("Range", "bytes=0-1"), host="php")
    rsp.ask("h1", "/style.css?logged", ("If-None-Match", "*"), host="php")

    def lines():
        text = (rsp.directory / "access.log").read_text()
        return [one for one in map(json.loads, text.splitlines()) if "logged" in one["target"]]

    wait_until(lambda: len(lines()) == 5, "lines")
    assert [(one["status"], one["bytes"], bool(one.get("upstream"))) for one in lines()] == [
        (200, 5, False), (200, 3, True), (200, 500_000, False), (206, 2, False), (304, 0, False),
    ]  # fmt: skip


def test_every_path_is_the_file_that_its_segments_name(rsp):
    """Hundreds of paths on one connection, against the standard library's reading of them."""
    chance = random.Random(5)
    segments = (
        "a",
        "b",
        "c",
        "d.txt",
        "e f.txt",
        "%41.txt",
        "A.txt",
        "..",
        ".",
        "",
        "style.css",
        ".hidden",
        "x",
        "\\",
        "p",
    )
    paths = []
    for _ in range(600):
        names = [chance.choice(segments) for _ in range(chance.randint(1, 6))]
        path = "/".join(quote(name, safe="") if chance.random() < 0.7 else quote(name, safe=".\\") for name in names)
        if chance.random() < 0.2:
            path = path.replace("a", "%61").replace(".", "%2E")
        paths.append("/p/" + path.replace("\\", chance.choice(("\\", "%5c"))))
    requests = b"".join(b"GET %b HTTP/1.1\r\nHost: names\r\n\r\n" % path.encode() for path in paths)
    end = b"GET /p/style.css HTTP/1.1\r\nHost: names\r\nConnection: close\r\n\r\n"
    received = exchange(rsp.ports["h1"], requests + end)
    for path in paths:
        head, _, received = received.partition(b"\r\n\r\n")
        size = next(int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
        body, received = received[:size], received[size:]
        assert (int(head[9:12]), body if head[9:12] == b"200" else b"") == expected(rsp.www, path), path


def expected(www, path):
    """What there is for a path of the route ``/p/``."""
    try:
        check_dots(path.encode())
    except Unroutable:
        return 400, b""
    decoded = unquote_to_bytes(path).decode().replace("\\", "/")
    name = posixpath.normpath(decoded).replace("//", "/")
    slash = decoded.endswith(("/", "/.", "/.."))
    raw_is_inside = True  # all of them begin with /p/
    if name != "/p" and not name.startswith("/p/"):
        return (400, b"") if raw_is_inside else (404, b"")
    if name == "/p":
        return (404, b"") if slash else (400, b"")
    file = www / name[3:]
    if slash or ".hidden" in name or not file.is_file():
        return 404, b""
    return 200, file.read_bytes()


def test_a_client_that_leaves_while_a_thread_looks(rsp):
    """Names that are not known are looked up by threads: what they find is then for a connection that is gone."""
    for number in range(20):
        with socket.create_connection(("127.0.0.1", rsp.ports["h1"])) as sock:
            sock.sendall(f"GET /a/b/never-{number} HTTP/1.1\r\nHost: php\r\n\r\n".encode())
    assert rsp.ask("h1", "/style.css", host="php").status == 200
    assert "Traceback" not in rsp.log
    assert os.listdir(rsp.www)
