"""What hooks see and may do.  Each case is a configuration with a test of its own, run as ``rsp -t`` runs it."""

import re
import subprocess

import pytest

from rsp.commands.rehearsal import Rehearsal
from rsp.config.errors import ConfigError
from rsp.config.schema import Settings
from rsp.lua.evaluate import Evaluation, evaluate
from rsp.lua.services import Services
from tests.paths import ROOT

SITE = """
listen "127.0.0.1:8000"
upstream "app" {{ "127.0.0.1:9001", "127.0.0.1:9002" }}
upstream "api" {{ "127.0.0.1:9003" }}
{hooks}
route {{ path = "/api/", to = "api", strip = true }}
route {{ to = "app" }}
test("it", function()
{test}
end)
"""


def run(tmp_path, hooks, test, site=SITE):
    """Why the test failed, or ``None``."""
    path = tmp_path / "site.lua"
    path.write_text(site.format(hooks=hooks, test=test))
    config, files = evaluate(str(path))
    rehearsal = Rehearsal(config, str(path), files)
    try:
        return rehearsal.run_tests()[0][1]
    finally:
        rehearsal.close()


def hook(body):
    return f"function on_request(req) {body} end"


GOOD = {
    "what a request is": (
        hook("""
          assert(req.method == "POST" and req.path == "/a/b" and req.query == "x=1&y=a%20b&x=2")
          assert(req.args.x == "1" and req.args.y == "a b" and req.args.z == nil)
          assert(req.host == "shop.example.com" and req.headers["Host"] == "Shop.Example.com:80")
          assert(req.client == "192.0.2.1" and req.scheme == "http" and req.tls == nil and #req.id > 5)
          assert(req.headers["x-one"] == "1" and req.headers["X-ONE"] == "1" and req.headers["x-two"] == nil)
          assert(req.cookies.a == "1" and req.cookies.b == "two" and req.cookies.c == nil)
          assert(req.body() == "hello" and req:body() == "hello" and req.headers["content-length"] == "5")
        """),
        """local r = simulate{ method = "POST", path = "/a/b?x=1&y=a%20b&x=2", host = "Shop.Example.com:80", body = "hello",
             client = "192.0.2.1", headers = { ["X-One"] = "1", Cookie = 'a=1; b="two"' } }
           assert(r.status == 200, r.log[1])""",
    ),
    "paths are read as a backend may read them": (
        hook('if req.path:find("^/admin") then return respond(403) end'),
        """for _, path in ipairs{ "/admin", "/%61dmin", "/x/../admin", "//admin", "/./admin", "/x\\\\..\\\\admin" } do
             assert(simulate{ path = path }.status == 403, path)
           end
           assert(simulate{ path = "/other" }.request.path == "/other")""",
    ),
    "what is changed": (
        hook("""
          req.method = "PUT"
          req.path = "/new path/" .. req.path:match("%d+")
          req.args.more = "a&b"
          req.args.gone = nil
          req.host = "inner.test:81"
          req.headers["X-New"] = 7
          req.headers["x-old"] = nil
          req.headers["X-List"] = { "1", "2" }
          req.headers:add("X-List", "3")
          req.cookies.secret = nil
          req.cookies.mine = "yes"
          req.body = "another body"
        """),
        """local r = simulate{ method = "POST", path = "/7?gone=1&kept=%20", body = "x", headers =
             { ["X-Old"] = "1", Cookie = "secret=1; other=2" } }
           local q = r.request
           assert(q.method == "PUT" and q.path == "/new%20path/7?kept=%20&more=a%26b", q.path)
           assert(q.headers["host"] == "inner.test:81" and q.headers["x-new"] == "7" and q.headers["x-old"] == nil)
           assert(q.headers["x-list"] == "1, 2, 3", q.headers["x-list"])
           assert(q.headers["cookie"] == "mine=yes; other=2")
           assert(q.body == "another body" and q.headers["content-length"] == "12")""",
    ),
    "many values": (
        hook("""
          assert(req.headers["x-many"] == "a, b", req.headers["x-many"])
          local all = req.headers:all("X-Many")
          assert(#all == 2 and all[2] == "b" and #req.headers:all("none") == 0)
          local seen = {}
          for name, value in pairs(req.headers) do seen[#seen + 1] = name .. "=" .. value end
          assert(table.concat(seen, " "):find("X%-Many=a X%-Many=b"))
          for name, value in pairs(req.args) do assert(name == "q" and value == "1") end
        """),
        'assert(simulate{ path = "/?q=1", headers = { ["X-Many"] = { "a", "b" } } }.status == 200)',
    ),
    "a global hook is before routing, a route's after it": (
        """
        function on_request(req) req.ctx.seen = "all" if req.path == "/old" then req.path = "/api/new" end end
        route { path = "/special/", to = "app", strip = true, on_request = function(req)
          assert(req.ctx.seen == "all")
          if req.args.go then req.path = "/elsewhere" end
        end }
        """,
        """local r = simulate{ path = "/old" }
           assert(r.upstream == "api" and r.request.path == "/new" and r.route == "any host /api/")
           assert(simulate{ path = "/special/x" }.request.path == "/x")
           assert(simulate{ path = "/special/x?go=1" }.request.path == "/elsewhere?go=1")""",
    ),
    "answers": (
        hook("""
          local what = req.args.what
          if what == "text" then return respond(403, "no") end
          if what == "table" then return respond{ status = 201, headers = { ["X-A"] = "1", ["Content-Type"] = "a/b" }, body = "b" } end
          if what == "json" then return respond.json({ list = json.array{}, n = 1.5, text = "ä\\"" }, 202) end
          if what == "page" then return respond(404) end
          if what == "redirect" then return redirect("https://x.test/a b?q=1", 308) end
          if what == "found" then return redirect "/x" end
          if what == "empty" then return respond(204) end
          if what == "nothing" then return nil end
        """),
        """local function ask(what) return simulate{ path = "/?what=" .. what } end
           local r = ask "text"
           assert(r.status == 403 and r.body == "no" and r.upstream == nil)
           r = ask "table"
           assert(r.status == 201 and r.body == "b" and r.headers["x-a"] == "1" and r.headers["content-type"] == "a/b")
           r = ask "json"
           assert(r.status == 202 and r.body == '{"list":[],"n":1.5,"text":"ä\\\\""}', r.body)
           assert(ask("page").body:find("404 Not Found"))
           r = ask "redirect"
           assert(r.status == 308 and r.headers["location"] == "https://x.test/a%20b?q=1")
           assert(ask("found").status == 302 and ask("empty").status == 204 and ask("nothing").upstream == "app")""",
    ),
    "proxy": (
        hook("""
          if req.args.to then return proxy(req.args.to) end
          if req.args.peer then return proxy{ peer = req.args.peer } end
        """),
        """assert(simulate{ path = "/?to=api" }.upstream == "api")
           assert(simulate{ path = "/api/x?to=app" }.request.path == "/api/x?to=app")
           assert(simulate{ path = "/?to=none" }.status == 500)
           local r = simulate{ path = "/?peer=10.0.0.9:80" }
           assert(r.peer == "10.0.0.9:80" and r.status == 200 and r.request.path == "/?peer=10.0.0.9:80")
           assert(simulate{ path = "/?peer=nonsense" }.status == 500)""",
    ),
    "responses": (
        """
        route { path = "/r", to = "app",
          on_response = function(req, res)
            assert(res.headers["x-b"] == "1" and res.headers["content-length"] == "4" and res.status == 200)
            res.headers["X-B"] = nil
            res.status = 203
            req.ctx.route = true
            if req.args.replace then res.body = "new" end
            if req.args.read then res.body = res.body:upper() .. "!" end
            if req.args.filter then res.filter = function(chunk, last) return chunk:gsub("o", "0") .. (last and "." or "") end end
            if req.args.answer then return respond(418, "teapot") end
          end }
        function on_response(req, res) if req.ctx.route then res.headers["X-Both"] = res.status end end
        """,
        """local function ask(query, method)
             return simulate{ path = "/r?" .. query, method = method, response = { headers = { ["X-B"] = "1" }, body = "good" } }
           end
           local r = ask ""
           assert(r.status == 203 and r.body == "good" and r.headers["x-b"] == nil and r.headers["x-both"] == "203", r.log[1])
           r = ask "replace=1"
           assert(r.body == "new" and r.headers["content-length"] == "3")
           assert(ask("read=1").body == "GOOD!")
           assert(ask("filter=1").body == "g00d.")
           assert(ask("answer=1").status == 418 and ask("answer=1").body == "teapot")""",
    ),
    "a peer is chosen": (
        """route { path = "/c", to = "app", on_upstream = function(req, peers)
             assert(#peers == 2 and peers[1].weight == 1 and peers[1].in_flight == 0 and not peers[1].backup)
             if req.args.p == "address" then return "127.0.0.1:9002" end
             if req.args.p then return peers[tonumber(req.args.p)] end
           end }""",
        """for _ = 1, 3 do
             assert(simulate{ path = "/c?p=1" }.peer == "127.0.0.1:9001")
             assert(simulate{ path = "/c?p=2" }.peer == "127.0.0.1:9002")
             assert(simulate{ path = "/c?p=address" }.peer == "127.0.0.1:9002")
           end
           assert(simulate{ path = "/c?p=3" }.status == 200)
           assert(simulate{ path = "/c" }.status == 200)""",
    ),
    "errors can be answered": (
        """
        function on_request(req) if req.path == "/broken" then error("oh") end end
        function on_error(req, err) return respond(err.status, "sorry: " .. err.status .. " " .. err.reason) end
        """,
        """local r = simulate{ path = "/broken" }
           assert(r.status == 500 and r.body == "sorry: 500 Internal Server Error", r.body)
           assert(r.log[1]:find("site.lua:%d+: oh"))""",
    ),
    "waiting": (
        hook("""
          local began = time.monotonic()
          sleep(0.05)
          local a, b = parallel{ function() sleep("60ms") return 1 end, function() sleep(0.06) return 2 end }
          local named = parallel{ x = function() return "X" end, y = function() sleep(0.01) return "Y" end }
          assert(a == 1 and b == 2 and named.x == "X" and named.y == "Y")
          local took = time.monotonic() - began
          assert(took > 0.1 and took < 5, took)
          local co = coroutine.wrap(function() sleep(0.01) coroutine.yield("from inside") return "end" end)
          assert(co() == "from inside" and co() == "end")
          local good, message = pcall(function() sleep(0.01) error("caught", 0) end)
          assert(not good and message == "caught")
          return respond(200, "waited")
        """),
        'local r = simulate{} assert(r.body == "waited", r.log[1])',
    ),
    "http": (
        hook("""
          local res, reason = http.post{ url = "http://x.test/a", args = { q = "a b" }, json = { 1, 2 }, headers = { ["X-A"] = "1" } }
          if not res then return respond(502, reason) end
          assert(res.ok and res.headers["X-Kind"] == "k" and res.json().name == "n")
          return respond(200, res.body)
        """),
        """local r = simulate{ http = function(call)
             assert(call.method == "POST" and call.url == "http://x.test/a?q=a%20b" and call.body == "[1,2]")
             assert(call.fields:find("Content%-Type: application/json") and call.fields:find("X%-A: 1"))
             return { status = 200, headers = { ["X-Kind"] = "k" }, body = '{"name":"n"}' }
           end }
           assert(r.body == '{"name":"n"}', r.log[1])
           assert(simulate{}.status == 502)""",
    ),
    "shared state": (
        hook("""
          local d = shared("d")
          assert(d:get("none") == nil and d.get("none") == nil)
          assert(d:set("a", "text") and d.get("a") == "text")
          assert(d:set("n", 1.5) and d:get("n") == 1.5 and d:set("b", true) and d:get("b") == true)
          assert(not d:add("a", "other") and d:add("new", 1))
          assert(d:incr("c") == 1 and d:incr("c", 5) == 6 and d:incr("z", 1, 10) == 11 and d:incr("t", 1, { ttl = "1m" }) == 1)
          assert(table.concat(d:keys(), " ") == "a b c n new t z", table.concat(d:keys(), " "))
          assert(d:delete("a") and not d:delete("a") and d:get("a") == nil)
          d:set("short", "x", 0.02)
          assert(d:get("short") == "x")
          sleep(0.03)
          assert(d:get("short") == nil and shared("e"):get("c") == nil)
          assert(not pcall(d.incr, "n2", "x") and not pcall(d.set, "t", {}))
        """),
        'local r = simulate{} assert(r.status == 200, r.log[1])',
    ),
    "limits": (
        hook("""
          if req.path == "/rate" then
            local good, wait = limit.rate{ key = req.client, rate = "1r/m", burst = 2 }
            return respond(good and 200 or 429, wait and tostring(math.ceil(wait)) or "")
          end
          if not limit.conn{ key = "k", max = 2 } then return respond(503) end
        """),
        """for _ = 1, 3 do assert(simulate{ path = "/rate" }.status == 200) end
           local r = simulate{ path = "/rate" }
           assert(r.status == 429 and r.body == "60", r.body)
           assert(simulate{ path = "/rate", client = "192.0.2.3" }.status == 200)
           for _ = 1, 5 do assert(simulate{}.status == 200) end""",
    ),
    "tools": (
        hook("""
          assert(base64.encode("a?>") == "YT8+" and base64.encode_url("a?>") == "YT8-" and base64.decode("YT8-") == "a?>")
          assert(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
          assert(hmac.sha256("k", "v"):sub(1, 8) == "9fa75c68" or #hmac.sha256("k", "v") == 64)
          assert(hmac.equal("a", "a") and not hmac.equal("a", "b"))
          assert(url.encode("a b/ä") == "a%20b%2F%C3%A4" and url.decode("a+b%2f") == "a b/")
          assert(url.build_query{ b = 1, a = { "x", "y" } } == "a=x&a=y&b=1" and url.parse_query("a=1&a=2").a[2] == "2")
          assert(cookie.parse("a=1; b=2").b == "2" and cookie.build("a", "1", { path = "/", secure = true }) == "a=1; Path=/; Secure")
          local t = json.decode('{"a":[1,null,{"b":"c"}],"d":null,"e":true}')
          assert(t.a[3].b == "c" and t.a[2] == json.null and t.d == nil and t.e == true)
          assert(json.encode(json.decode('{"a":[],"b":{}}')) == '{"a":[],"b":{}}')
          assert(json.decode("{") == nil and select(2, json.decode("{")):find("json.decode"))
          assert(json.encode{ a = { 1, 2 }, b = "x\\n" } == '{"a":[1,2],"b":"x\\\\n"}')
          assert(ip.matches("10.1.2.3", "10.0.0.0/8") and not ip.matches("11.1.2.3", "10.0.0.0/8"))
          assert(ip.set{ "::1", "192.0.2.0/24" }.has("::ffff:192.0.2.9") and not ip.set{ "::1" }.has("nonsense"))
          local m = regex("(?P<y>\\\\d{4})-(\\\\d\\\\d)").match("on 2024-05-01")
          assert(m[0] == "2024-05" and m[1] == "2024" and m.y == "2024" and m[2] == "05")
          assert(regex("a+").replace("baaa", "x") == "bx" and regex(",").split("a,b")[2] == "b" and not regex("^z").test("az"))
          assert(split{ a = 1 } == "a" and split({ a = 50, b = 50 }, "k") == split({ a = 50, b = 50 }, "k"))
          assert(time.http(0) == "Thu, 01 Jan 1970 00:00:00 GMT" and time.iso(0) == "1970-01-01T00:00:00Z")
          local claims, why = jwt.verify("x.y.z", "k")
          assert(claims == nil and why)
        """),
        'local r = simulate{} assert(r.status == 200, r.log[1])',
    ),
    "split keeps its shares": (
        "",
        """local count = { a = 0, b = 0 }
           for n = 1, 4000 do
             local name = split({ a = 90, b = 10 }, "client " .. n)
             count[name] = count[name] + 1
           end
           assert(count.a > 3500 and count.a < 3700, count.a)""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_hooks(tmp_path, name):
    hooks, test = GOOD[name]
    budget = "lua = { instructions = 10000000 }\n"  # a first call is slow, on a busy machine most of all
    assert run(tmp_path, budget + hooks, test) is None


BAD = {
    "leak = 1": 'global "leak" is assigned in a hook',
    "_G.leak = 1": 'global "leak" is assigned in a hook',
    'rawset(_G, "leak", 1)': "bad argument #1 to 'rawset'",
    'rawset(req, "x", 1)': "bad argument #1 to 'rawset'",
    "string.upper = nil": '"string.upper" cannot be assigned here',
    "table.insert(string, 1)": "bad argument #1 to 'insert'",
    'listen "127.0.0.1:1"': "listen can be called only while the configuration is loaded",
    'require "x"': "require can be called only while the configuration is loaded",
    "while true do end": "the hook runs longer than lua.instructions allows",
    "while true do pcall(function() while true do end end) end": "the hook runs longer",
    "coroutine.wrap(function() while true do end end)()": "the hook runs longer",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000000) .. #t end": "needs more memory than lua.memory allows",
    "local s = 'x' while true do s = s .. s end": "needs more memory than lua.memory allows",
    "return 42": "on_request returned 42; expected nothing, or respond",
    'return "app"': 'on_request returned "app"',
    "coroutine.yield(1)": "coroutine.yield outside of a coroutine of its own",
    "error{}": "error object: table",
    "error()": "error object: nil",
    "local x = nil; x.y = 1": "attempt to index local 'x'",
    "req.headrs = 1": "req.headrs is read-only; these can be assigned: body, host, method, path, query",
    "local x = req.heders": "req.heders: unknown field; known: args, body, client",
    'req.headers["X"] = "a\\r\\nEvil: 1"': "the value contains a control character or a line break",
    'req.headers["X"] = "a\\0b"': "the value contains a control character or a line break",
    'req.headers["X: y"] = "1"': "is not a valid field name",
    'req.headers["X\\r\\nY"] = "1"': "is not a valid field name",
    'req.headers["Content-Length"] = "5"': "is set by rsp itself",
    'req.headers["Transfer-Encoding"] = "chunked"': "is set by rsp itself",
    'req.headers:add("Connection", "close")': "is set by rsp itself",
    "req.headers.x = { {} }": "expected a string, got a table",
    'req.method = "GET /evil HTTP/1.1\\r\\n"': "expected a method",
    'req.method = "HEAD"': "cannot change from or to HEAD",
    'req.path = "evil"': "expected a path that begins with /",
    'req.query = "a b"': "expected a string without spaces",
    'req.host = "a\\r\\nb"': "expected a host name",
    'req.host = ("a"):rep(262)': "expected a host name",
    'req.host = "a:b:c]"': "expected a host name",
    'return proxy{ peer = "10.0.0.1:70000" }': "expected a port from 0 to 65535",
    "return proxy{ upstream = 5 }": 'no upstream "5"',
    "sleep(1/0)": "expected seconds",
    'limit.conn{ key = "k", max = 1/0 }': "limit.conn: max: expected a number from 1",
    'limit.rate{ key = "k", rate = "1r/s", cost = 0/0 }': "limit.rate: cost: expected a number from 0",
    "http.get{ upstream = 1LL }": "http: upstream: expected a string, got a cdata",
    'http.get{ url = "http://127.0.0.1:1/", max_body = 1/0 }': "http: max_body: expected a number from 0",
    'shared("\\1x")': "the name begins with a control character",
    'req.cookies.x = "a;b"': "this is not allowed in a cookie",
    'return respond(99)': "expected a status from 200 to 599, got 99",
    'return respond(200, "x", { ["A\\n"] = "1" })': "is not a valid field name",
    'return respond{ status = 200, headers = { A = "x\\r\\ny" } }': "a control character or a line break",
    "return respond{ stauts = 1 }": 'unknown key "stauts"',
    'return redirect("/x", 200)': "expected 301, 302, 303, 307 or 308",
    "return proxy{ peer = false }": "expected the name of an upstream",
    "return proxy(7)": "expected the name of an upstream",
    'return proxy "ap"': 'no upstream "ap" (did you mean "app"?)',
    'http.get("ftp://x")': "expected http://..., https://..., or upstream and path",
    'http.get{ url = "http://x/ y" }': "spaces, control characters",
    'http.get{ uri = "http://x/" }': 'unknown key "uri"',
    'sleep("soon")': "expected seconds",
    "limit.rate{ rate = '1r/s' }": "limit.rate: key: expected a string, got nil",
    'limit.rate{ key = "a", rate = "fast" }': "expected a text such as",
    'regex("(")': "regex: ",
    'ip.matches("1.2.3.4", "1.2.3/99")': "does not appear to be an IPv4 or IPv6 network",
    'json.encode{ f = function() end }': "a function cannot be represented in JSON",
    "local t = {} t.t = t json.encode(t)": "nested too deep",
    'shared("x"):set("k", {})': "expected a string, a number or a boolean",
    "parallel{ 1 }": "expected functions",
    "every('1s', function() end)": "every can be called only while the configuration is loaded",
    "local f = load('x = 1') f()": 'global "x" is assigned in a hook',
    "local x = req.header": '(did you mean "headers"?)',
    "local x = req.uri": '(did you mean "path"?)',
    'return redirect(301, "/x")': 'redirect: the URL comes first; write redirect("/x", 301)',
    "return 429": "write return respond(429)",
    "ngx.exit(403)": "(in rsp: req, res and respond(...)",
    "os.execute('id')": "(rsp does not run programs)",
    "res.status = 200": "attempt to index global 'res'",
}  # fmt: skip


@pytest.mark.parametrize("body", BAD)
def test_what_hooks_may_not_do(tmp_path, body):
    check = f"""
      local r = simulate{{}}
      assert(r.status == 500, r.status)
      local log = table.concat(r.log, "\\n")
      assert(log:find([==[{BAD[body]}]==], 1, true), log)
      assert(log:find("site.lua:[45]:"), log)
      assert(simulate{{ path = "/fine" }}.status == 200)
    """
    hooks = "function on_request(req) if req.path == '/fine' then return end\n" + body + "\nend"
    site = SITE.replace("\n{hooks}", "{hooks}")
    assert run(tmp_path, hooks, check, site) is None


@pytest.mark.parametrize(
    "attempt",
    [
        "io.open('/etc/passwd')", "os.execute('id')", "os.exit(1)", "os.remove('x')", "debug.getinfo(1)", "package.path",
        "require('ffi')", "load('\\27LJ')()", "string.dump(print)", "getfenv(0).io", "setfenv(1, {})", "python.eval('1')",
        "newproxy(true)", "collectgarbage()", "jit.on()", "getmetatable('').__index", "getmetatable(req).__index",
        "getmetatable(_G).__index", "http.get.__class__", "loadfile('/etc/passwd')()", "module('x')",
    ],
)  # fmt: skip
def test_there_is_no_way_out(tmp_path, attempt):
    hooks = hook(f"local x = {attempt} return respond(200, tostring(x))")
    assert run(tmp_path, hooks, "local r = simulate{} assert(r.status == 500, r.body)") is None


def test_what_services_raise_is_plain(tmp_path):
    """What pcall catches is never an object of the host's."""
    hooks = hook("""
      for _, call in ipairs{
        function() base64.decode(1, {}) end, function() json.decode({}) end, function() regex("(") end,
        function() ip.set{ "x" } end, function() jwt.verify("a", {}) end, function() dns.resolve(1, {}) end,
        function() http.get{ url = "http://[::1" } end, function() time.http("x") end, function() limit.conn{ key = "k", max = "1" } end,
        function() shared("x"):incr("k", 1, 0, {}) end, function() limit.rate{ key = "k", rate = "1r/s", cost = "x" } end,
        function() limit.rate{ key = "k", rate = "1r/s", burst = {} } end, function() shared("x"):keys("y") end,
        function() json.decode(("["):rep(2000)) end, function() json.decode(("["):rep(900) .. ("]"):rep(900)) end, function() hmac.sha256({}, 1) end,
      } do
        local good, problem = pcall(call)
        assert(good or type(problem) == "string", type(problem))
      end
      return respond(200, "plain")
    """)
    assert run(tmp_path, hooks, 'local r = simulate{} assert(r.body == "plain", r.log[1] or r.body)') is None


def test_fail_open(tmp_path):
    hooks = """
    lua = { fail_open = true }
    function on_request(req) error("broken") end
    route { path = "/closed", to = "app", fail_open = false, on_request = function() error("broken") end }
    """
    check = 'assert(simulate{}.upstream == "app") assert(simulate{ path = "/closed" }.status == 500)'
    assert run(tmp_path, hooks, check) is None


def test_an_answer_that_is_not_returned_is_told(tmp_path, capfd):
    hooks = hook("if req.args.forgot then respond(403) end if req.args.fine then return respond(403) end")
    check = 'assert(simulate{ path = "/?forgot=1" }.status == 200) assert(simulate{ path = "/?fine=1" }.status == 403)'
    assert run(tmp_path, hooks, check) is None
    told = capfd.readouterr().err
    assert told.count("this hook made an answer, but did not return it") == 1
    assert f"{tmp_path}/site.lua:5: " in told


def test_a_failing_test_names_its_line(tmp_path):
    failure = run(tmp_path, "", "local r = simulate{}\nassert(r.upstream == 'api', 'it went to ' .. r.upstream)")
    assert failure.startswith(f"{tmp_path}/site.lua:10: it went to app")


def test_passwords(tmp_path):
    apr1 = subprocess.run(["openssl", "passwd", "-apr1", "-salt", "saltsalt", "wonder"], capture_output=True, text=True)
    users = [
        "ann:$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",  # U*U
        "bob:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=",  # test
        *([f"cat:{apr1.stdout.strip()}"] if apr1.returncode == 0 else []),
    ]
    (tmp_path / "users").write_text("# people\n" + "\n".join(users) + "\n")
    hooks = """
    local users = basic_auth{ file = "users", realm = "staff" }
    function on_request(req)
      local user = users.user(req)
      if not user then return users.ask() end
      req.headers["X-User"] = user
    end
    """
    check = """
      local function try(text) return simulate{ headers = { Authorization = "Basic " .. base64.encode(text) } } end
      local r = simulate{}
      assert(r.status == 401 and r.headers["www-authenticate"] == 'Basic realm="staff", charset="UTF-8"')
      assert(try("ann:U*U").request.headers["x-user"] == "ann" and try("ann:U*U").status == 200)
      assert(try("bob:test").request.headers["x-user"] == "bob")
      CAT
      for _, text in ipairs{ "ann:wrong", "bob:", "nobody:x", "ann", "", ":" } do assert(try(text).status == 401, text) end
    """.replace("CAT", 'assert(try("cat:wonder").status == 200)' if apr1.returncode == 0 else "")
    assert run(tmp_path, hooks, check) is None
    (tmp_path / "users").write_text("ann:plain\n")
    with pytest.raises(ConfigError, match=r"site.lua:\d+: htpasswd: line 1: the password is not hashed"):
        run(tmp_path, hooks, check)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("function on_reqest() end", 'unknown hook "on_reqest" (did you mean "on_request"?)'),
        ('route { to = "app", on_request = 5 }', "route: on_request: expected a function, got 5"),
        ('route { to = "app", on_respnse = function() end }', 'unknown key "on_respnse" (did you mean "on_response"?)'),
        ('every("soon", function() end)', "every: interval: expected a duration"),
        ('every("1s")', "every: expected an interval and a function"),
        ('every("1s", function() end, "some")', "every: workers:"),
        ("test(function() end)", "test: expected a name and a function"),
        ('lua = { memory = "1MB" }', "lua: memory: expected 8MB or more"),
        ("lua = { instructons = 1 }", 'unknown key "instructons" (did you mean "instructions"?)'),
        ('shared("x"):set("a", 1)', "shared state is for hooks"),
        ("sleep(1)", "sleep cannot wait here: call it in a hook"),
        ("local x = respond(5)", "expected a status from 200 to 599"),
    ],
)
def test_mistakes_at_load(tmp_path, text, message):
    path = tmp_path / "site.lua"
    path.write_text(f'listen "127.0.0.1:1"\nupstream "app" {{ "127.0.0.1:2" }}\n{text}\n')
    with pytest.raises(ConfigError) as caught:
        evaluate(str(path))
    assert f"{path}:3: " in str(caught.value)
    assert message in str(caught.value)


