"""Patterns of Lua that rsp matches itself, because they could take long, mean what they mean in Lua."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.lua import runtime
from rsp.lua.evaluate import Evaluation
from rsp.lua.patterns import find, search
from rsp.lua.services import Services

ITEMS = [
    b"a", b"b", b".", b"%a", b"%d", b"%s", b"%W", b"%z", b"[ab]", b"[^a]", b"[%d-]", b"[a-c]", b"[]]", b"[^]a]", b"%f[%w]",
    b"%b()", b"%1", b"%2", b"(", b")", b"()", b"(a)", b"(.-)", b"$", b"^", b"%", b"[", b"%.", b"\xff", b"[b-a]", b"[a%]b]", b"%f",
]  # fmt: skip
patterns = st.lists(
    st.tuples(st.sampled_from(ITEMS), st.sampled_from([b"", b"", b"*", b"+", b"-", b"?"])), max_size=6
).map(lambda items: b"".join(item + suffix for item, suffix in items))
subjects = st.text(alphabet="aabbc1 ()-]%.\0", max_size=12).map(str.encode)
WORDS = b"""
local string = ...
local function all(good, ...)
  local found = { tostring(good) }
  for i = 1, good and select("#", ...) or 0 do found[i + 1] = tostring((select(i, ...))) end
  return table.concat(found, "|")
end
local function pairs_of(s, p)
  local found = {}
  for a, b in string.gmatch(s, p) do found[#found + 1] = tostring(a) .. tostring(b) end
  return table.concat(found, ",")
end
local function each(a, b) if a ~= "a" then return "<" .. tostring(a) .. tostring(b) .. ">" end end
local some = setmetatable({ a = "X" }, { __index = function(_, k) if k == "b" then return 7 end end })
return function(s, p, n, by)
  return table.concat({ all(pcall(string.find, s, p, n)), all(pcall(string.match, s, p, n)), all(pcall(pairs_of, s, p)),
    all(pcall(string.gsub, s, p, each, n)), all(pcall(string.gsub, s, p, some)), all(pcall(string.gsub, s, p, by, n)) }, ";")
end
"""


@cache
def lua():
    return runtime.engine().LuaRuntime(encoding=None, register_eval=False, unpack_returned_tuples=True)


@given(subjects, patterns, st.integers(1, 13))
def test_search_is_lua_s_find(subject, pattern, start):
    start = min(start, len(subject) + 1)
    good, *expected = lua().eval(b"function(s, p, i) return pcall(string.find, s, p .. '()', i) end")(
        subject, pattern, start
    )
    try:
        used, *found = search(subject, pattern + b"()", start, 1e6)
    except ValueError:
        assert not good, expected
        return
    assert good, expected
    assert used > 0 or not subject
    assert (found or [None]) == expected


def test_search_counts_and_ends():
    assert search(b"a" * 5000, b".-.-b", 1, 1000) == (1001,)
    assert search(b"a" * 1000, b"a-b", 1, 1e9)[0] > 500_000
    assert find(b"xaab", b"aa", 1) == (2, 3)
    assert find(b"xaab", b"", 5) == (5, 4)
    assert find(b"xaab", b"ab", 4) == ()


@cache
def functions(limits):
    """As matching.lua makes them, if it finds everything long, or too long for Lua's own matcher."""
    short, long = limits
    room = runtime.Runtime._room

    def other(self, name, *given):
        if name != "matching":
            return room(self, name, *given)
        source = (runtime._HERE / "matching.lua").read_bytes()
        changed = source.replace(b"SHORT, LONG = 2000, 4e6", b"SHORT, LONG = %d, %d" % (short, long))
        assert changed != source
        return self.state.compile(changed, name=b"=matching")(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime.Runtime, "_room", other)
        patch.setattr("rsp.lua.evaluate.Files.read", lambda *_: (b"", None))
        evaluation = Evaluation("site.lua", Services(), dict.fromkeys(("get_field", "set_field", "warn"), print))
    made = evaluation.runtime
    ours = made.state.compile(WORDS)(made._sandbox[b"base"][b"string"])
    return evaluation, ours, lua().compile(WORDS)(lua().globals()[b"string"])


@pytest.mark.parametrize("limits", [(-1, 4e6), (-1, -1)])
@given(
    subject=subjects,
    pattern=patterns.filter(
        lambda pattern: b"(" in pattern or b")" not in pattern
    ),  # malformed: Lua's find takes it as text
    number=st.sampled_from([None, 1, 2, -1, -3, 20, 1.5]),
    by=st.sampled_from([b"x", b"", b"%1", b"%0%0", b"[%1]", b"%%", b"%x"]),
)
def test_long_texts_are_matched_as_short_ones(limits, subject, pattern, number, by):
    evaluation, ours, theirs = functions(limits)
    evaluation.runtime._driver[b"begin"](1e9)
    expected = theirs(subject, pattern, number, by)
    if b"false" not in expected:  # malformed patterns may be found to be so earlier, or later
        assert ours(subject, pattern, number, by) == expected
