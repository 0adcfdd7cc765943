r"""A line of the access log: combined format plus upstream and times, made from bytes.

    192.0.2.7 - - [23/Nov/2026:12:59:00 +0000] "GET /x HTTP/1.1" 200 512 "ref" "agent" \
        upstream=10.0.0.1:80 time=0.012 upstream_time=0.011 id=6f0c1e2a-1b

``combined.pyx`` is the compiled twin of this file.
"""

import re
from typing import Final

_MOST: Final = 1e12  # seconds
_UNSAFE: Final = re.compile(rb"[^ !#-\[\]-~]")


def escape(value: bytes) -> bytes:
    r"""As nginx: ``"``, ``\`` and everything outside of printable ASCII as ``\xXX``."""
    if _UNSAFE.search(value) is None:
        return value
    return _UNSAFE.sub(lambda match: b"\\x%02X" % match[0][0], value)


def combined(
    client: bytes, stamp: bytes, method: bytes, target: bytes, version: bytes, status: int, sent: int, referer: bytes,
    agent: bytes, upstreams: bytes, seconds: float, upstream_seconds: float, request_id: bytes,
) -> bytes:  # fmt: skip
    """One line, with its line feed.

    ``method``: empty when the request could not be read; ``version``: of HTTP, ``1.1``; ``sent`` counts body bytes;
    ``upstreams`` names those tried, the last one answered.
    """
    request = b"%b %b HTTP/%b" % (method, escape(target) or b"-", version) if method else b"-"
    return b'%b - - [%b] "%b" %d %d "%b" "%b" upstream=%b time=%b upstream_time=%b id=%b\n' % (
        client, stamp, request, status, sent, escape(referer) or b"-", escape(agent) or b"-",
        upstreams or b"-", _seconds(seconds), _seconds(upstream_seconds), request_id or b"-",
    )  # fmt: skip


def _seconds(value: float) -> bytes:
    milliseconds = int(min(value, _MOST) * 1000 + 0.5) if value > 0 else 0
    return b"%d.%03d" % divmod(milliseconds, 1000)
