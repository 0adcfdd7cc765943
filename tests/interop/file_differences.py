"""Where rsp and nginx answer a request for a file differently, and why."""

import re

from tests.interop.file_battery import NO_DATES

_SPEC = r"[ \t]*(?:\d+-\d*|-\d+)[ \t]*"
_RANGES = re.compile(rf"(?i:bytes)=(?:[ \t]*,)*{_SPEC}(?:,(?:{_SPEC})?)*")

_IN_NAMES = {
    "": "A directory without an index and a list does not exist: 404, as the file that is not there.",
    "docs/..": "A directory without an index and a list does not exist: 404, as the file that is not there.",
    "docs/deep": "A path is redirected to its slash only if there is something behind it.",
    "docs/deep/": "A directory without an index and a list does not exist: 404, as the file that is not there.",
    "%00": "A name with a NUL is that of no file: 404.",
    "ten.txt%00": "A name with a NUL is that of no file: 404.",
    "../ten.txt": "A path that leads out of its route is refused, not resolved: 400.",
    "%2e%2e/ten.txt": "A path that leads out of its route is refused, not resolved: 400.",
    "docs%5cindex.html": "A backslash is a slash, as browsers and other servers have it.",
    "outside.txt": "A link out of the directory is not followed: 404.",
    "loop": "A link to itself leads to no file: 404.",
}


def reason_for(method, name, fields, mine, theirs):
    """``mine``, ``theirs``: the statuses of rsp and nginx.  ``None``: they should agree."""
    asked, statuses = dict(fields), (mine, theirs)
    if len(asked) < len(fields):
        return "Lines of one name are one list (RFC 9110 section 5.3)."
    if not fields and method in ("GET", "HEAD"):
        return _IN_NAMES.get(name)
    if method not in ("GET", "HEAD"):
        return "Another method is refused for every path (405)." if mine == 405 else None
    if name == "docs/deep":
        return _IN_NAMES[name]
    return (
        _of_codings(asked, statuses)
        or _of_conditions(asked, statuses)
        or _of_ranges(method, asked, statuses)
    )  # fmt: skip


def _of_codings(asked, statuses):
    accept = asked.get("Accept-Encoding")
    if accept is None:
        return None
    if accept in ("*", "x-gzip"):
        return "`*` is any coding, and x-gzip is gzip (RFC 9110 sections 12.5.3 and 8.4.1.3)."
    if accept.startswith("identity;q=1"):
        return "What the client likes best is no coding (RFC 9110 section 12.5.3)."
    if statuses == (206, 200):
        return "A precompressed file has parts like every other file."
    return None


def _of_conditions(asked, statuses):
    if "If-Match" in asked and "If-Unmodified-Since" in asked and statuses[1] == 412:
        return "If-Unmodified-Since is ignored beside If-Match (RFC 9110 section 13.1.4)."
    if "If-None-Match" in asked and "If-Modified-Since" in asked and statuses[0] == 304:
        return "If-Modified-Since is ignored beside If-None-Match (RFC 9110 section 13.1.3)."
    if "*, {etag}" in asked.values():
        return "`*` stands alone (RFC 9110 sections 13.1.1 and 13.1.2)."
    dates = [asked.get(name) for name in ("If-Modified-Since", "If-Unmodified-Since", "If-Range")]
    if statuses[0] == 200 and any(date in NO_DATES for date in dates):
        return "What is no date of HTTP is ignored (RFC 9110 sections 13.1.3 to 13.1.5)."
    return None


def _of_ranges(method, asked, statuses):
    value = asked.get("Range")
    if value is None:
        return None
    if method == "HEAD" and statuses[0] == 200:
        return "Only GET has ranges (RFC 9110 section 14.2)."
    if not _RANGES.fullmatch(value):
        return "A Range that is malformed is ignored (RFC 9110 section 14.2)." if statuses[0] == 200 else None
    if statuses == (206, 416):
        return "Numbers may be of any length, and elements of lists empty (RFC 9110 sections 14.1.1 and 5.6.1.2)."
    if statuses == (206, 200):
        return "Ranges that overlap become one (RFC 9110 section 15.3.7.2)."
    return "A Range with an impossible part is ignored (RFC 9110 section 14.2)." if statuses[0] == 200 else None
