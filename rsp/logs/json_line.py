r"""A line of an access log in JSON, with the fields that it has by default.

    {"time":"2026-11-23T12:59:00.123Z","client":"192.0.2.7","method":"GET","target":"/x","protocol":"HTTP/1.1",
     "status":200,"bytes":512,"duration":0.012345,"upstream":"10.0.0.1:80","upstream_time":0.011000,"route":"/",
     "request_id":"6f0c1e2a-1b"}

Lines are ASCII: what is not printable ASCII is written as ``\uXXXX``, so that it can do nothing to a terminal either.
``json_line.pyx`` is the compiled twin of this file.
"""

import json
import re
import time
from typing import Final

_MOST: Final = 1e12  # seconds
_UNSAFE: Final = re.compile(rb"[^ !#-\[\]-~]")


def text(value: bytes) -> bytes:
    """``value`` as the inside of a string of JSON; what is no UTF-8 in it becomes U+FFFD."""
    if _UNSAFE.search(value) is None:
        return value
    return json.dumps(value.decode("utf-8", "replace"))[1:-1].replace("\x7f", "\\u007f").encode()


def number(seconds: float) -> bytes:
    """With six digits behind the point."""
    microseconds = int(min(seconds, _MOST) * 1_000_000 + 0.5) if seconds > 0 else 0
    return b"%d.%06d" % divmod(microseconds, 1_000_000)


def moment(wall: float) -> bytes:
    """A time of day, in seconds since the epoch, as RFC 3339 has it."""
    milliseconds = int(min(wall, _MOST / 10) * 1000) if wall > 0 else 0
    second, rest = divmod(milliseconds, 1000)
    return b"%b.%03dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode(), rest)


def json_line(
    wall: float, client: bytes, method: bytes, target: bytes, version: bytes, status: int, sent: int, seconds: float,
    upstreams: bytes, upstream_seconds: float, route: bytes, request_id: bytes,
) -> bytes:  # fmt: skip
    """One line, with its line feed.

    ``wall``: when the response was complete, in seconds since the epoch; ``method``: empty when the request could not
    be read; ``version``: of HTTP, ``1.1``; ``route``: its name as :func:`text` makes it.
    """
    return (
        b'{"time":"%b","client":"%b","method":"%b","target":"%b","protocol":"%b","status":%d,"bytes":%d,"duration":%b,'
        b'"upstream":"%b","upstream_time":%b,"route":"%b","request_id":"%b"}\n'
    ) % (
        moment(wall), text(client), text(method), text(target), b"HTTP/" + version if method else b"", status, sent,
        number(seconds), text(upstreams), number(upstream_seconds), route, text(request_id),
    )  # fmt: skip
