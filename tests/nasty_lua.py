"""Snippets of Lua that try not to end, to crash, or to leave something behind; and a process that runs them as hooks."""

import json
import random
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.paths import ROOT

PATIENCE = 10.0  # seconds for one snippet; the budget is 3 ms, which on a busy machine may look like more

SITE = b"""
local function same(a, b) if a ~= b then error(tostring(a) .. " is not " .. tostring(b), 2) end end
local words = {}
for _, library in ipairs{ string, table, math, os, coroutine, json, base64, url, time, limit, http, ip, _G } do
  for name, value in pairs(library) do words[#words + 1] = { library, name, value } end
end
local kept = {}
function on_request(req)
  local snippet, problem = load(req.target, "=snippet.lua")
  if not snippet then error("MALFORMED " .. problem) end
  return snippet(req, kept)
end
on_log(function()
  for _, word in ipairs(words) do same(word[1][word[2]], word[3]) end
  same(("abc"):upper(), "ABC")
  same(("a b"):gsub("%w", function(c) return c .. c end), "aa bb")
  same(string.format("%s %d", "x", 5), "x 5")
  same(("x"):rep(3, ","), "x,x,x")
  local list = { 3, 1, 2 }
  table.sort(list, function(a, b) return a < b end)
  same(table.concat(list), "123")
  same(select("#", unpack({}, 1, 3)), 3)
  same(coroutine.wrap(function() return coroutine.yield(7) end)(), 7)
  same(pcall(error, "x"), false)
  same(json.encode{ 1, 2 }, "[1,2]")
  same(coroutine.running(), nil)
  same(leak, nil)
end)
"""

