"""``shared(name, { store = ... })`` in a running rsp: several instances over real Redis and Valkey, and their outages."""

import json
import re
import socket
import threading
import time

import httpx
import pytest

from rsp.config.errors import ConfigError
from rsp.lua.evaluate import evaluate
from tests.harness import Rsp, get, run_rsp, wait_until
from tests.paths import ROOT
from tests.ports import free_port
from tests.redis_server import KINDS, Pretender, command, redis_server, tls_options

# Each route answers with what its hook gives, as a list of JSON: so nil is null, and the second one is the reason.
SITE = """
lua = { instructions = 10000000 } -- a hook's time counts, too, and "/endless" makes clients
listen "127.0.0.1:{port}"
listen "127.0.0.1:%(clear)d" { http2 = "prior-knowledge" }
store "main" { "redis://127.0.0.1:%(redis)d/1", timeout = "500ms" }
local d = shared("things", { store = "main" })
local bare = shared("bare", { store = "redis://127.0.0.1:%(redis)d/1" })
local function list(...)
  local given = {}
  for index = 1, select("#", ...) do
    local value = select(index, ...)
    given[index] = value == nil and json.null or value
  end
  return respond(200, json.encode(json.array(given)))
end
local function answers(path, fn)
  route { path = path, respond = { status = 204 }, on_request = function(req) return list(fn(req)) end }
end
answers("/types", function()
  local kept = {}
  for key, value in pairs{ text = "x", digits = "5", exp = "1e3", number = 5, half = -0.5, yes = true, no = false,
                           large = 2^53, bytes = "\\1\\2\\0", empty = "" } do
    assert(d.set(key, value) == true)
    local known = d:get(key)
    assert(type(known) == type(value) and known == value, key)
    kept[#kept + 1] = key
  end
  table.sort(kept)
  return table.concat(kept, ","), table.concat(d.keys(), ",")
end)
answers("/add", function() return d.add("new", 1), d.add("new", 2), d.get("new") end)
answers("/delete", function() return d.delete("new"), d.delete("new"), d.get("new"), d.set("new", nil) end)
answers("/incr", function()
  return d.incr("n"), d.incr("n", 2.5), d.incr("m", 1, 10), d.incr("k", 1, { init = 5, ttl = "1m" }), d.incr("k")
end)
answers("/text", function() d.set("text", "x") return d.incr("text") end)
answers("/ttl", function() return d.set("short", 1, 0.05), d.set("long", 1, "1h") end)
answers("/list", function() return d.get("list") end)
answers("/keys", function(req) return json.array(d.keys(tonumber(req.args.n))) end)
answers("/many", function() for index = 1, 1500 do d.set("many" .. index, index) end return #d.keys(10000) end)
answers("/get", function(req) return d.get(req.args.k) end)
answers("/set", function(req) return d.set(req.args.k, req.args.v) end)
answers("/bare", function(req) return bare.set("k", "v"), bare.get("k") end)
answers("/large", function() return d.set("large", ("x"):rep(1000001)) end)
answers("/parallel", function()
  local found = parallel{ a = function() return d.set("p", 1) end, b = function() return d.incr("q", 2) end }
  return found.a, found.b
end)
answers("/late", function() return shared("late", { store = "redis://127.0.0.1:%(redis)d/2" }).set("k", 1) end)
answers("/none", function() return shared("late", { store = "other" }).set("k", 1) end)
answers("/endless", function(req) for n = 1, 40 do
  local ok, why = pcall(shared, "x", { store = "redis://127.0.0.1:1/" .. n })
  if not ok then return n, why end
end end)
route { path = "/filter", respond = { status = 200, body = "x" }, on_response = function(req, res)
  res.filter = function(chunk) d.set("filtered", 1) return chunk end
end }
route { path = "/logged", respond = { status = 204 }, on_log = function(req) d.incr("logged") end }
route { path = "/plain", respond = { status = 204 } }
on_start(function() d.set("started", true) end)
"""


class Site:
    def __init__(self, rsp, server, clear):
        self.rsp, self.server, self.clear = rsp, server, clear

    def ask(self, path):
        head, _, body = get(self.rsp.port, path).partition(b"\r\n\r\n")
        assert b" 200 " in head, (head, self.rsp.log)
        return json.loads(body)


