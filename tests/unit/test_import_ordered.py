"""Rules of which the first that matches wins, as routes: rsp chooses what a reader of the rules would."""

import random
from collections.abc import Sequence
from pathlib import Path as File

import msgspec
import pytest

from rsp.config.route_rule import conditions_of
from rsp.config.routes import Route
from rsp.http.h1.codec import parse_request
from rsp.importing.lua import write
from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, Path, host_covers
from rsp.importing.ordered.routes import routes
from rsp.importing.ordered.rules import Rule, merge, resolve
from rsp.importing.ordered.value import Value, Wanted, both, opposite, takes, written
from rsp.importing.site import Declaration, Site, Untranslated
from tests.harness import run_rsp

HOSTS = ["a.test", "b.a.test", "c.test"]
PATTERNS = [["a.test", "*.a.test", "c.test", "*.test"], ["a.test", "c.test", "b.*", "b.a.*"]]
PATHS = ["/", "/api", "/apifoo", "/api/", "/api/x", "/api/x.css", "/API/x", "/x.css", "/admin/x", "/v1/users/7"]
OF_PATHS = [
    Path("exact", "/api"),
    Path("exact", "/api/x"),
    Path("prefix", "/api"),
    Path("prefix", "/api/"),
    Path("tree", "/api"),
    Path("prefix", "/api/", fold=True),
    Path("suffix", ".css"),
    Path("regex", "^/v[0-9]+/"),
    Path("prefix", "/admin"),
]


def test_both_of_two_conditions():
    one = Condition(hosts=frozenset(["*.a.test", "c.test"]), methods=frozenset(["GET", "POST"]))
    two = Condition(hosts=frozenset(["b.a.test"]), methods=frozenset(["POST"]), path=Path("exact", "/x"))
    assert one.both(two) == two
    assert one.both(Condition(hosts=frozenset(["d.test"]))) is None
    assert Condition(headers=(("X", "1"),)).both(Condition(headers=(("X", "2"),))) is None
    assert Condition(clients=("10.0.0.0/8",)).both(Condition(clients=("10.1.0.0/16", "192.0.2.1"))) == Condition(
        clients=("10.1.0.0/16",)
    )


@pytest.mark.parametrize("one", OF_PATHS, ids=str)
@pytest.mark.parametrize("two", OF_PATHS, ids=str)
def test_both_of_two_paths_match_what_each_of_them_matches(one: Path, two: Path):
    try:
        both = Condition(path=one).both(Condition(path=two))
    except Inexpressible:
        return
    for path in PATHS:
        expected = one.matches(path) and two.matches(path)
        assert (both is not None and both.path is not None and both.path.matches(path)) == expected, path


WANTED: list[Wanted] = [
    True, False, "a", "ab", ("a", "b"), ("ab", "c"), Value(prefix=("a",)), Value(suffix=("b",)), Value(contains=("b", "c")), Value(regex=("^a", "c$")),
    Value(prefix=("a",), suffix=("b",)), Value(unless=(("whole", "a"), ("prefix", "c"))), Value(contains=("b",), unless=(("regex", "^a"),)),
]  # fmt: skip
VALUES = [None, "", "a", "b", "ab", "c", "ac", "abc", "cab"]


@pytest.mark.parametrize("one", WANTED, ids=str)
@pytest.mark.parametrize("two", WANTED, ids=str)
def test_both_of_two_wishes_take_what_each_of_them_takes(one: Wanted, two: Wanted):
    try:
        merged = both(one, two)
    except Inexpressible:
        return
    for value in VALUES:
        assert (merged is not None and takes(merged, value)) == (takes(one, value) and takes(two, value)), value


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_a_route_takes_what_a_wish_takes(wanted: Wanted):
    route = msgspec.convert({"to": "app", "headers": {"X-A": written(wanted)}}, Route)
    (condition,) = conditions_of(route)
    for value in VALUES:
        field = "" if value is None else f"X-A: {value}\r\n"
        head = parse_request(f"GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n".encode())
        assert condition.holds(head, None) == takes(wanted, value), value


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_the_opposite_of_a_wish(wanted: Wanted):
    try:
        other = opposite(wanted)
    except Inexpressible:
        return
    for value in VALUES:
        assert takes(other, value) != takes(wanted, value), value


def test_two_lists_of_clients_have_to_hold_both():
    assert merge({"allow": ["10.0.0.0/8"]}, {"allow": ["10.1.0.0/16"]}) == {"allow": ["10.1.0.0/16"]}
    with pytest.raises(Inexpressible):
        merge({"allow": ["10.0.0.0/8"]}, {"allow": ["192.0.2.0/24"]})


def test_a_guard_that_cannot_be_said_refuses():
    rules = [Rule({"to": "one"}, last=True)]
    guarded = Rule({"auth": {}}, [Condition(path=Path("regex", "[0-9]x"))], guard=True, text="auth", origin=None)
    first = Rule({"request_headers": {}}, [Condition(path=Path("regex", "c[0-9]"))])
    resolved = resolve([first, guarded, *rules], {"to": "two"})
    assert [problem.text for problem in resolved.problems] == ["auth"]
    refused = [each for each in resolved.chosen if each.keys.get("respond") == {"status": 403}]
    assert [each.condition for each in refused] == [Condition(path=Path("regex", "c[0-9]"))]