NUMBERS = [
    "0", "-1", "1", "2.5", "1e9", "-2e9", "2^31", "2^53", "-2^63", "1e308", "1/0", "-1/0", "0/0", "1LL", "-1LL", "1ULL",
    "'7'", "'0x10'", "1e5", "255",
]  # fmt: skip
TEXTS = [
    "''", "'a'", "'%s'", "'\\0\\255'", "('a'):rep(3000)", "('a'):rep(100000)", "('(a'):rep(40)", "('x=1;'):rep(2000)", "req.target",
    "('%99.99f'):rep(50)", "('[a-z]'):rep(200)", "(' '):rep(5000) .. 'x'", "('1'):rep(300000)", "'2024-01-01'", "'\\r\\nX: y'",
]  # fmt: skip
PATTERNS = [
    "'.-.-.-x'", "'(.-)%s*$'", "'(a*)*b'", "'%s+$'", "('a?'):rep(30) .. ('a'):rep(30)", "('.-'):rep(20) .. 'z'", "'%f[%w]%w+%f[%W]'",
    "'(a+)+%1b'", "'%b()'", "'()()()(.*)(.*)'", "'[^a]*a[^a]*z'", "'%'", "'['", "('a'):rep(2000)", "'^(a-)-$'", "'.'", "''", "'a*'",
    "('('):rep(40)", "'%1'", "'[%a%d]-$'",
]  # fmt: skip
TABLES = [
    "{}", "{ 1, 2, 3 }", "_G", "string", "req", "req.headers", "req.ctx", "kept", "{ 'b', 'a', 5, {} }", "big()", "loop()",
    "meta('__index')", "meta('__newindex')", "meta('__tostring')", "meta('__lt')", "meta('__eq')", "meta('__call')",
    "meta('__concat')", "meta('__len')", "meta('__pairs')", "setmetatable({}, { __mode = 'kv' })", "meta('__metatable')",
]  # fmt: skip
FUNCTIONS = [
    "spin", "again", "function() end", "function(...) return ... end", "error", "pcall", "coroutine.yield", "string.rep", "fails",
    "function() return spin end", "function(a, b) return true end", "function(a, b) return a ~= b end", "tostring",
    "function() sleep(0) end", "coroutine.wrap(spin)", "string.gsub", "table.sort",
    "coroutine.wrap(function() while true do coroutine.yield(1) end end)",
]  # fmt: skip
OTHERS = ["nil", "true", "false", "json.null", "coroutine.create(spin)", "coroutine.running()", "respond(200)"]
CALLS = [
    "string.byte",
    "string.char",
    "string.find",
    "string.format",
    "string.gmatch",
    "string.gsub",
    "string.len",
    "string.lower",
    "string.match",
    "string.rep",
    "string.reverse",
    "string.sub",
    "string.upper",
    "table.concat",
    "table.insert",
    "table.maxn",
    "table.remove",
    "table.sort",
    "table.foreach",
    "table.foreachi",
    "table.getn",
    "table.move",
    "unpack",
    "select",
    "tostring",
    "tonumber",
    "type",
    "next",
    "ipairs",
    "pairs",
    "rawget",
    "rawset",
    "rawequal",
    "setmetatable",
    "getmetatable",
    "pcall",
    "xpcall",
    "error",
    "assert",
    "load",
    "loadstring",
    "print",
    "coroutine.create",
    "coroutine.resume",
    "coroutine.wrap",
    "coroutine.status",
    "coroutine.yield",
    "coroutine.running",
    "math.random",
    "math.floor",
    "math.max",
    "math.fmod",
    "math.ldexp",
    "math.frexp",
    "os.date",
    "os.time",
    "os.clock",
    "os.getenv",
    "os.difftime",
    "bit.tohex",
    "bit.lshift",
    "sleep",
    "parallel",
    "dns.resolve",
    "file.kind",
    "respond",
    "respond.json",
    "redirect",
    "proxy",
    "http.get",
    "http.post",
    "json.encode",
    "json.decode",
    "json.array",
    "base64.encode",
    "base64.decode",
    "sha256",
    "hmac.sha256",
    "hmac.equal",
    "url.encode",
    "url.decode",
    "url.build_query",
    "url.parse_query",
    "cookie.build",
    "cookie.parse",
    "time.now",
    "time.http",
    "time.iso",
    "jwt.verify",
    "ip.set",
    "ip.matches",
    "regex",
    "basic_auth",
    "split",
    "shared",
    "limit.rate",
    "limit.conn",
    "require",
    "dofile",
    "req.body",
    "on_request",
    "listen",
]
PRELUDE = """
local req, kept = ...
local function spin() while true do end end
local function again(...) return again, ... end
local function fails(...) error((...)) end
local function big() local t = {} for i = 1, 20000 do t[i] = i * 7919 % 20011 end return t end
local function loop() local t = {} t.t = t return setmetatable(t, { __index = t, __call = t }) end
local function meta(name)
  local t = {}
  local function f(a) if math.random() < 0.5 then while true do end end return name == "__tostring" and tostring(a) or a[1] end
  return setmetatable({}, { [name] = f })
end
local function try(f, ...) local t = { pcall(f, ...) } return t[2] end
"""


