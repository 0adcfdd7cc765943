"""Conditions on requests: what they say, and how a mistake in one is named."""

import pytest

from rsp.config.predicate import Predicate

REQUEST = {
    "path": b"/api/v1",
    "method": b"GET",
    "status": 503,
    "bytes": 70_000,
    "duration": 0.25,
    "first_byte": None,
    "tls_resumed": 0,
    "request.header.user-agent": b'curl/7 "x" \\',
    "host": "a.example",
    "sni": b"",
}


@pytest.mark.parametrize(
    "text",
    [
        "status >= 500",
        "status = 503 and method = 'GET'",
        "status == 503",
        "not status < 500",
        "status = 1 or status = 503",
        "status = 503 or status = 1 and status = 2",
        "(status = 1 or status = 503) and duration = 250ms",
        "duration <= 0.25s and duration >= 250000us and duration < 5m and duration < 1h and duration < 1d",
        "bytes > 64KB and bytes < 1MB and bytes < 70001b and bytes > 68kib",
        "status in (500, 503)",
        "status not in (500, 502)",
        'path ~ "^/api/"',
        'path !~ "^/API"',
        'path ~ "(?i)^/API"',
        'path in ("/", "/api/v1")',
        'path != "/api"',
        "method",
        "not sni and not tls_resumed and not first_byte and not request.header.cookie",
        "not (first_byte < 5 or first_byte >= 0 or first_byte = 0)",
        "first_byte != 5",
        'referer = "" and referer != "x"',
        r'request.header.user-agent ~ "\"x\" \\$"',
        r"""request.header.user-agent = 'curl/7 "x" \\'""",
        'host = "a.example"',
    ],
)
def test_what_matches(text):
    predicate = Predicate.parse(text)
    assert predicate.matches(REQUEST.get)
    assert not Predicate.parse(f"not ({text})").matches(REQUEST.get)


@pytest.mark.parametrize("text", ['path ~ "x" and status = 1', 'path ~ "x" or not status = 503'])
def test_regular_expressions_are_looked_at_last(text):
    asked = []
    Predicate.parse(text).matches(lambda name: asked.append(name) or REQUEST[name])
    assert asked[0] == "status"


def test_its_fields():
    predicate = Predicate.parse('path ~ "x" and (status > 1 or query.page = "2") and path != "y"')
    assert predicate.fields == {"path", "status", "query.page"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: a condition is expected, such as `status >= 500`"),
        ("statsu >= 500", 'column 1: there is no field "statsu" (did you mean "status"?)'),
        ("path ~ ^/api", "column 8: unexpected `^`; text is written in quotes"),
        ("path = api", 'column 8: `path` is text, so a text in quotes is expected, not `api`; write "api"'),
        ('status = "500"', "column 10: `status` is a number; write it without quotes"),
        ("status = 10.0.0.1", "column 10: a number is expected, such as 500, 250ms or 64KB, not `10.0.0.1`"),
        ("path > 5", "column 6: `path` is text; use =, !=, ~, !~ or `in`"),
        ('status ~ "5.."', "column 8: `status` is a number; use =, !=, <, <=, >, >= or `in`"),
        ("status >=", "column 10: a number is expected, such as 500, 250ms or 64KB, not the end"),
        ("status = 1 && path", "column 12: unexpected `&`; write `and`"),
        ("status = 1 path", "column 12: `and`, `or` or the end is expected, not `path`"),
        ("(status = 1", "column 12: `)` is expected for the bracket in column 1, not the end"),
        ("status = 1)", "column 11: `and`, `or` or the end is expected, not `)`"),
        ("and status", "column 1: a field is expected, such as `status` or `path`, not `and`"),
        ("status in 5", "column 11: `(` is expected after `in`, not `5`"),
        ("status in (5 6)", "column 14: `,` is expected between values, not `6`"),
        ("status not 5", "column 12: `in` is expected after `not`, not `5`"),
        ('path ~ "("', "column 8: regular expression: missing ): ("),
        ('path = "x', 'column 8: a text that begins with " must end with "'),
        ("request.header. = 'x'", 'column 1: "request.header." requires a name after it: request.header.user-agent'),
        ("status = 1\x1b", r"column 11: unexpected `'\x1b'`"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ValueError) as caught:
        Predicate.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not " * 21 + "status", "brackets and `not` can be nested at most 20 deep"),
        ("(" * 21 + "status" + ")" * 21, "brackets and `not` can be nested at most 20 deep"),
        (" or ".join(["status"] * 101), "at most 100 comparisons"),
        (f"status in ({','.join(map(str, range(101)))})", "at most 100 values"),
        ("status" + " " * 2000, "at most 2000 characters"),
        ('path ~ "(a{500}){3}"', "regular expression"),
        (" or ".join(['path ~ "a{300}"'] * 4), "the regular expressions are too large"),
    ],
)
def test_bounds(text, message):
    with pytest.raises(ValueError, match=message):
        Predicate.parse(text)


def test_the_largest_that_may_be():
    for text in ("not " * 20 + "status", "(" * 20 + "status" + ")" * 20, " or ".join(["status"] * 100)):
        Predicate.parse(text).matches(REQUEST.get)
