"""Where rsp differs from nginx and HAProxy both, and why.  Each reason is a row of the table in docs/http.md.

In every one of them rsp refuses what the others accept; nothing that both refuse is accepted by rsp.
"""

import re

_TABLE = (
    (rb"\n(?:Content|Transfer)_\w+:|\nX-Y: 1\r\nX_Y", "A name with `_` that shadows one with `-`: CGI-like backends take them for the same field."),
    (rb"(?<!\r)\n", "A line that ends in a bare LF: another parser may see one line, or two."),
    (rb"\n5[ \t]+\r\n", "White space after a chunk size: parsers disagree about it."),
    (rb"\n5;\x00", "Control characters in a chunk extension."),
    (rb"\n5;\r\n", "A chunk extension without a name, or with a malformed value (RFC 9112 section 7.1.1)."),
    (rb"\n5;x{256}", "A chunk extension of more than 256 bytes: it serves only to burn work."),
    (rb"^GET(?:  /x| /x  )", "More than one space in the request line."),
    (rb"HTTP/1\.2", "Versions other than 1.0 and 1.1: 505."),
    (rb"^GET ftp://", "An absolute target of another scheme than http and https."),
    (rb"^\r\n\r\n", "More than one empty line before a request."),
    (rb"\nHost: (?:h:x|u@h|\[::1\r|h\?x|h#x|h\\x|\xc3\xa9)", "A Host that is no host and port (RFC 3986): names are routed by it."),
    (rb"\nX: y[\x01\x7f]", "Control characters in a field's value."),
    (rb"\nExpect: (?:200-ok)?\r\n", "An expectation other than 100-continue: 417 (RFC 9110 section 10.1.1)."),
)  # fmt: skip

DIFFERENCES = [(re.compile(pattern), reason) for pattern, reason in _TABLE]


def reason_for(request: bytes, accepted: bool) -> str | None:
    """Why rsp differs for ``request``, or ``None``; nothing excuses accepting what both others refuse."""
    if accepted:
        return None
    return next((reason for pattern, reason in DIFFERENCES if pattern.search(request)), None)
