"""Conditions of requests, by RFC 9110 section 13."""

from calendar import timegm
from time import gmtime

import pytest

from rsp.http.dates import parse_date
from rsp.http.preconditions import range_holds, status

MODIFIED = 784111777
EXACT = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"
ETAG = b'"abc"'


def lines(*fields: bytes) -> bytes:
    return b"Host: x\r\n" + b"".join(field + b"\r\n" for field in fields)


def result(*fields: bytes, etag: bytes = ETAG, modified: int | None = MODIFIED) -> int:
    return status(lines(*fields), etag, modified)


@pytest.mark.parametrize(
    ("value", "matched"),
    [
        (b'"abc"', True),
        (b"*", True),
        (b'"x", "abc"', True),
        (b'"x","abc" ,"y"', True),
        (b',, "abc"', True),
        (b'"a,b", "abc"', True),
        (b'"x", W/"y", "abc"', True),
        (b'"x"', False),
        (b'"ABC"', False),
        (b'"abc', False),
        (b"abc", False),
        (b'"abc"x', False),
        (b'x"abc"', False),
        (b'"x" "abc"', False),
        (b'w/"abc"', False),
        (b'W/ "abc"', False),
        (b'"x", *', False),
        (b"", False),
        (b'"\xe9", "abc"', True),
    ],
)
def test_entity_tags(value, matched):
    assert (result(b"If-Match: " + value) == 0) is matched
    assert (result(b"If-None-Match: " + value) == 304) is matched


def test_weak_tags_match_only_where_the_weak_comparison_is_used():
    assert result(b'If-None-Match: W/"abc"') == 304
    assert result(b'If-Match: W/"abc"') == 412
    assert result(b'If-None-Match: "abc"', etag=b'W/"abc"') == 304
    assert result(b'If-Match: "abc"', etag=b'W/"abc"') == 412
    assert result(b'If-Match: W/"abc"', etag=b'W/"abc"') == 412


def test_several_lines_are_one_list():
    assert result(b'If-None-Match: "x"', b'if-none-match: "abc"') == 304
    assert result(b'IF-MATCH: "x"', b'If-Match: "abc"') == 0


def test_long_lists_cost_little():
    """What is longer than any client's list names nothing."""
    assert result(b"If-None-Match: " + b'"x", ' * 400 + ETAG) == 304
    assert result(b"If-None-Match: " + b'"x", ' * 10000 + ETAG) == 0
    assert result(b"If-Match: " + b'"x", ' * 10000 + ETAG) == 412


def test_without_a_tag_only_a_star_matches():
    assert result(b'If-Match: "abc"', etag=b"") == 412
    assert result(b'If-None-Match: "abc"', etag=b"") == 0
    assert result(b"If-Match: *", etag=b"") == 0
    assert result(b"If-None-Match: *", etag=b"") == 304


@pytest.mark.parametrize(
    ("date", "since", "unmodified"),
    [
        (EXACT, 304, 0),
        (AFTER, 304, 0),
        (BEFORE, 0, 412),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 304, 0),
        (b"Sun Nov  6 08:49:37 1994", 304, 0),
        (b"Sun Nov  6 08:49:36 1994", 0, 412),
        (b"Mon, 06 Nov 1994 08:49:37 GMT", 304, 0),  # the day of the week is not compared
        (b"Fri, 31 Dec 9999 23:59:59 GMT", 304, 0),
        # what is no date is as if it were not there
        (b"yesterday", 0, 0),
        (b"", 0, 0),
        (b"784111777", 0, 0),
        (b"Sun, 06 Nov 1994 08:49:37 UTC", 0, 0),
        (b"Sun, 06 Nov 1994 08:49:37 +0000", 0, 0),
        (b"Sun, 31 Feb 1994 08:49:37 GMT", 0, 0),
        (b"Sun, 06 Nov 1994 24:49:37 GMT", 0, 0),
        (b"sun, 06 nov 1994 08:49:37 gmt", 0, 0),
        (b"1994-11-06T08:49:37Z", 0, 0),
        (b"Thu, 01 Jan 0000 00:00:00 GMT", 0, 0),
    ],
)
def test_dates(date, since, unmodified):
    assert result(b"If-Modified-Since: " + date) == since
    assert result(b"If-Unmodified-Since: " + date) == unmodified


