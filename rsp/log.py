"""Lifecycle lines on stderr: ``[2026-11-23 12:59:00.123] Started.  Listening on port 8000.``

For what happens to processes and configurations, never per request on the hot path.  Writing must not fail and
must not block for long: stderr may be closed, full, or gone.  Where it is the journal, lines have a priority
(sd-daemon(3)) and no time of their own.
"""

import os
import time

INFO, WARNING, ERROR = 6, 4, 3  # syslog(3)
_LIMIT = 2000
_last: dict[str, tuple[int, int]] = {}


def line(message: str, level: int = INFO) -> None:
    """Write one stamped line; line breaks in ``message`` become further lines, indented."""
    if _to_journal():
        _write("".join(f"<{level}>{part}\n" for part in message.split("\n")))
        return
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    text = f"[{stamp}.{int(now * 1000) % 1000:03d}] {message}\n".replace("\n", "\n    ")[:-4]
    _write(text)


def _write(text: str) -> None:
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except OSError:
        pass


def _to_journal() -> bool:
    """Whether stderr is what the manager connected with the journal."""
    stream = os.environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def once_a_second(key: str, message: str, level: int = WARNING) -> None:
    """As :func:`line`, but at most once a second for one ``key``; says how many were left out."""
    now = int(time.monotonic())
    second, held = _last.get(key, (-1, 0))
    if second == now:
        _last[key] = (now, held + 1)
        return
    if len(_last) > _LIMIT:
        _last.clear()
    _last[key] = (now, 0)
    line(f"{message} (and {held} more like this)" if held else message, level)