class Generator:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def snippet(self) -> str:
        lines = [PRELUDE, *(self._statement() for _ in range(self._random.randint(1, 4)))]
        if self._random.random() < 0.3:
            lines.append(f"return {self._value()}")
        return "\n".join(lines)

    def _value(self, depth: int = 0) -> str:
        pick = self._random
        if depth < 2 and pick.random() < 0.25:
            return f"try({pick.choice(CALLS)}, {self._arguments(depth + 1)})"
        if pick.random() < 0.05 and depth < 2:
            key = pick.choice(
                [
                    "key",
                    "rate",
                    "max",
                    "burst",
                    "cost",
                    "url",
                    "upstream",
                    "host",
                    "headers",
                    "timeout",
                    "status",
                    "body",
                    "method",
                    "json",
                    "args",
                    "path",
                    "max_body",
                    "peer",
                    "ttl",
                    "init",
                ]
            )
            return f"{{ key = 'k', rate = '1r/s', {key} = {self._value(depth + 1)} }}"
        return pick.choice(pick.choice([NUMBERS, TEXTS, PATTERNS, TABLES, FUNCTIONS, OTHERS]))

    def _arguments(self, depth: int = 0) -> str:
        return ", ".join(self._value(depth) for _ in range(self._random.randint(0, 4)) or "x") or "nil"

    def _likely(self, name: str) -> str:
        """A call with arguments of the kinds that it expects."""
        pick = self._random
        text, pattern, number = pick.choice(TEXTS), pick.choice(PATTERNS), pick.choice(NUMBERS)
        function, table = pick.choice(FUNCTIONS), pick.choice(TABLES)
        known = {
            "string.find": f"{text}, {pattern}, {number}", "string.match": f"{text}, {pattern}", "string.rep": f"{text}, {number}",
            "string.gmatch": f"{text}, {pattern}", "string.format": f"{text}, {self._arguments(1)}",
            "string.gsub": f"{text}, {pattern}, {pick.choice([function, text, table])}", "string.sub": f"{text}, {number}, {number}",
            "table.insert": f"{table}, {number}, 1", "table.remove": f"{table}, {number}",
            "table.concat": f"{table}, {text}, {number}, {number}", "table.sort": f"{table}, {function}",
            "table.move": f"{table}, {number}, {number}, {number}", "unpack": f"{table}, {number}, {number}",
            "xpcall": f"{function}, {function}", "sleep": number, "regex": pattern, "limit.conn": f"{{ key = 'k', max = {number} }}",
            "limit.rate": f"{{ key = 'k', rate = {pick.choice(NUMBERS + TEXTS)}, burst = {number}, cost = {number} }}",
            "time.iso": number, "time.http": number, "os.date": f"{text}, {number}", "respond": f"{number}, {text}",
        }  # fmt: skip
        return known.get(name) or self._arguments()

    def _statement(self) -> str:
        pick = self._random
        name = pick.choice(CALLS)
        given = self._likely(name) if pick.random() < 0.6 else self._arguments()
        call = f"{name}({given})"
        s, method = (
            pick.choice(["'k'", pick.choice(TEXTS)]),
            pick.choice(["get", "set", "add", "incr", "delete", "keys"]),
        )
        shared = f"shared({s}):{method}({self._arguments()})"
        forms = [
            f"local _ = {call}", f"pcall({name}, {given})", f"while true do pcall({name}, {given}) end",
            f"for i = 1, 1e9 do local _ = {call} end", f"coroutine.wrap(function() while true do pcall({name}, {given}) end end)()",
            f"xpcall(function() return {call} end, {pick.choice(FUNCTIONS)})", f"error({self._value()})",
            f"local s = {pick.choice(TEXTS)} while true do local t = s .. {pick.choice(TEXTS)} end",
            f"local s = {pick.choice(TEXTS)} for i = 1, 1e9 do pcall(function() return s + 1 end) end",
            f"local function f(...) return {name}({given}), f(...) end f()",
            "local function f() return (('a'):gsub('a', f)) end f()",
            "local function f(t) table.sort({ 1, 2, 3 }, f) return true end f()",
            "local t t = setmetatable({}, { __tostring = function() return tostring(t) .. string.format('%s', t) end }) tostring(t)",
            "local function f() return coroutine.wrap(f)() end f()",
            "local co co = coroutine.wrap(function() co() end) co()",
            f"for k, v in pairs({pick.choice(TABLES)}) do pcall(rawset, v, k, 1) pcall(function() v[k] = {self._value()} end) end",
            f"{pick.choice(['string', 'table', '_G', 'json', 'req', 'req.headers', 'coroutine'])}.x = {self._value()}",
            f"for w in string.gmatch({pick.choice(TEXTS)}, {pick.choice(PATTERNS)}) do {call} end",
            f"os.time(setmetatable({{}}, {{ __index = {pick.choice(FUNCTIONS)} }}))",
            f"kept[#kept + 1] = {self._value()} if #kept > 20 then for i = 1, 25 do kept[i] = nil end end",
            f"local t = setmetatable({{}}, {{ __index = function(t, k) return {call} end }}) local _ = t.x .. t.y",
            f"parallel{{ function() {call} end, {pick.choice(FUNCTIONS)} }}", f"pcall(function() local _ = {shared} end)", shared,
            f"local r = regex({pick.choice(PATTERNS)}) while true do r.{pick.choice(['test', 'match', 'split'])}({pick.choice(TEXTS)}) end",
            f"regex({pick.choice(PATTERNS)}).replace({pick.choice(TEXTS)}, {pick.choice(TEXTS)})",
            f"req.{pick.choice(['method', 'path', 'query', 'host', 'body', 'ctx', 'args', 'headers'])} = {self._value()}",
            f"req.{pick.choice(['headers', 'args', 'cookies'])}[{self._value()}] = {self._value()}",
            f"local a, b = {self._value()}, {self._value()} local _ = {pick.choice(['a < b', 'a == b', 'a .. b', 'a + b', 'a[b]', 'a(b)', '#a', '-a'])}",
        ]  # fmt: skip
        return f"do {pick.choice(forms)} end"


