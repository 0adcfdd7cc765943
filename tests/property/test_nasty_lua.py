"""Whatever a hook does, it ends in bounded time, with its line, and harms nothing that comes after it."""

import os

import pytest

from tests.nasty_lua import PRELUDE, Generator, hammer

KNOWN = {
    "an xpcall handler that never ends": "xpcall(spin, spin)",
    "handlers in handlers": "local function f() xpcall(f, f) end while true do f() end",
    "__tostring of what is thrown": "error(setmetatable({}, { __tostring = spin }))",
    "__tostring of what is returned": "return setmetatable({}, { __tostring = spin })",
    "table.insert far below the list": "table.insert({}, -2e9, 1)",
    "table.insert far above it": "for i = 1, 1e9 do table.insert({}, 2 ^ 31, 1) end",
    "sort after sort": "local t = big() for i = 1, 100 do table.sort(t) end",
    "a list that makes quicksort quadratic": """
        local n, t, keys, candidate, gas = 1000, {}, {}, 0, math.huge
        for i = 1, n do t[i] = i end
        table.sort(t, function(a, b)
          local function value(x) return keys[x] or gas end
          if not keys[a] and not keys[b] then keys[candidate == a and a or b] = #keys end
          candidate = not keys[a] and a or b
          return value(a) < value(b)
        end)""",
    "comparisons that contradict one another": "for i = 1, 1e9 do pcall(table.sort, big(), function() return true end) end",
    "a comparison that sorts": "local function f() table.sort({ 2, 1, 3 }, f) return true end f()",
    "a comparison that is stopped": "table.sort({ 2, 1, 3 }, spin)",
    "gsub after gsub": "local s = ('a'):rep(1000000) for i = 1, 900 do s:gsub('a', 'b') end",
    "gsub in gsub": "local function f() return (('a'):gsub('a', f)) end f()",
    "gsub through __index": "local t t = setmetatable({}, { __index = function() return (('a'):gsub('a', t)) end }) ('a'):gsub('a', t)",
    "format in __tostring": "local t t = setmetatable({}, { __tostring = function() return ('%s'):format(t) end }) tostring(t)",
    "os.time in __index": "local t t = setmetatable({}, { __index = function() return os.time(t) end }) os.time(t)",
    "keys of an answer that sort in C": "local function f() cookie.build('a', 'b', { [setmetatable({}, { __lt = function() f() end })] = 1,"
    " [setmetatable({}, { __lt = function() f() end })] = 1 }) end f()",
    "coroutines in coroutines": "local function f() coroutine.wrap(f)() end f()",
    "patterns that backtrack": "(('a'):rep(20000)):find('.-.-.-.-b')",
    "patterns of doubts": "(('a'):rep(30)):find(('a?'):rep(30) .. ('a'):rep(30))",
    "a pattern at each place": "(('%('):rep(200000)):find('%b()')",
    "plain text at each place": "(('a'):rep(400000)):find(('a'):rep(200000) .. 'b', 1, true)",
    "patterns that RE2 is slow for": "local r = regex('(a|aa)+$') while true do r.match(('a'):rep(1000000)) end",
    "matches that look to the end": "regex('a.*b|a').split(('a'):rep(300000))",
    "a result that is too large": "regex('').replace(('a'):rep(300000), ('a'):rep(300000))",
    "rep of nothing": "(''):rep(2e9)",
    "rep of much": "while true do pcall(string.rep, 'x', 1e9) end",
    "concatenation": "local s = ('x'):rep(1000000) while true do local t = s .. #s end",
    "numbers in long texts": "local s = ('9'):rep(1000000) while true do pcall(function() return s + 1 end) end",
    "memory that is caught": "while true do pcall(function() local s = 'x' while true do s = s .. s end end) end",
    "one text in many places": "local t, s = {}, ('x'):rep(1000000) for i = 1, 10000 do t[i] = s end while true do pcall(table.concat, t) end",
    "much code": "while true do load(('local a = 1 '):rep(100000)) end",
    "metamethods in a circle": "local t = {} setmetatable(t, { __index = function(_, k) return t[k .. 'x'] end }) local _ = t.x",
    "infinite numbers": "limit.conn{ key = 'k', max = 1/0 }",
    "no numbers": "pcall(sleep, 0/0) sleep(1/0)",
    "numbers of C": "http.get{ upstream = 1LL }",
    "libraries by their pairs": """
        for _, library in ipairs{ string, table, math, _G, json } do
          local step, state, first = pairs(library)
          assert(type(state) ~= "table")
          pcall(function() state.upper = 1 end)
          for k in step, state, first do pcall(rawset, state, k, 1) end
        end""",
    "the coroutine that runs hooks": "local co = coroutine.running() if co then kept.co = co end",
    "what a later hook would go on with": "if kept.co then coroutine.resume(kept.co, function() end) end",
}  # fmt: skip


def test_what_never_ended():
    assert list(hammer([PRELUDE + snippet for snippet in KNOWN.values()])) == []


@pytest.mark.parametrize("seed", range(2))
def test_nasty_snippets(seed):
    generator = Generator(seed + int(os.environ.get("NASTY_SEED", "0")))
    assert list(hammer([generator.snippet() for _ in range(150)])) == []
