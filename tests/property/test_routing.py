"""Which route a request gets, against a reading of the rules that takes no shortcut: every route is looked at."""

import re
from urllib.parse import unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.commands.why import looked_at
from rsp.http.conditions import FieldCondition, MethodCondition, QueryCondition
from rsp.http.h1.codec import parse_request
from rsp.http.matching import Matcher
from rsp.http.paths import ClimbingPath, UnclearDots, normalise_path
from rsp.http.regex import Pattern, literal_of
from rsp.http.routing import AmbiguousPath, Router, Rule, match
from tests.soak import examples

HOSTS = ("a.test", "b.a.test", "*.a.test", "*.test", "a.*", "b.*", "b.a.*", "*", "A.Test")
ASKED = ("a.test", "b.a.test", "c.b.a.test", "a.org", "b.a.org", "b.a.test", "b", "x")
PREFIXES = st.sampled_from(
    ["/", "/a", "/a/", "/a/b", "/a/b/", "/b", "/ab", "/1", "/a/c.php", "/caf%C3%A9", "/caf%C3%A9/"]
)
PLAIN = ["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c.php", "/ab", "/a.b", "/b/1", "/1", "/A/x", "/aa", "/x"]
SEGMENTS = st.sampled_from(["a", "b", "1", "c.php", "%61", "caf%C3%A9", "", ".", "..", "a%2fb", "%2e%2e"])
PATHS = st.one_of(
    st.sampled_from(PLAIN),
    st.builds(lambda parts, end: "/" + "/".join(parts) + end, st.lists(SEGMENTS, max_size=4), st.sampled_from(["", "/", "//", "/."])),
)  # fmt: skip
PATTERNS = st.sampled_from([
    r"^/a", r"^/a/b$", r"\.php$", r"^/(a|b)/", r"^/a|/b$", r"^/ab?$", r"^/a{2}", r"b", r"^/(?P<x>[0-9]+)$", r"(?i)^/A/", r"^/a\.b", r"/1(/|$)",
])  # fmt: skip
LIKE_ONE, NOT_ONE = Matcher(regex=["^[12]$"], said="[12]"), Matcher(unless=Matcher(whole=["1", "2"]), said="not [12]")
CONDITIONS = st.lists(
    st.sampled_from([
        ("method", "GET"), ("method", "POST"), ("field", "1"), ("field", True), ("field", False), ("query", "2"), ("query", True), ("query", False),
        ("field", LIKE_ONE), ("field", NOT_ONE), ("query", LIKE_ONE), ("query", NOT_ONE),
    ]),
    max_size=2, unique_by=lambda one: one[0],
)  # fmt: skip

