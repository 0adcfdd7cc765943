"""Two regular expressions that have to hold at once: what says both is found where both are, and nowhere else."""

import itertools
import random
import re
import time

import pytest

from rsp.importing.automata import begin_import
from rsp.importing.ordered.inexpressible import Inexpressible
from rsp.importing.ordered.two_patterns import both
from rsp.importing.ordered.value import Value
from rsp.importing.ordered.value import both as both_values

PATTERNS = (
    r"\.(css|js|png)$",
    r"^/[^/]*\.bak$",
    r"^/\.git",
    r"\.css$",
    r"(?i)^/user/.*",
    r"/user/data/.*",
    r"(?i)\.(jpe?g|png|gif)$",
    r"^/a(?:/|$)",
    r"^/(wp-admin/|xmlrpc\.php)",
    r"index.php",
    r"[0-9]{1,3}",
    r"^/v[12]/",
    r"^/a/",
    r"/a$",
    r"foo|bar$",
    r"^/x?y*z+$",
)
PARTS = [
    "/",
    "a",
    ".css",
    ".js",
    ".png",
    ".bak",
    ".git",
    "user",
    "USER",
    "data",
    "foo",
    "bar",
    "wp-admin",
    "index.php",
    "v1",
    "v2",
    "x",
    "y",
    "z",
    "7",
    "xmlrpc.php",
    ".JPG",
    ".jpeg",
]


@pytest.fixture(autouse=True)
def _new_import():
    begin_import()


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations(PATTERNS, 2)))
def test_it_is_found_where_both_are(one, two):
    try:
        found = both(one, two, "/")
    except Inexpressible:
        found = "?"
    draw = random.Random(one + two)
    for _ in range(300):
        path = "/" + "".join(draw.choice(PARTS) for _ in range(draw.randint(0, 5)))
        wanted = re.search(one, path) is not None and re.search(two, path) is not None
        if found is None:
            assert not wanted, path
        elif found != "?":
            assert (re.search(found, path) is not None) == wanted, (path, found)


@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        (r"\.css$", r"^/[^/]*\.bak$", None),
        (r"\.(css|js)$", r"\.css$", r"\.css$"),
        (r"^/\.git", r"\.css$", r"^/\.git.*\.css$"),
        (r"^/\.git", r"^/[^/]*\.bak$", r"^/\.git[^/]*\.bak$"),
        (r"\.(css|js|png)$", r"(?i)\.(jpe?g|png|js)$", r"\.(?:js|png)$"),
        (r"^/api/", r"/x$", r"^/api/.*/x$|^/api/x$"),
        (r"^/(a|b)/", r"\.(css|js)$", r"^/(?:a|b)/.*\.(?:css|js)$"),
    ],
)
def test_it_is_written_as_a_person_would(one, two, found):
    assert both(one, two, "/") == found


@pytest.mark.parametrize("other", [r"\bx", r"(?=x)", r"(a)\1", "x{1000}", "(", r"(?s)a.b"])
def test_what_it_does_not_know_is_not_guessed(other):
    with pytest.raises(Inexpressible):
        both(other, r"^/c[0-9]")


def test_values():
    two = both_values(Value(prefix=("Mozilla",)), Value(prefix=("Mozilla/5", "curl")))
    assert two == Value(regex=("^Mozilla/5",))
    assert both_values(Value(suffix=("a",)), Value(suffix=("b",))) is None


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("((a{100}){100}){100}", "(a|b)*a(a|b){20}"),
        ("(a|b|c)(d|e|f)(g|h|i)(j|k|l)(m|n|o)(p|q|r)", "^/(a|b)/(c|d)/(e|f)/(g|h)/(i|j)/.*(k|l)$"),
        ("x" * 100_000, "y"),
    ],
)
def test_what_would_take_long_is_given_up(one, two):
    begun = time.process_time()
    with pytest.raises(Inexpressible):
        both(one, two, "/")
    assert time.process_time() - begun < 10  # a second; before, some 30