def test_hosts_by_their_beginning_and_by_their_end_are_reported():
    rules = [
        Rule({"to": "one"}, [Condition(hosts=frozenset(["b.*"]))], last=True),
        Rule({"to": "two"}, [Condition(hosts=frozenset(["*.a.test"]))], last=True),
    ]
    found = routes(resolve(rules, {"to": "rest"}).chosen, lambda keys, form, path: dict(keys))
    assert [part.text for part in found if isinstance(part, Untranslated)] == ["b.*, *.a.test"]


def _expected(rules: Sequence[Rule], host: str, path: str, method: str) -> tuple[str, bool]:
    marked = False
    for rule in rules:
        if not any(_holds(each, host, path, method) for each in rule.any):
            continue
        if any(_holds(each, host, path, method) for each in rule.unless):
            continue
        if rule.last:
            return rule.keys["to"], marked
        marked = True
    return "rest", marked


def _holds(condition: Condition, host: str, path: str, method: str) -> bool:
    return (
        (condition.hosts is None or any(host_covers(pattern, host) for pattern in condition.hosts))
        and (condition.path is None or condition.path.matches(path))
        and (condition.methods is None or method in condition.methods)
    )


def _some_condition(chance: random.Random, patterns: list[str]) -> Condition:
    return Condition(
        hosts=frozenset(chance.sample(patterns, chance.randint(1, 2))) if chance.random() < 0.5 else None,
        path=chance.choice(OF_PATHS) if chance.random() < 0.7 else None,
        methods=frozenset(["POST"]) if chance.random() < 0.3 else None,
    )


def _some_rules(chance: random.Random) -> list[Rule]:
    rules = []
    patterns = chance.choice(PATTERNS)
    for number in range(chance.randint(2, 6)):
        last = chance.random() < 0.75
        keys = {"to": f"u{number}"} if last else {"request_headers": {"set": {"X-Mark": "1"}}}
        unless = [_some_condition(chance, patterns)] if chance.random() < 0.25 else []
        any = [_some_condition(chance, patterns) for _ in range(chance.randint(1, 2))]
        rules.append(Rule(keys, any, [each for each in unless if each != ALL], last))
    return rules


def test_rsp_chooses_what_the_first_rule_that_matches_says(tmp_path: File):
    _agree(range(6), tmp_path)


@pytest.mark.soak
def test_rsp_chooses_what_the_first_rule_that_matches_says_at_length(tmp_path: File):
    _agree(range(6, 60), tmp_path)


def _agree(seeds: range, tmp_path: File) -> None:
    """Each list of rules is a file whose tests are all requests and what they lead to."""
    looked_at = 0
    for seed in seeds:
        rules = _some_rules(random.Random(seed))
        resolved = resolve(rules, {"to": "rest"})
        if resolved.problems:
            continue
        looked_at += 1
        site = Site("rules", "rules")
        site.add(Declaration("listen", "127.0.0.1:8080"))
        for name in [*(f"u{number}" for number in range(len(rules))), "rest"]:
            site.add(Declaration("upstream", name, ["127.0.0.1:9"]))
        for route in routes(resolved.chosen, lambda keys, form, path: dict(keys)):
            site.add(route)
        text = write(site).text
        asserts = []
        for host in HOSTS:
            for path in PATHS:
                for method in ("GET", "POST"):
                    to, marked = _expected(rules, host, path, method)
                    asked = f'{{ host = "{host}", path = "{path}", method = "{method}" }}'
                    asserts.append(f'  look({asked}, "{to}", {str(marked).lower()})')
        tests = "\n".join(asserts)
        text += f"""
local function look(asked, to, marked)
  local r = simulate(asked)
  local name = asked.method .. " " .. asked.host .. asked.path
  if r.status == 400 then return end
  assert(r.upstream == to, name .. ": " .. tostring(r.upstream) .. ", not " .. to)
  assert((r.request.headers["X-Mark"] == "1") == marked, name .. ": marked is not " .. tostring(marked))
end
test("the rules", function()
{tests}
end)
"""
        result = run_rsp(tmp_path, "-t", "site.lua", text=text)
        assert result.returncode == 0, f"{rules}\n{text}\n{result.stderr}"
    assert looked_at


def test_a_field_that_a_later_rule_removes_is_not_set():
    one = {"request_headers": {"set": {"X-User": "me", "X-Kept": "1"}}}
    merged = merge(one, {"request_headers": {"remove": ["x-user"]}})
    assert merged == {"request_headers": {"set": {"X-Kept": "1"}, "remove": ["x-user"]}}
    again = merge(merged, {"request_headers": {"set": {"X-User": "you"}}})
    assert again["request_headers"]["set"] == {"X-Kept": "1", "X-User": "you"}


def test_one_rule_of_too_many_parts_is_refused_before_it_is_worked_out():
    parts = [Condition(path=Path("exact", f"/{number}")) for number in range(401)]
    resolved = resolve([Rule({"to": "a"}, parts, last=True)], {"to": "b"})
    assert [problem.reason for problem in resolved.problems] == ["it would become more than 400 routes"]
    assert [chosen.keys for chosen in resolved.chosen] == [{"respond": {"status": 503}}]
