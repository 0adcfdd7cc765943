"""Percent-encoding (RFC 3986 section 2.1) of what comes from a request, for each place of a URL.

Paths and queries of requests are encoded already: their escapes stay, and what may not be there as it is becomes an
escape.  All other values are text: in a URL they stay one segment, or one argument, whatever they consist of.
"""

import re
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

# WHATWG's URL standard leaves these as they are, and so do clients.
_ODD_IN_PATH: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^!$%&'()*+,\-./0-9:;=@A-Z\[\]_a-z|~]")
_ODD_IN_QUERY: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z|~]")
_IN_SEGMENT: Final = "!$&'()*+,;=:@"  # RFC 3986 section 3.3: pchar, beside what is never encoded


def path(value: bytes) -> bytes:
    """Some of a request's path."""
    return _ODD_IN_PATH.sub(_escape, value)


def query(value: bytes) -> bytes:
    """A request's query, or its path with the query."""
    return _ODD_IN_QUERY.sub(_escape, value)


def segment(value: bytes) -> bytes:
    """A text within a path: it begins no other segment."""
    return quote_from_bytes(value, _IN_SEGMENT).encode()


def argument(value: bytes) -> bytes:
    """A text within a query: it begins no other argument."""
    return quote_from_bytes(value, "/").encode()


def decoded_argument(value: bytes) -> bytes:
    """Some of a request's path within a query, for an application that decodes arguments once."""
    return argument(unquote_to_bytes(value))


def label(value: bytes) -> bytes:
    """A text within a host: it ends no host."""
    return quote_from_bytes(value, "").encode()


def has_dots(value: bytes) -> bool:
    """Whether a path has a segment ``..``, as a lenient backend reads it."""
    return b".." in unquote_to_bytes(value).replace(b"\\", b"/").split(b"/")


def climbs(value: bytes) -> bool:
    """Whether segments ``..`` lead out of where a path begins, as a lenient backend reads it."""
    depth = 0
    for each in unquote_to_bytes(value).replace(b"\\", b"/").split(b"/"):
        if each == b"..":
            depth -= 1
        elif each not in (b"", b"."):
            depth += 1
        if depth < 0:
            return True
    return False


def _escape(odd: re.Match[bytes]) -> bytes:
    return b"%%%02X" % odd[0][0]
