"""Requests for files that a server of files may be asked, right ones and wrong ones.

``{etag}`` stands for the ETag that the server itself has given the file.
"""

import itertools

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"

RANGES = (
    "bytes=0-0", "bytes=0-3", "bytes=3-", "bytes=0-", "bytes=-1", "bytes=-10", "bytes=-99", "bytes=9-9", "bytes=5-99",
    "bytes=10-", "bytes=10-20", "bytes=-0", "bytes=5-2", "bytes=20-10", "bytes=", "bytes=-", "bytes=,", "bytes=a-b",
    "bytes=0-b", "bytes=1", "bytes=--1", "bytes=1-2-3", "bytes=0 - 1", "bytes= 0-1", "bytes=0-1 ", "bytes =0-1",
    "Bytes=0-1", "items=0-1", "none", "0-1", "", "bytes", "bytes:0-1", "bytes=0-0,-1", "bytes=-1,0-0", "bytes=0-1,3-4,6-",
    "bytes=0-1, 3-4", "bytes=0-4,5-9", "bytes=0-5,3-8", "bytes=0-,0-", "bytes=0-,-5", "bytes=0-1,99-", "bytes=99-,-0",
    "bytes=0-1,5-2", "bytes=0-1,x", "bytes=0-1,", "bytes=,0-1", "bytes=0-1,,2-3", "bytes=0-99999999999999999999",
    "bytes=99999999999999999999-", "bytes=-99999999999999999999", "bytes=0-1;x", "bytes=0-1, bytes=2-3", "bytes=00001-2",
    "bytes=" + ",".join(["0-"] * 300), "bytes=" + ",".join(f"{at}-{at}" for at in range(10)), "bytes=1.5-2", "bytes=+1-2",
)  # fmt: skip
TAGS = (
    "{etag}", "W/{etag}", "*", '"other"', '"other", {etag}', '"other",{etag}', '"other" , W/{etag}', "other", "",
    '{etag}, "other"', '{etag},', ',{etag}', '"', '{etag}x', 'x{etag}', '"a,b", {etag}', "w/{etag}", '*, {etag}',
    '"other" {etag}',
)  # fmt: skip
NO_DATES = (
    "yesterday", "0", "", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "784111777",
    "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 09:49:37 +0100", "Sun, 31 Feb 1994 08:49:37 GMT",
    "sun, 06 nov 1994 08:49:37 gmt", f"{DATE}; length=10",
)  # fmt: skip
DATES = (
    DATE, EARLIER, LATER, "Sunday, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:36 GMT", "Sun Nov  6 08:49:37 1994",
    "Sun Nov  6 08:49:36 1994", "Fri, 31 Dec 2100 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
    "Mon, 06 Nov 1994 08:49:37 GMT", *NO_DATES,
)  # fmt: skip
CODINGS = (
    "gzip", "br", "gzip, br", "GZIP", "gzip;q=0", "gzip;q=0.5", "gzip; q=0.000", "identity", "identity;q=0", "*", "*;q=0",
    "identity;q=1, gzip;q=0.5", "gzip;q=1.5", "deflate", "x-gzip", "", "gzip ;q=1", "br;q=0, gzip",
)  # fmt: skip
NAMES = (
    "", "none", "docs", "docs?x=1", "docs/", "docs//", "docs/.", "docs/..", "docs/../ten.txt", "./ten.txt", "%2e/ten.txt",
    "t%65n.txt", "ten.txt/", "ten.txt/x", "ten.txt?x=1", "docs%2Findex.html", "docs%2f", "%00", "ten.txt%00", "ten.txt%20",
    "../ten.txt", "%2e%2e/ten.txt", "docs%5cindex.html", "x" * 300, "TEN.TXT", "a%20b+c;d.txt", "%C3%A9.txt", ".env",
    "docs/deep", "docs/deep/", "empty.txt", "large.bin", "app.js", "docs;x", "docs/index.html", "unreadable.txt", "fifo",
    "link.txt", "outside.txt", "loop",
)  # fmt: skip
METHODS = ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "FOO", "get", "HEAD")


def battery():
    """Method, path below the root, fields."""
    for method, value in itertools.product(("GET", "HEAD"), RANGES):
        yield method, "ten.txt", [("Range", value)]
    for value in RANGES[:12]:
        yield "GET", "empty.txt", [("Range", value)]
        yield "GET", "none", [("Range", value)]
        yield "GET", "docs", [("Range", value)]
        yield "GET", "docs/", [("Range", value)]
        yield "GET", "large.bin", [("Range", value)]
        yield "POST", "ten.txt", [("Range", value)]
    for name, value in itertools.product(("If-Match", "If-None-Match"), TAGS):
        yield "GET", "ten.txt", [(name, value)]
        yield "HEAD", "ten.txt", [(name, value)]
        yield "GET", "none", [(name, value)]
    for name, value in itertools.product(("If-Modified-Since", "If-Unmodified-Since"), DATES):
        yield "GET", "ten.txt", [(name, value)]
        yield "HEAD", "ten.txt", [(name, value)]
    for value in (*TAGS, *DATES):
        yield "GET", "ten.txt", [("If-Range", value), ("Range", "bytes=2-3")]
        yield "GET", "ten.txt", [("If-Range", value)]
    tags, dates = ("{etag}", '"other"'), (EARLIER, DATE)
    for match, none, since, unmodified in itertools.product(
        (None, *tags), (None, *tags), (None, *dates), (None, *dates)
    ):
        fields = [
            ("If-Match", match), ("If-None-Match", none), ("If-Modified-Since", since), ("If-Unmodified-Since", unmodified),
        ]  # fmt: skip
        fields = [(name, value) for name, value in fields if value is not None]
        yield "GET", "ten.txt", fields
        yield "GET", "ten.txt", [*fields, ("Range", "bytes=0-1")]
        yield "GET", "ten.txt", [*fields, ("Range", "bytes=99-")]
    yield "GET", "ten.txt", [("Range", "bytes=0-1"), ("Range", "bytes=3-4")]
    yield "GET", "ten.txt", [("If-None-Match", '"other"'), ("If-None-Match", "{etag}")]
    yield "GET", "ten.txt", [("If-Match", '"other"'), ("If-Match", "{etag}")]
    yield "GET", "ten.txt", [("If-Modified-Since", DATE), ("If-Modified-Since", DATE)]
    for value in CODINGS:
        yield "GET", "app.js", [("Accept-Encoding", value)]
        yield "HEAD", "app.js", [("Accept-Encoding", value)]
        yield "GET", "app.js", [("Accept-Encoding", value), ("Range", "bytes=2-3")]
    yield "GET", "app.js", []
    for name in NAMES:
        yield "GET", name, []
        yield "HEAD", name, []
    for method in METHODS:
        yield method, "ten.txt", []
        yield method, "docs", []
        yield method, "none", []