def hammer(snippets: list[str]) -> Iterator[str]:
    """What goes wrong when these are hooks, one after the other, in a process of their own."""
    command = [sys.executable, "-m", "tests.nasty_lua"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps(snippets).encode())
        child.stdin.close()
        for snippet in [None, *snippets]:  # the first line tells that it is ready
            ready, _, _ = select.select([child.stdout], [], [], PATIENCE + 20.0 * (snippet is None))
            line = child.stdout.readline() if ready else b""
            if not line:
                child.kill()
                yield f"{'crashed' if ready else 'never ends'}: {snippet}"
                return
            if line != b"\n":
                yield f"{line.decode()}{snippet}"


def main() -> None:
    from rsp.ipc.shared_memory import Shared
    from rsp.lua.evaluate import Evaluation
    from rsp.lua.services import Services

    names = (
        "set_field",
        "add_field",
        "hold",
        "shared_incr",
        "shared_rate",
        "warn",
        "get_field",
        "wrong_upstream",
        "wrong_peer",
        "about",
    )
    snippets = json.load(sys.stdin)
    services = Services()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "site.lua"
        path.write_bytes(SITE)
        evaluation = Evaluation(str(path), services, dict.fromkeys(names, _nothing))
    runtime = evaluation.runtime
    runtime.freeze(300_000, 32 << 20)
    services.store = Shared(1 << 20)
    snippet, check = (runtime.add(hook.function) for hook in evaluation.hooks)
    print(flush=True)
    for text in snippets:
        problem = _run(runtime, snippet, text.encode())
        outcome = runtime.phases[b"log"](check, 1, 200)
        runtime.phases[b"release"](1)
        if outcome is not None:
            problem = f"afterwards: {outcome!r}"
        print(problem, flush=True)


def _run(runtime, snippet: int, text: bytes) -> str:
    """What is wrong with how it ended."""
    phases = runtime.phases
    try:
        outcome = phases[b"request"](snippet, 0, b"GET", text, b"h", b"127.0.0.1")
        for _ in range(20):
            if not outcome or outcome[0] != b"waits":
                break
            outcome = phases[b"resume"](outcome[1], False, b"nothing waits here")
    except Exception as error:
        runtime.recover()
        return "" if "not enough memory" in str(error) else f"{type(error).__name__}: {error}".replace("\n", " ")
    if outcome and outcome[0] == b"failed":
        if b"MALFORMED" in outcome[1]:
            return outcome[1].decode()
        if not outcome[1].split(b":")[0].endswith(b".lua"):
            return f"names no line: {outcome[1][:200]!r}"
    return ""


def _nothing(*_given: object) -> None:
    return None


if __name__ == "__main__":
    main()
