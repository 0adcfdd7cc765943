"""Dates in fields (RFC 9110 section 5.6.7): the three forms that HTTP has had, as seconds since 1970.

Rules of this room: only these forms, letter by letter, are dates; fields that need a date are otherwise
ignored.
"""

import re
from calendar import timegm
from datetime import datetime
from functools import lru_cache
from time import gmtime
from typing import Final

_MONTHS: Final = b"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_NUMBERS: Final = {name: number for number, name in enumerate(_MONTHS.split(b"|"), 1)}
_TIME: Final = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS: Final = (
    # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>\d\d) (?P<month>%b) (?P<year>\d{4}) %b GMT",
    # RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
    rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-(?P<month>%b)-(?P<year>\d\d) %b GMT",
    # asctime: Sun Nov  6 08:49:37 1994
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>%b) (?P<day>\d\d| \d) %b (?P<year>\d{4})",
)
_DATES: Final = tuple(re.compile(form % (_MONTHS, _TIME)) for form in _FORMS)
_LONGEST: Final = 33  # letters
_SHORT: Final = 2  # digits of a year in RFC 850
_LEAP: Final = 60


def parse_date(value: bytes) -> int | None:
    """The moment that ``value`` stands for; ``None``: it is no date."""
    return _parse(value) if len(value) <= _LONGEST else None


@lru_cache(maxsize=500)  # clients ask with dates that they were told
def _parse(value: bytes) -> int | None:
    for form in _DATES:
        found = form.fullmatch(value)
        if found is not None:
            return _moment(found)
    return None


def _moment(found: re.Match[bytes]) -> int | None:
    written, second = found["year"], int(found["second"])
    year = _century(int(written)) if len(written) == _SHORT else int(written)
    try:
        # A leap second is written as 60; POSIX has none.
        moment = datetime(
            year, _NUMBERS[found["month"]], int(found["day"]), int(found["hour"]), int(found["minute"]),
            second - (second == _LEAP),
        )  # fmt: skip
    except ValueError:
        return None
    return timegm(moment.timetuple()) + (second == _LEAP)


def _century(year: int) -> int:
    """A year of two digits that would be more than 50 years ahead is in the past."""
    now = gmtime().tm_year
    full = now - now % 100 + year
    return full - 100 if full > now + 50 else full