@pytest.mark.parametrize("name", [b"If-Modified-Since", b"If-Unmodified-Since"])
def test_two_dates_are_none(name):
    for date in (BEFORE, EXACT, AFTER):
        assert result(name + b": " + date, name + b": " + date) == 0


def test_without_a_date_dates_say_nothing():
    assert result(b"If-Modified-Since: " + AFTER, modified=None) == 0
    assert result(b"If-Unmodified-Since: " + BEFORE, modified=None) == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((b'If-Match: "abc"', b"If-Unmodified-Since: " + BEFORE), 0),
        ((b'If-Match: "x"', b"If-Unmodified-Since: " + AFTER), 412),
        ((b'If-None-Match: "x"', b"If-Modified-Since: " + AFTER), 0),
        ((b'If-None-Match: "abc"', b"If-Modified-Since: " + BEFORE), 304),
        ((b'If-None-Match: ""', b"If-Modified-Since: " + AFTER), 0),
        ((b"If-None-Match: no tag", b"If-Modified-Since: " + AFTER), 0),
        ((b'If-Match: "abc"', b'If-None-Match: "abc"'), 304),
        ((b'If-Match: "x"', b'If-None-Match: "abc"'), 412),
        ((b"If-Unmodified-Since: " + AFTER, b'If-None-Match: "abc"'), 304),
        ((b"If-Unmodified-Since: " + BEFORE, b"If-Modified-Since: " + AFTER), 412),
        ((b"If-Unmodified-Since: " + EXACT, b"If-Modified-Since: " + EXACT), 304),
    ],
)
def test_the_order_of_conditions(fields, expected):
    assert result(*fields) == expected
    assert result(*reversed(fields)) == expected


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (b'"abc"', True),
        (b'"x"', False),
        (b'W/"abc"', False),
        (b'"x", "abc"', False),
        (b"*", False),
        (b"abc", False),
        (b"", False),
        (EXACT, True),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", True),
        (b"Sun Nov  6 08:49:37 1994", True),
        (AFTER, False),
        (BEFORE, False),
        (b"no date", False),
    ],
)
def test_if_range(value, holds):
    assert range_holds(lines(b"Range: bytes=0-1", b"If-Range: " + value), ETAG, MODIFIED, 1e9) is holds


def test_if_range_by_what_is_weak():
    assert range_holds(lines(), ETAG, MODIFIED, 1e9)
    assert not range_holds(lines(b'If-Range: W/"abc"'), b'W/"abc"', MODIFIED, 1e9)
    assert not range_holds(lines(b'If-Range: "abc"'), b'W/"abc"', MODIFIED, 1e9)
    assert not range_holds(lines(b'If-Range: ""'), b"", MODIFIED, 1e9)
    # In the second of its last change a file may change again, and its date stays the same.
    assert not range_holds(lines(b"If-Range: " + EXACT), ETAG, MODIFIED, MODIFIED + 0.5)
    assert range_holds(lines(b"If-Range: " + EXACT), ETAG, MODIFIED, MODIFIED + 1.0)
    assert not range_holds(lines(b"If-Range: " + EXACT), ETAG, None, 1e9)


def test_years_of_two_digits():
    """More than 50 years ahead is in the past (section 5.6.7)."""
    assert parse_date(b"Sunday, 06-Nov-94 08:49:37 GMT") == MODIFIED
    assert parse_date(b"Saturday, 01-Jan-00 00:00:00 GMT") == 946684800
    this = gmtime().tm_year
    for ahead in (-40, 0, 40, 49):
        year = this + ahead
        assert parse_date(b"Monday, 02-Mar-%02d 00:00:00 GMT" % (year % 100)) == timegm((year, 3, 2, 0, 0, 0))
    past = this + 60 - 100
    assert parse_date(b"Monday, 02-Mar-%02d 00:00:00 GMT" % (past % 100)) == timegm((past, 3, 2, 0, 0, 0))


def test_leap_seconds():
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT") == 1483228800
    assert parse_date(b"Sat, 31 Dec 2016 23:59:61 GMT") is None
