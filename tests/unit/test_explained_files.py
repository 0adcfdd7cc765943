"""``rsp explain`` says which file answers a request, and says it of no other answer."""

import os

import pytest

from rsp.commands.outcome import describe
from rsp.commands.rehearsal import Rehearsal
from rsp.lua.evaluate import evaluate

SITE = """listen "127.0.0.1:8080"
upstream "app" { "127.0.0.1:8000" }
route { path = "/s/", files = "www" }
route { path = "/spa/", files = "www", fallback = "/app.html" }
route { path = "/list/", files = { root = "www", list = true, index = "" }, fallback = "/app.html" }
route { path = "/else/", files = "www", else_to = "app" }
route { path = "/hook/", files = "www", on_request = function(req)
  if req.args.no then return respond(200, "no file") end
  if req.args.path then req.path = req.args.path end
end }
route { path = "/few/", files = { root = "www", hide = { "app.*" }, index = "" } }
route { path = "/gone/", files = "gone" }
route { path = "/unlinked/", files = { root = "www", symlinks = "none" } }
route { path = "/shut/", files = "www", deny = "0.0.0.0/0" }
"""


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    (folder / "www" / "docs").mkdir(parents=True)
    for name in ("docs/index.html", "app.html", "a b.txt"):
        (folder / "www" / name).write_text("<p>x")
    (folder / "www" / "out").symlink_to("/etc/passwd")
    (folder / "www" / "in.html").symlink_to("app.html")
    (folder / "www" / "dir").mkdir()
    os.mkfifo(folder / "www" / "pipe")
    (folder / "site.lua").write_text(SITE)
    config, files = evaluate(str(folder / "site.lua"))
    rehearsal = Rehearsal(config, str(folder / "site.lua"), files)
    rehearsal.root = f"{folder}/www"
    yield rehearsal
    rehearsal.close()


def ask(play, target, method="GET", *fields):
    lines = [f"{method} {target} HTTP/1.1", "Host: a", *fields, "Connection: close", "", ""]
    request = "\r\n".join(lines).encode()
    return play.ask(request, b"127.0.0.1", b"a"), request


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/s/a%20b.txt", "a b.txt"),
        ("/s//x/../app.html?q", "app.html"),
        ("/s/docs/", "docs/index.html"),
        ("/s/docs", ""),
        ("/s/none", ""),
        ("/spa/none/at/all", "app.html"),
        ("/list/docs/", ""),
        ("/else/app.html", "app.html"),
        ("/else/none", ""),
        ("/hook/app.html", "app.html"),
        ("/hook/app.html?no=1", ""),
        ("/hook/x?path=/docs/index.html", "docs/index.html"),
        ("/shut/app.html", ""),
        ("/nowhere", ""),
    ],
)
def test_the_file(play, target, name):
    result, request = ask(play, target)
    assert result.file == (name and f"{play.root}/{name}")
    assert (f"file:      {result.file}" in describe(result, request)) == bool(name)


def test_other_methods_and_conditions(play):
    assert ask(play, "/s/app.html", "HEAD")[0].file == f"{play.root}/app.html"
    assert ask(play, "/s/app.html", "GET", "If-None-Match: *")[0].file == f"{play.root}/app.html"
    assert ask(play, "/s/app.html", "POST")[0].file == ""
    assert ask(play, "/s/app.html", "GET", 'If-Match: "x"')[0].file == ""


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/s/none", 'there is no "{root}/none"'),
        ("/s/.env", 'a part of ".env" begins with a dot; hidden = true serves such names'),
        ("/s/dir", '"{root}/dir" is a directory without index.html; list = true lists its files'),
        ("/s/dir/", '"{root}/dir/" is a directory without index.html; list = true lists its files'),
        ("/s/out", '"{root}/out" leads out of the directory; symlinks = "all" follows such links'),
        ("/s/pipe", '"{root}/pipe" is not a regular file'),
        ("/s/a%00b", ""),
        ("/few/app.html", '"app.html" matches a pattern in hide'),
        ("/few/docs/", '"{root}/docs/" is a directory; list = true lists its files'),
        ("/unlinked/in.html", '"{root}/in.html" is a symbolic link or below one, and symlinks = "none"'),
        ("/gone/x", 'there is no directory "{root}/../gone"'),
        ("/s/app.html", ""),
        ("/spa/none", ""),
        ("/else/none", ""),
        ("/shut/none", ""),
    ],
)
def test_why_there_is_none(play, target, reason):
    result, request = ask(play, target)
    said = reason.format(root=play.root).replace("/www/../", "/")
    assert result.missing == said
    assert (f"file:      none: {said}" in describe(result, request)) == bool(said)
