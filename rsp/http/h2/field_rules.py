"""What a field may be in HTTP/2, whatever message it is in (RFC 9113 sections 8.2 and 8.3).

Rules of this room: values follow HTTP/1's grammar (RFC 9110 section 5.5), so what is taken here can be said in
HTTP/1.  Faults name no value, because they are logged.  Both twins of HPACK take their tables from here.
"""

import re
from typing import Final

# Kinds of names.
REGULAR: Final = 0
METHOD: Final = 1
SCHEME: Final = 2
AUTHORITY: Final = 3
PATH: Final = 4
PROTOCOL: Final = 5
STATUS: Final = 6
HOST: Final = 7
COOKIE: Final = 8
LENGTH: Final = 9
TE: Final = 10
PRIORITY: Final = 11
CONNECTION: Final = 12  # specific to a connection of HTTP/1
UNKNOWN: Final = 13  # pseudo-field
INVALID: Final = 14

KINDS: Final[dict[bytes, int]] = {
    b":method": METHOD,
    b":scheme": SCHEME,
    b":authority": AUTHORITY,
    b":path": PATH,
    b":protocol": PROTOCOL,
    b":status": STATUS,
    b"host": HOST,
    b"cookie": COOKIE,
    b"content-length": LENGTH,
    b"te": TE,
    b"priority": PRIORITY,
    b"connection": CONNECTION,
    b"proxy-connection": CONNECTION,
    b"keep-alive": CONNECTION,
    b"transfer-encoding": CONNECTION,
    b"upgrade": CONNECTION,
}

BAD_NAME: Final = "a field name is not a token in lower case"
BAD_VALUE: Final = "a field value has a control character, or a space at its beginning or end"
UNKNOWN_PSEUDO: Final = "an unknown pseudo-field"
CONNECTION_SPECIFIC: Final = "a field that is specific to a connection of HTTP/1"
BAD_TE: Final = "the value of TE is not trailers"
BAD_LENGTH: Final = "invalid Content-Length"
SECOND_LENGTH: Final = "more than one Content-Length"
SECOND_HOST: Final = "more than one Host"
PSEUDO_TWICE: Final = "a pseudo-field is there twice"
PSEUDO_LATE: Final = "a pseudo-field behind a regular field"
PSEUDO_IN_TRAILERS: Final = "a pseudo-field in trailers"

LONGEST_LENGTH: Final = 18  # digits of Content-Length, as in HTTP/1

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]++")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def kind_of(name: bytes) -> int:
    kind = KINDS.get(name)
    if kind is not None:
        return kind
    if name[:1] == b":":
        return UNKNOWN
    return REGULAR if _TOKEN.fullmatch(name) else INVALID


def is_value(value: bytes) -> bool:
    return _CONTROL.search(value) is None and value.strip(b" \t") == value
