"""Routes with files in a configuration's own tests, and in ``rsp explain``: the files are the real ones."""

import pytest

from rsp.commands import explain
from rsp.commands.rehearsal import Rehearsal
from rsp.lua.evaluate import evaluate

SITE = """
listen "127.0.0.1:8080"
upstream "app" {{ "127.0.0.1:9001" }}
route {{ path = "/static/", files = "www" }}
route {{ path = "/spa/", files = "www", fallback = "/index.html" }}
route {{ path = "/app/", files = "www", else_to = "app" }}
route {{ path = "/picked/", files = "www", else_to = "app",
  on_request = function(req) return proxy{{ peer = "127.0.0.1:9001" }} end }}
route {{ path = "/list/", files = {{ root = "www", index = "", list = true }} }}
route {{ path = "/hooked/", files = "www",
  on_request = function(req) if req.args.to then req.path = req.args.to end end,
  on_response = function(req, res) res.headers["X-Seen"] = res.status .. " " .. #res.body .. " " .. tostring(res.own) end,
  on_error = function(req, err) if req.args.mend then return respond(200, "mended") end end }}
test("it", function()
  local function get(path, headers, method) return simulate{{ path = path, headers = headers or {{}}, method = method }} end
  {test}
end)
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "www" / "docs").mkdir(parents=True)
    (tmp_path / "www" / "index.html").write_text("<p>index")
    (tmp_path / "www" / "docs" / "index.html").write_text("<p>docs")
    (tmp_path / "www" / "ten.txt").write_text("0123456789")
    (tmp_path / "www" / "large.bin").write_bytes(b"x" * 300_000)

    def write(test=""):
        path = tmp_path / "site.lua"
        path.write_text(SITE.format(test=test))
        return str(path)

    return write


def run(path):
    """Why the test failed, or ``None``."""
    config, files = evaluate(path)
    rehearsal = Rehearsal(config, path, files)
    try:
        return rehearsal.run_tests()[0][1]
    finally:
        rehearsal.close()


@pytest.mark.parametrize(
    "test",
    [
        'local r = get("/static/ten.txt") assert(r.status == 200 and r.body == "0123456789" and r.upstream == nil)',
        'local r = get("/static/large.bin") assert(r.status == 200 and #r.body == 300000)',
        'local r = get("/static/none") assert(r.status == 404)',
        'local r = get("/static/docs") assert(r.status == 301 and r.headers.location == "/static/docs/")',
        'assert(get("/static/docs/").body == "<p>docs")',
        """local r = get("/static/ten.txt")
           assert(get("/static/ten.txt", { ["If-None-Match"] = r.headers.etag }).status == 304)
           r = get("/static/ten.txt", { Range = "bytes=2-3" })
           assert(r.status == 206 and r.body == "23" and r.headers["content-range"] == "bytes 2-3/10")
           assert(get("/static/ten.txt", { Range = "bytes=99-" }).status == 416)""",
        'local r = get("/static/ten.txt", nil, "HEAD") assert(r.status == 200 and r.body == "")',
        'local r = get("/static/ten.txt", nil, "POST") assert(r.status == 405 and r.headers.allow == "GET, HEAD")',
        'local r = get("/spa/any/where") assert(r.status == 200 and r.body == "<p>index")',
        'local r = get("/app/ten.txt") assert(r.status == 200 and r.upstream == nil and r.body == "0123456789")',
        'local r = get("/app/none?x") assert(r.upstream == "app" and r.request.path == "/app/none?x")',
        'local r = get("/app/ten.txt", nil, "POST") assert(r.upstream == "app" and r.request.method == "POST")',
        'local r = get("/picked/ten.txt") assert(r.upstream == "app" and r.request.path == "/picked/ten.txt")',
        'local r = get("/list/") assert(r.status == 200 and r.body:find("ten.txt"))',
        'local r = get("/hooked/ten.txt") assert(r.headers["x-seen"] == "200 10 false", r.headers["x-seen"])',
        'local r = get("/hooked/x?to=/docs/index.html") assert(r.body == "<p>docs")',
        'local r = get("/hooked/none?mend=1") assert(r.status == 200 and r.body == "mended")',
    ],
)
def test_tests_of_a_configuration(site, test):
    assert run(site(test)) is None


def test_a_test_that_is_wrong_fails(site):
    assert "assertion failed" in run(site('assert(get("/static/none").status == 200)'))


@pytest.mark.parametrize(
    ("request_", "lines"),
    [
        (
            "GET /static/ten.txt",
            ["route:     any host /static/", "www/ten.txt", "answer:    200, by rsp itself", "0123456789"],
        ),
        ("GET /static/docs/", ["www/docs/index.html", "answer:    200"]),
        ("GET /static/docs", ["answer:    301, by rsp itself", "Location: /static/docs/"]),
        ("GET /static/none", ["answer:    404, by rsp itself"]),
        ("POST /static/ten.txt", ["answer:    405, by rsp itself", "Allow: GET, HEAD"]),
        ("GET /spa/some/where", ["www/index.html", "answer:    200"]),
        ("GET /app/ten.txt", ["www/ten.txt", "answer:    200, by rsp itself"]),
        ("GET /app/none", ["upstream:  app, peer 127.0.0.1:9001", "GET /app/none HTTP/1.1"]),
    ],
)
def test_explain(site, capsys, request_, lines):
    assert explain.main([site(), request_]) == 0
    said = capsys.readouterr().out
    for line in lines:
        assert line in said


def test_explain_takes_a_request_without_quotes(site, capsys):
    assert explain.main([site(), "-H", "A: b", "HEAD", "/app/none"]) == 0
    assert "HEAD /app/none HTTP/1.1" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        explain.main([site(), "HEAD", "/app/none", "--no-such"])
    assert "unrecognized arguments: --no-such" in capsys.readouterr().err
