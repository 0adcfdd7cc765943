"""What helpers do in proportion to their input is paid for by the hook that asked, in time and in memory.

What broke: json.decode of 1 MB of "{}," stood still for 0.8 s, lists in lists for 5 s; what such a body left behind was
counted as the memory of the next hooks, which failed; 17,000 names for shared() and no hook ran any more.
"""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.ipc.shared_memory import Full, Shared
from rsp.lua.evaluate import Evaluation
from rsp.lua.services import Services
from tests.soak import examples

pytestmark = pytest.mark.alone

INSTRUCTIONS, MEMORY = 300_000, 32 << 20  # as lua.instructions and lua.memory are by default


class Site:
    """A Lua state with two hooks: ``body``, which is given ``given``, and a modest one of somebody else."""

    def __init__(self, directory, body: str, before: str = "") -> None:
        main = directory / "site.lua"
        main.write_text(f"""
            {before}
            function on_request(req) local given = req.headers["x-given"]  {body} end
            function on_response(req, res)
              local list = {{}}
              for index = 1, 200 do list[index] = tostring(index) .. req.host end
            end""")
        self.given = self.set = b""
        services = Services()
        host = {
            "describe": lambda: (b"GET", b"/", b"x", b"10.0.0.1"),
            "get_field": lambda _which, _name: self.given,
            "warn": lambda _text: None,
            "shared_rate": lambda *_: 0.0,
            "set_field": self._set,
            **dict.fromkeys(("about", "all_fields", "add_field", "each_field", "wrong_upstream", "hold")),
        }
        evaluation = Evaluation(str(main), services, host)
        self.runtime = evaluation.runtime
        self.runtime.freeze(INSTRUCTIONS, MEMORY)
        services.store = Shared(1 << 20)
        self.asked, self.other = (self.runtime.add(hook.function) for hook in evaluation.hooks)

    def run(self, given: bytes) -> str | None:
        """Why the hook failed."""
        self.given = given
        outcome = self.runtime.phases[b"request"](self.asked, 0, b"GET", b"/", b"x", b"10.0.0.1")
        return None if outcome is None else outcome[1].decode()

    def _set(self, _which: int, _name: bytes, line: bytes) -> None:
        self.set = line

    def run_other(self) -> None:
        assert self.runtime.phases[b"response"](self.other, 1, 200) is None
        self.runtime.phases[b"release"](1)

    @property
    def held(self) -> float:
        """Bytes."""
        return self.runtime.state.globals()[b"collectgarbage"](b"count") * 1024


MEGABYTE = 1_000_000
BODIES = {
    "empty tables": b"{},",
    "numbers": b"0,",
    "short texts": b'"a",',
    "empty texts": b'"",',
    "lists in lists": b"[[[[[[[[[]]]]]]]]],",
    "tables in tables": b'{"a":{"b":{"c":[{}]}}},',
    "names": b'{"a":1,"b":2,"c":[]},',
    "large numbers": b"18446744073709551616,",
    "fractions": b"0.1e-7,",
    "nothing": b"null,",
    "escapes": b'"\\n\\u0041",',
    "blanks": b" ",
    "openings": b"[",
    "openings of tables": b'{"a":',
    "texts without an end": b'"',
    "backslashes": b'"\\\\',
    "digits": b"1",
    "commas": b",",
}  # fmt: skip


