"""Conditions of requests (RFC 9110 section 13), for a representation whose validators are at hand.

Rules of this room: ``fields`` are the lines of a request for a representation that exists and would be answered with
a 200; its ETag is strong, or empty where it has none.  A field that cannot be understood is treated as the section of
its name says: an invalid date is ignored, an invalid entity tag matches nothing.
"""

import re
from typing import Final

from rsp.http.dates import parse_date
from rsp.http.lines import get, which

_OK: Final = 0
_NOT_MODIFIED: Final = 304
_FAILED: Final = 412

_NAMES: Final = (b"if-match", b"if-unmodified-since", b"if-none-match", b"if-modified-since")
_MATCH: Final = 1
_UNMODIFIED: Final = 2
_NONE_MATCH: Final = 4
_MODIFIED: Final = 8
_MOST: Final = 500  # commas in a list that is looked at
_TAG: Final = re.compile(rb'[\t ]*(?:((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[\t ]*)?(?:,|\Z)')


def status(fields: bytes, etag: bytes, modified: int | None) -> int:
    """What the request's conditions make of a 200, in the order of section 13.2.2: 304, 412, or 0: nothing.

    ``modified``: the moment in Last-Modified; ``None``: there is no such field.  The method is GET or HEAD.
    """
    return decide(which(fields, _NAMES), fields, etag, modified)


def decide(there: int, fields: bytes, etag: bytes, modified: int | None) -> int:
    """As :func:`status`, where it is known which of these fields there are: in bits, the lowest for If-Match,
    If-Unmodified-Since, If-None-Match, If-Modified-Since, in this order."""
    if there & _MATCH:
        if not matches(_value(fields, b"if-match"), etag, False):
            return _FAILED
    elif there & _UNMODIFIED and modified is not None:
        date = parse_date(_value(fields, b"if-unmodified-since"))
        if date is not None and modified > date:
            return _FAILED
    if there & _NONE_MATCH:
        return _NOT_MODIFIED if matches(_value(fields, b"if-none-match"), etag, True) else _OK
    if there & _MODIFIED and modified is not None:
        date = parse_date(_value(fields, b"if-modified-since"))
        if date is not None and modified <= date:
            return _NOT_MODIFIED
    return _OK


def range_holds(fields: bytes, etag: bytes, modified: int | None, now: float) -> bool:
    """Whether If-Range, if there is one, lets the request's Range stand (section 13.1.5).

    ``now``: the time of day.  A date proves nothing of a file that may still be changed in the same second.
    """
    value = get(fields, b"if-range")
    if value is None:
        return True
    if b'"' in value[:3]:
        return bool(etag) and value == etag and etag[:2] != b"W/"
    return modified is not None and parse_date(value) == modified and modified + 1 <= now


def matches(value: bytes, etag: bytes, weakly: bool) -> bool:
    """Whether ``value`` of If-Match or If-None-Match names the representation with ``etag``; ``*``: any.

    ``weakly``: by the weak comparison of section 8.8.3.2, for which W/ makes no difference.
    """
    if value == b"*":
        return True
    if not etag or (not weakly and etag[:2] == b"W/"):
        return False
    if value == etag:
        return True
    wanted = etag.removeprefix(b"W/") if weakly else etag
    if wanted not in value or value.count(b",") > _MOST:
        return False
    at = 0
    while at < len(value):
        found = _TAG.match(value, at)
        if found is None:  # it is no list of entity tags
            return False
        tag = found[1]
        if tag is not None and (tag.removeprefix(b"W/") if weakly else tag) == wanted:
            return True
        at = found.end()
    return False


def _value(fields: bytes, name: bytes) -> bytes:
    return get(fields, name) or b""