ROUTES = st.lists(
    st.tuples(
        st.one_of(st.just([]), st.lists(st.sampled_from(HOSTS), max_size=2)), st.sampled_from(["path", "path", "exact", "regex"]), PREFIXES, PATTERNS,
        st.booleans(), st.one_of(st.just([]), CONDITIONS),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


def conditions_of(wanted):
    made = {"method": lambda value: MethodCondition([value]), "field": lambda value: FieldCondition("X-A", value)}
    return tuple(made.get(kind, lambda value: QueryCondition("v", value))(value) for kind, value in wanted)


def rules_of(routes):
    for number, (hosts, kind, path, pattern, first, wanted) in enumerate(routes):
        regex = Pattern(pattern) if kind == "regex" else None
        yield (
            Rule(
                tuple(hosts),
                "/" if regex else path,
                kind == "exact",
                regex,
                first and kind == "path",
                conditions_of(wanted),
            ),
            number,
        )


def rank(host, asked):
    """The greatest is the most specific; 0: it is another host."""
    host = host.lower()
    if host == "*":
        return 1, 0
    if host[:2] == "*.":
        return (3, len(host)) if asked.endswith(host[1:]) else (0, 0)
    if host[-2:] == ".*":
        return (2, len(host)) if asked.startswith(host[:-1]) else (0, 0)
    return (4, 0) if host == asked else (0, 0)


def covers(prefix, path):
    return path == prefix or path.startswith(prefix if prefix[-1:] == b"/" else prefix + b"/")


def holds(wanted, method, value, query):
    for kind, expected in wanted:
        if kind == "method":
            if method != expected and (method, expected) != ("HEAD", "GET"):
                return False
        else:
            have = value if kind == "field" else query
            if isinstance(expected, Matcher):
                if (have in ("1", "2")) != (expected is LIKE_ONE):
                    return False
            elif (have is not None) != expected if isinstance(expected, bool) else have != expected:
                return False
    return True


def expected(routes, asked, path, normal, method, value, query):
    """The number of the route for ``path``, or ``None``."""
    ranks = {rank(host, asked) for one in routes for host in one[0] or ["*"]}
    for level in sorted(ranks - {(0, 0)}, reverse=True):
        here = [
            (number, one) for number, one in enumerate(routes)
            if level in {rank(host, asked) for host in one[0] or ["*"]} and holds(one[5], method, value, query)
        ]  # fmt: skip

        def written(one):
            return normalise_path(one[2].encode()) if normal else one[2].encode()

        exact = [number for number, one in here if one[1] == "exact" and written(one) == path]
        if exact:
            return exact[0]
        prefixes = [
            (-len(written(one)), number, one[4])
            for number, one in here
            if one[1] == "path" and covers(written(one), path)
        ]
        longest = min(prefixes, default=None)
        if longest is not None and longest[2]:
            return longest[1]
        found = [number for number, one in here if one[1] == "regex" and re.search(one[3].encode(), path)]
        if found:
            return found[0]
        if longest is not None:
            return longest[1]
    return None


@given(
    ROUTES, st.sampled_from(ASKED), PATHS, st.sampled_from(["GET", "HEAD", "POST"]), st.sampled_from([None, "1", "x"]), st.sampled_from([None, "2", "x"])
)  # fmt: skip
@examples(400)
def test_the_route_of_a_request(routes, asked, path, method, value, query):
    target = path + (f"?a=1&v={query}" if query is not None else "?a=1")
    field = f"X-A: {value}\r\n" if value is not None else ""
    head = parse_request(f"{method} {target} HTTP/1.1\r\nHost: {asked.upper()}:80\r\n{field}\r\n".encode())
    levels = Router(rules_of(routes)).levels(head.host)
    looks = list(looked_at(levels, head.path, False, head, None))
    raw = expected(routes, asked, path.encode(), False, method, value, query)
    assert [choice.destination for choice, said in looks if said == "taken"] == ([raw] if raw is not None else [])
    normal = expected(routes, asked, normalise_path(path.encode()), True, method, value, query)
    try:
        found = match(levels, head, None)
    except AmbiguousPath:
        assert raw != normal
    except (ClimbingPath, UnclearDots):
        assert b".." in unquote_to_bytes(path)
    else:
        assert found == raw == normal


GUESTS = st.lists(st.tuples(st.lists(st.sampled_from(["a.test", "b.a.test", "b.a.org", "x"]), min_size=1, max_size=2), PREFIXES), min_size=1, max_size=5)  # fmt: skip


def yields(route, asked):
    """Whether it is a default, which leaves requests for ``asked`` to guests."""
    hosts, kind, path, _pattern, first, conditions = route
    named = (4, 0) in {rank(host, asked) for host in hosts or ["*"]}
    return kind == "path" and path == "/" and not conditions and not first and not named


@given(ROUTES, GUESTS, st.sampled_from(ASKED), PATHS, st.sampled_from(["GET", "POST"]), st.sampled_from([None, "1"]))
@examples(600)
def test_guests_get_what_is_left(routes, guests, asked, path, method, value):
    """A guest gets a request if none of the other routes is for it, or only a default; to those nothing changes."""
    field = f"X-A: {value}\r\n" if value is not None else ""
    head = parse_request(f"{method} {path} HTTP/1.1\r\nHost: {asked}\r\n{field}\r\n".encode())
    rules = [
        *rules_of(routes),
        *((Rule(tuple(hosts), prefix, guest=True), len(routes) + n) for n, (hosts, prefix) in enumerate(guests)),
    ]
    levels = Router(rules).levels(head.host)
    as_routes = [(hosts, "path", prefix, "", False, []) for hosts, prefix in guests]

    def wanted(path, normal):
        own = expected(routes, asked, path, normal, method, value, None)
        guest = expected(as_routes, asked, path, normal, method, value, None)
        if guest is None or (own is not None and not yields(routes[own], asked)):
            return own
        return guest + len(routes)

    raw, normal = wanted(path.encode(), False), wanted(normalise_path(path.encode()), True)
    looks = list(looked_at(levels, head.path, False, head, None))
    assert [choice.destination for choice, said in looks if said == "taken"] == ([raw] if raw is not None else [])
    try:
        found = match(levels, head, None)
    except AmbiguousPath:
        assert raw != normal
    except (ClimbingPath, UnclearDots):
        assert b".." in unquote_to_bytes(path)
    else:
        assert found == raw == normal


@given(PATTERNS, PATHS)
@settings(deadline=None)
def test_a_literal_is_what_every_path_begins_with(pattern, path):
    if re.search(pattern.encode(), path.encode()):
        assert path.encode().startswith(literal_of(pattern.encode()))


@given(st.text("^/ab.+*?(|)[]\\{}1$Q", max_size=9), st.text("/ab.1", max_size=6))
@examples(500)
def test_a_literal_of_any_pattern(pattern, path):
    try:
        made = Pattern(pattern)
    except ValueError:
        return
    if made.finds(path.encode()):
        assert path.encode().startswith(made.literal)