@pytest.mark.parametrize("what", BODIES)
def test_json_that_stalled_ends_the_hook_that_decodes_it_and_no_other(tmp_path, what):
    site = Site(tmp_path, "json.decode(given)")
    unit = BODIES[what]
    for size in (1000, 30_000, 100_000, 300_000, MEGABYTE):
        began = time.thread_time()
        site.run(b"[" + unit * (size // len(unit)) + b"0]")
        # Three milliseconds are allowed, and some for what cannot be stopped; it was up to five seconds.
        assert time.thread_time() - began < 0.1
        for _ in range(20):
            site.run_other()


def test_json_of_a_client_that_is_too_much_names_the_limit_and_the_line(tmp_path):
    site = Site(tmp_path, "pcall(json.decode, given)")
    assert "site.lua:3: the hook runs longer than lua.instructions allows" in site.run(b"[" + b"{}," * 300_000 + b"0]")


def test_json_of_a_usual_size_is_decoded(tmp_path):
    site = Site(tmp_path, 'local all = json.decode(given)  assert(#all == 1000 and all[1000].name == "user 999")')
    records = [{"id": n, "name": f"user {n}", "tags": ["a", "b"], "good": True, "rate": n / 7} for n in range(1000)]
    assert site.run(json.dumps(records).encode()) is None
    text = Site(tmp_path, "assert(#json.decode(given).text == 900000)")
    assert text.run(json.dumps({"text": "x" * 900_000}).encode()) is None


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    PLAIN
    | st.sampled_from([2**63, 2**64, -(2**63) - 1, 2**53 + 1, 0.1, -0.0, 5e-324, 1.7e308, 127, 128, -32, -33, 65536]),
    lambda inner: st.lists(inner, max_size=40, min_size=1) | st.dictionaries(st.text(max_size=40), inner, max_size=20),
    max_leaves=60,
)


def as_lua(value):
    """Numbers of Lua are floats."""
    if isinstance(value, list):
        return [as_lua(item) for item in value]
    if isinstance(value, dict):
        return {key: as_lua(item) for key, item in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"), 'req.headers["X-Out"] = json.encode(json.decode(given))')


@given(VALUES)
@examples(40)
def test_json_comes_back_as_it_was(echo, value):
    assert echo.run(json.dumps({"value": value}).encode()) is None
    assert as_lua(json.loads(echo.set.partition(b": ")[2])) == as_lua({"value": value})


def test_numbers_beyond_what_lua_has_are_no_exception(tmp_path):
    site = Site(
        tmp_path, "local value, why = json.decode(given)  assert(value == nil and why:find('^json.decode: '), why)"
    )
    for text in (b"1" * 5000, b"1e999", b"[" * 2000, b'"\\ud800"', b'"\xff"', b"{", b"", b"[1,]", b"nul"):
        assert site.run(text) is None


HELPERS = {
    "base64": "base64.decode(base64.encode(given)) base64.encode_url(given)",
    "digests": "sha256(given) hmac.sha256(given, given) hmac.equal(given, given)",
    "url.encode": "url.encode(given)",
    "url.decode": "url.decode(given)",
    "url.parse_query": "url.parse_query(given)",
    "json.encode": "json.encode{ given }",
    "cookie.parse": "cookie.parse(given)",
    "jwt.verify": "jwt.verify(given, 'key')",
    "regex.test": "pattern.test(given)",
    "regex.match": "pattern.match(given)",
    "regex.replace": "pattern.replace(given, 'x')",
    "regex.replace, longer": "pattern.replace(given, given)",
    "regex.split": "pattern.split(given)",
    "regex.split, looking ahead": "ahead.split(given)",
    "a field": "req.headers['X-New'] = given",
    "a redirect": "redirect(given)",
    "a path": "req.path = '/' .. given",
    "a share": "split({ a = 1, b = 2 }, given)",
    "a key": "limit.rate{ key = given, rate = '1r/s' }",
}


@pytest.mark.parametrize("what", HELPERS)
def test_helpers_that_are_called_again_and_again_end_with_their_budget(tmp_path, what):
    before = 'local pattern, ahead = regex("x*"), regex("x*y|x|%")'
    site = Site(tmp_path, f"while true do pcall(function() {HELPERS[what]} end) end", before)
    for data in (
        b"x",
        b"%41" * 1000,
        b"x" * 30_000,
        b"x" * MEGABYTE,
        b"a=1;&" * 200_000,
        b"%41" * 300_000,
        b"\\1" * 500_000,
    ):
        began = time.thread_time()
        wrong = site.run(data)
        assert "lua.instructions" in wrong or "lua.memory" in wrong
        assert time.thread_time() - began < 0.3
        site.run_other()


GROWING = {
    "a dictionary": "shared(given)",
    "a network": "ip.matches('10.0.0.1', '10.' .. number % 256 .. '.' .. (number - number % 256) / 256 % 256 .. '.0/24')",
    "an address": "ip.matches(given, '10.0.0.0/8')",
    "a set": "ip.set{ '10.0.0.1', '10.' .. number % 256 .. '.' .. (number - number % 256) / 256 % 256 .. '.0/24' }.has(given)",
    "a pattern": "regex(given).test('x')",
    "a field's name": "req.headers[given] = 'x'",
    "a rate": "limit.rate{ key = given, rate = number .. 'r/s' }",
}


@pytest.mark.parametrize("what", GROWING)
@pytest.mark.parametrize("size", [20, 240])
def test_names_of_clients_do_not_stay(tmp_path, what, size):
    site = Site(
        tmp_path, "number[1] = number[1] + 1  local number = number[1]  " + GROWING[what], "local number = { 0 }"
    )
    for number in range(3000):
        assert site.run((b"n%d" % number).ljust(size, b"x")) is None
    site.runtime.recover()
    between = site.held
    for number in range(3000, 20_000):
        assert site.run((b"n%d" % number).ljust(size, b"x")) is None
        if number % 1000 == 0:
            site.run_other()
    site.runtime.recover()
    assert site.held - between < 500_000


def test_a_long_name_for_shared_state_is_refused(tmp_path):
    site = Site(tmp_path, 'assert(not pcall(shared, ("x"):rep(256)))  shared(("x"):rep(255)).set(("y"):rep(512), 1)')
    assert site.run(b"") is None
    store = Shared(1 << 20)
    with pytest.raises(Full):
        store.put(b"k" * 70_000, b"v", 0.0, False)
    assert store.get(b"k" * 70_000) is None