@pytest.fixture(scope="module", params=KINDS)
def site(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("stores")
    with redis_server(directory, kind=request.param) as server:
        clear = free_port()
        with Rsp(directory, SITE % {"redis": server.port, "clear": clear}) as rsp:
            yield Site(rsp, server, clear)


def test_values_have_the_types_that_they_were_set_with(site):
    kept, keys = site.ask("/types")
    assert "digits" in kept
    assert set(kept.split(",")) <= set(keys.split(","))


def raw(site, *words):
    """As another program sees it: in the database 1."""
    with socket.create_connection(("127.0.0.1", site.server.port), 5) as sock:
        sock.sendall(command("SELECT", "1") + command(*words))
        reader = sock.makefile("rb")
        assert reader.readline() == b"+OK\r\n"
        line = reader.readline().rstrip()
        return reader.read(int(line[1:])) if line[:1] == b"$" and line != b"$-1" else line


def test_other_programs_see_texts_and_numbers(site):
    site.ask("/types")
    assert raw(site, "GET", "things:text") == b"x"
    assert raw(site, "INCR", "things:number") == b":6"
    assert raw(site, "GET", "things:half") == b"-0.5"
    raw(site, "SET", "things:theirs", "12")
    assert site.ask("/get?k=theirs") == [12]
    raw(site, "SET", "things:theirs", "seven")
    assert site.ask("/get?k=theirs") == ["seven"]


def test_each_operation_says_what_it_has_done(site):
    assert site.ask("/add") == [True, False, 1]
    assert site.ask("/delete") == [True, False, None, True]
    assert site.ask("/incr") == [1, 3.5, 11, 6, 7]
    assert site.ask("/parallel") == [True, 2]
    assert site.ask("/bare") == [True, "v"]
    assert 0 < int(raw(site, "PTTL", "things:k")[1:]) <= 60000
    assert raw(site, "PTTL", "things:n") == b":-1"
    assert b" 500 " in get(site.rsp.port, "/text").partition(b"\r\n")[0]
    assert "the value of this key is not a number" in site.rsp.log


def test_values_end_with_their_time(site):
    assert site.ask("/ttl") == [True, True]
    wait_until(lambda: site.ask("/get?k=short") == [None], "the value ends")
    assert 3_500_000 < int(raw(site, "PTTL", "things:long")[1:]) <= 3_600_000


def test_a_key_of_another_type_is_a_reason(site):
    raw(site, "LPUSH", "things:list", "x")
    value, reason = site.ask("/list")
    assert value is None
    assert reason.startswith('store "main": WRONGTYPE')
    value, reason = site.ask("/large")
    assert value is None
    assert "1000001 bytes" in reason


def test_keys_are_those_of_the_dictionary_up_to_the_limit(site):
    assert site.ask("/many")[0] >= 1500
    keys = site.ask("/keys?n=3")[0]
    assert len(keys) == 3
    raw(site, "SET", "thing", "x")
    raw(site, "SET", "things2:x", "x")
    assert all("thing" not in key for key in site.ask("/keys?n=10000")[0])


def test_stores_that_are_named_in_hooks(site):
    assert site.ask("/late") == [True]
    assert b" 500 " in get(site.rsp.port, "/none").partition(b"\r\n")[0]
    assert 'shared: store: no store "other"; the file has "main"' in site.rsp.log
    number, why = site.ask("/endless")
    assert number <= 20
    assert "more than 16 URLs" in why


def test_a_filter_cannot_wait_for_a_store(site):
    get(site.rsp.port, "/filter")
    assert "a filter cannot wait: call it in on_response, before the filter" in site.rsp.log
    assert raw(site, "GET", "things:filtered") == b"$-1"


def test_hooks_after_the_response_and_at_the_start(site):
    get(site.rsp.port, "/logged")
    wait_until(lambda: raw(site, "GET", "things:logged") == b"1", "the hook has counted")
    wait_until(lambda: site.ask("/get?k=started") == [True], "on_start has set it")


def test_streams_of_http2_wait_for_stores_side_by_side(site):
    site.ask("/set?k=h2&v=x")
    with httpx.Client(http1=False, http2=True, timeout=30) as client:
        found = client.get(f"http://127.0.0.1:{site.clear}/get?k=h2")
        assert (found.http_version, found.json()) == ("HTTP/2", ["x"])
        site.server.pause()
        try:
            for _ in range(3):  # clients that leave while their hooks wait
                with pytest.raises(httpx.ReadTimeout):
                    client.get(f"http://127.0.0.1:{site.clear}/get?k=h2", timeout=0.05)
            assert client.get(f"http://127.0.0.1:{site.clear}/plain").status_code == 204
        finally:
            site.server.resume()
        wait_until(lambda: client.get(f"http://127.0.0.1:{site.clear}/get?k=h2").json() == ["x"], "it is back")
    assert "Traceback" not in site.rsp.log


# -- several instances, outages

SESSIONS = """
listen "127.0.0.1:{port}"
%(store)s
local sessions = shared("sessions", { store = %(name)s })
route { path = "/login", respond = { status = 204 }, on_request = function(req)
  local good, reason = sessions.set(req.args.id, req.args.user, "1h")
  return respond(good and 200 or 503, reason or "in")
end }
route { path = "/who", respond = { status = 204 }, on_request = function(req)
  local user, reason = sessions.get(req.args.id)
  return respond(reason and 503 or user and 200 or 401, reason or user or "nobody")
end }
route { path = "/plain", respond = { status = 200, body = "plain" } }
"""


def status(answer):
    return int(answer.split(b" ", 2)[1])


def body(answer):
    return answer.partition(b"\r\n\r\n")[2].decode()


def metric(port, name):
    """Summed up over its labels."""
    lines = [line.rpartition(" ") for line in body(get(port, "/metrics", "localhost")).splitlines() if line[:1] != "#"]
    found = [float(value) for series, _, value in lines if series.partition("{")[0] == name]
    assert found, name
    return sum(found)


def test_instances_share_and_survive_outages(tmp_path):
    with redis_server(tmp_path) as server:
        text = SESSIONS % {
            "store": f'store "main" {{ "redis://127.0.0.1:{server.port}", timeout = "300ms" }}',
            "name": '"main"',
        }
        metrics = free_port()
        told = f'metrics = "127.0.0.1:{metrics}" {text}'
        for name in "ab":
            (tmp_path / name).mkdir()
        with Rsp(tmp_path / "a", text, workers=2) as one, Rsp(tmp_path / "b", told, workers=2) as other:
            assert status(get(one.port, "/login?id=1&user=alice")) == 200
            assert body(get(other.port, "/who?id=1")) == "alice"
            server.pause()
            begun = time.monotonic()
            answers = [None] * 20

            def ask(number):
                answers[number] = get(other.port, f"/who?id={number}")

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
            for thread in threads:
                thread.start()
            times = []
            while any(thread.is_alive() for thread in threads):
                before = time.monotonic()
                assert body(get(other.port, "/plain")) == "plain"
                times.append(time.monotonic() - before)
            assert {status(answer) for answer in answers} == {503}
            assert "does not respond within 0.3 s" in body(answers[0])
            assert time.monotonic() - begun < 10
            assert sorted(times)[len(times) // 2] < 0.2  # others do not wait
            server.resume()
            wait_until(lambda: body(get(other.port, "/who?id=1")) == "alice", "it is back")
            server.kill()
            wait_until(lambda: status(get(other.port, "/who?id=1")) == 503, "it is gone")
            wait_until(lambda: metric(metrics, "rsp_worker_stores_missed") == 2, "both workers miss it")
            assert "stores: missing connections of workers: 2" in other.rspctl("status").stdout
            assert 0 < metric(metrics, "rsp_store_failures_total") < metric(metrics, "rsp_store_calls_total")
            assert body(get(other.port, "/plain")) == "plain"
            server.start()
            wait_until(lambda: status(get(other.port, "/login?id=2&user=bob")) == 200, "it is back")
            wait_until(lambda: body(get(one.port, "/who?id=2")) == "bob", "the other one is back")
            wait_until(lambda: other.log.count("available again") >= 1, "the end of the outage")
            for log in (one.log, other.log):
                assert log.count("not available") <= 3  # twice an outage, whatever the number of workers and calls
                assert "Traceback" not in log
            other.reload(told.replace('body = "plain"', 'body = "new"'))
            assert body(get(other.port, "/plain")) == "new"
            assert body(get(other.port, "/who?id=2")) == "bob"


def test_secrets_and_authorities_come_from_files_and_are_never_shown(tmp_path):
    """The user has the rights that docs/many-nodes.md names."""
    documented = re.search(r"\n    (user rsp on [^\n]+)\n +(\S[^\n]+)\n", (ROOT / "docs/many-nodes.md").read_text())
    rights = f"{documented[1]} {documented[2]}".replace("PASSWORD", "hunter2")
    secure = free_port()
    (tmp_path / "secret").write_text("hunter2\n")
    (tmp_path / "users.acl").write_text(f"user default off\n{rights}\n")
    options = [*tls_options(tmp_path, secure), "--aclfile", str(tmp_path / "users.acl")]
    with redis_server(tmp_path, *options):
        store = (
            f'store "main" {{ "rediss://localhost:{secure}/1", username = "rsp", password_file = "secret", '
            'tls = { ca = "ca.pem" } }'
        )
        text = SESSIONS % {"store": store, "name": "true"} + ALL
        with Rsp(tmp_path, text) as rsp:
            assert status(get(rsp.port, "/login?id=1&user=alice")) == 200
            assert body(get(rsp.port, "/who?id=1")) == "alice"
            assert body(get(rsp.port, "/all")) == "true 7 8 1,n true"
            shown = run_rsp(tmp_path, "-T", "site.lua")
            told = shown.stdout + shown.stderr + rsp.log + rsp.access_log + rsp.rspctl("status", "--json").stdout
            assert "rediss://localhost" in told
            assert "hunter2" not in told
            (tmp_path / "secret").write_text("wrong\n")
            rsp.reload()
            assert body(get(rsp.port, "/who?id=1")) == "alice"  # the connection that is there stays


ALL = """
route { path = "/all", respond = { status = 204 }, on_request = function()
  local said = { tostring(sessions.add("a", 1)), sessions.incr("n", 2, 5, "1m"), sessions.incr("n") }
  sessions.delete("a")
  said[4] = table.concat(sessions.keys(), ",")
  said[5] = tostring(sessions.delete("n"))
  return respond(200, table.concat(said, " "))
end }
"""


@pytest.mark.parametrize(
    "lie",
    [b"*1000000000\r\n", b"$5\r\nab", b"+OK\r\n" * 100_000, b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["list", "half", "unasked", "http"],
)
def test_a_lying_store_delays_no_other_request(tmp_path, lie):
    with Pretender(lie, endless=lie.startswith(b"+OK")) as liar:
        text = SESSIONS % {"store": "", "name": f'"redis://127.0.0.1:{liar.port}"'}
        with Rsp(tmp_path, text.replace("listen", "lua = { timeout = 2 } listen", 1)) as rsp:
            begun = time.monotonic()
            for _ in range(5):
                assert status(get(rsp.port, "/who?id=1")) in (200, 500, 503)
                assert body(get(rsp.port, "/plain")) == "plain"
            assert time.monotonic() - begun < 20
            assert "Traceback" not in rsp.log


# -- mistakes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('store "main" { "redis://:hunter2@10.0.0.5" }', "a URL may not contain credentials"),
        ('shared("x", { store = "redis://u:hunter2@10.0.0.5" })', "a URL may not contain credentials"),
        ('shared("x", { store = "main" })', 'no store "main": declare it with  store "main" {'),
        ('store "main" { "redis://a" } shared("x", { store = "mian" })', 'no store "mian" (did you mean "main"?)'),
        ('store "main" { "redis:10.0.0.5" }', 'write "redis://10.0.0.5"'),
        ('store "main" { "redis+sentinel://10.0.0.5/0" }', "expected Sentinel's name of the primary"),
        ('store "main" { "memcached://10.0.0.5" }', "stores are Redis or Valkey, not memcached"),
        ('store = "redis://a"', 'write  store "main" { "redis://a" }'),
        ('shared("x", { store = true })', "the file has no store"),
        ('shared("x", { store = "redis://a" }).get("k")', "get waits for the store, which belongs into a hook"),
        ('shared("a:b", { store = "redis://a" })', "has no colon"),
        ('shared("x", { ttl = 5 })', "a ttl belongs into set, add or incr"),
        ('shared("x", "redis://a")', 'shared("sessions", { store = "main" })'),
        ('redis "main" { "redis://a" }', 'in rsp: store "main"'),
        ('store "main" { host = "a", port = 6379 }', "host, port and database are parts of the URL"),
        ('store "main" { "valkey://a" }', "write redis:// for valkey://"),
        ('store "main" { "a:6379" }', 'write "redis://a:6379"'),
        ('store "main" { "redis://a", "redis://b" }', 'one URL: "redis://a,b/0"'),
        ('store "main" { "redis://a", tls = true }', "use a URL with TLS: write rediss://"),
        ('store "main" { "redis://a", password = "x", password_file = "y" }', "cannot be used together"),
        ('store "main"', 'expected a URL, as in  store "main"'),
    ],
)
def test_messages(tmp_path, line, said):
    (tmp_path / "site.lua").write_text(f'listen "127.0.0.1:8080"\n{line}\nroute {{ respond = {{ status = 204 }} }}\n')
    with pytest.raises(ConfigError) as caught:
        evaluate(str(tmp_path / "site.lua"))
    assert said in str(caught.value)
    assert "site.lua:2" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_tests_of_a_configuration_play_stores(tmp_path):
    text = (
        SESSIONS.replace("{port}", "8080") % {"store": 'store "main" { "redis://10.255.255.1" }', "name": '"main"'}
        + """
test("sessions", function()
  assert(simulate{ path = "/login?id=1&user=alice" }.status == 200)
  assert(simulate{ path = "/who?id=1" }.body == "alice")
  assert(sessions.get("1") == "alice" and #sessions.keys() == 1)
  local gone = simulate{ path = "/who?id=1", store = false }
  assert(gone.status == 503 and gone.body:find("not available", 1, true), gone.body)
  assert(sessions.add("1", "x") == false and sessions.incr("n", 2, 1) == 3 and sessions.delete("1") == true)
end)
"""
    )
    found = run_rsp(tmp_path, "-t", "site.lua", text=text)
    assert found.returncode == 0, found.stdout + found.stderr