def test_hooks_alone_are_a_configuration(tmp_path):
    path = tmp_path / "site.lua"
    path.write_text('listen "127.0.0.1:1"\nfunction on_request(req) return respond(200, "alone") end\n')
    config, files = evaluate(str(path))
    assert config.hooks == (f"{path}:2",)
    rehearsal = Rehearsal(config, str(path), files)
    assert rehearsal.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"127.0.0.1").body == b"alone"
    rehearsal.close()


def test_examples_are_clean_for_luacheck():
    try:
        done = subprocess.run(
            ["luacheck", "-q", "."], cwd=ROOT / "examples", capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("luacheck is not installed")
    assert done.returncode == 0, done.stdout


def test_editors_and_luacheck_know_every_word(tmp_path):
    path = tmp_path / "site.lua"
    path.write_text('listen "127.0.0.1:1"')
    nothing = dict.fromkeys(("get_field", "set_field", "warn"), print)
    base = Evaluation(str(path), Services(), nothing).runtime._sandbox[b"base"]
    lua = {
        "assert",
        "error",
        "ipairs",
        "next",
        "pcall",
        "rawequal",
        "rawget",
        "rawset",
        "select",
        "setmetatable",
        "getmetatable",
        "tonumber",
        "tostring",
        "type",
        "unpack",
        "xpcall",
        "_VERSION",
        "pairs",
        "print",
        "load",
        "loadstring",
        "dofile",
        "require",
        "string",
        "table",
        "math",
        "bit",
        "os",
        "coroutine",
        "_G",
    }
    words = {name.decode() for name in base} - lua
    assert len(words) > 30
    annotations = "".join(path.read_text() for path in (ROOT / "rsp" / "lua" / "annotations").glob("*.lua"))
    luacheck = (ROOT / "examples" / ".luacheckrc").read_text()
    assert not [name for name in Settings.__struct_fields__ if f'"{name}"' not in luacheck]
    reference = (ROOT / "docs" / "lua.md").read_text() + (ROOT / "docs" / "configuration.md").read_text()
    for word in words:
        assert word.startswith("on_") or re.search(rf"^(function )?{word}\b", annotations, re.MULTILINE), word
        assert f'"{word}"' in luacheck, word
        assert word in reference, word
