"""Lifecycle lines on stderr: ``[2026-11-23 12:59:00.123] Started.  Listening on port 8000.``

For what happens to processes and configurations, never per request on the hot path.  Writing must not fail and
must not block for long: stderr may be closed, full, or gone.
"""

import os
import time

_LIMIT = 2000
_last: dict[str, tuple[int, int]] = {}


def line(message: str) -> None:
    """Write one stamped line; line breaks in ``message`` become further lines, indented."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    text = f"[{stamp}.{int(now * 1000) % 1000:03d}] {message}\n".replace("\n", "\n    ")[:-4]
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except OSError:
        pass


def once_a_second(key: str, message: str) -> None:
    """As :func:`line`, but at most once a second for one ``key``; says how many were left out."""
    now = int(time.monotonic())
    second, held = _last.get(key, (-1, 0))
    if second == now:
        _last[key] = (now, held + 1)
        return
    if len(_last) > _LIMIT:
        _last.clear()
    _last[key] = (now, 0)
    line(f"{message} (and {held} more like this)" if held else message)
