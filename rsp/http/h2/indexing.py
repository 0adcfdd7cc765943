"""Which fields an HPACK encoder puts into its table.  Both twins take their tables from here.

A field goes into the table when it comes for the second time: a connection with one request needs no table, and values
that do not repeat drive nothing out of it.
"""

from typing import Final

# Values that seldom repeat.
PASSING: Final = frozenset((
    b"age", b"content-length", b"content-range", b"date", b"etag", b"expires", b"if-modified-since", b"if-none-match",
    b"last-modified", b"location", b"set-cookie", b"traceparent", b"tracestate", b"x-request-id",
))  # fmt: skip
# Values that could be guessed from how well they compress: never put into a table, here or further on (RFC 7541
# section 7.1.3).
SECRET: Final = frozenset((b"authorization", b"proxy-authorization"))
SHORT_COOKIE: Final = 20  # bytes

SHARE: Final = 4  # a field that takes more than this part of the table is not put into it
RECENT: Final = 64  # fields that came once are remembered
