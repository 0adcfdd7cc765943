"""Schemes that authenticate a connection, not a request (RFC 4559 section 6): NTLM, Negotiate, Nego2."""

import re
from typing import Final

from rsp.http.names import AUTHORIZATION

# A challenge may name several.  The compiled codec leaves credentials whose scheme begins with an N to head.py.
BOUND_CREDENTIALS: Final = re.compile(rb"[\t ]*(?:ntlm|nego)", re.IGNORECASE)
BOUND_CHALLENGE: Final = re.compile(rb"(?:^|[\t ,])(?:ntlm|nego|true)", re.IGNORECASE)
_BOUND_LINE: Final = re.compile(
    rb"(?:\A|\n)(?:%b):[\t ]*(?:ntlm|nego)" % b"|".join(sorted(AUTHORIZATION)), re.IGNORECASE
)


def binds_connection(fields: bytes) -> bool:
    """Whether a block of request fields has credentials that authenticate the connection that they are sent on."""
    return _BOUND_LINE.search(fields) is not None
