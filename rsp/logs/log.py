"""Lifecycle lines on stderr: ``[2026-11-23 12:59:00.123] Started.  Listening on port 8000.``

For what happens to processes and configurations, never per request on the hot path.  Writing does not fail, and
after :func:`never_block` it does not block: stderr may be closed, full, or gone.  Lines that it does not take are
counted.  Where it is the journal, lines have a priority (sd-daemon(3)) and no time of their own.

With `log_format = "json"` each message is a record of ``json_lines.py``, and so is what Python and the C library write
to stderr by themselves.
"""

import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Final

from rsp.logs.json_lines import records
from rsp.logs.outlet import Outlet, catch_strays, standard, strays

INFO, WARNING, ERROR = 6, 4, 3  # syslog(3)
LEVELS: Final = {"error": ERROR, "warning": WARNING, "info": INFO}
_LIMIT = 2000
# What a terminal obeys, changes of direction included.  A hook's message may have what a client has sent.
_CONTROL: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_last: dict[str, tuple[int, int]] = {}
_outlet: Outlet | None = None  # without: standard error as it is, which may block a command, but no server
_lost = 0
_level = INFO
_json = False
_show: Callable[[int, float, str], object] | None = None


def never_block() -> None:
    """From now on, this process and its children block on neither standard output nor standard error."""
    global _outlet
    standard(1)
    _outlet = standard(2)


def use(level: str, form: str) -> None:
    """As the configuration has it: messages of ``level`` and graver, in the format ``form``."""
    global _level, _json
    _level, _json = LEVELS[level], form == "json"


def catch() -> None:
    """What is written to stderr past this log gets its format; for processes that are forked after this."""
    global _outlet
    if _json and _outlet is not None:
        _outlet = catch_strays(2)
        sys.excepthook = _exception  # what Python says at its end would be read by no process


def show(to: Callable[[int, float, str], object]) -> None:
    """Warnings and errors go to ``to`` as well, by level, time and text, whatever the level of the log is."""
    global _show
    _show = to


def line(message: str, level: int = INFO) -> None:
    """Write one stamped line; line breaks in ``message`` become further lines, indented, and whatever else a terminal
    would obey becomes an escape."""
    global _lost
    now = time.time()
    message = _CONTROL.sub(_escaped, message)
    if _show is not None and level <= WARNING:
        _show(level, now, message)
    if level > _level:
        return
    if _lost:
        tick()
    if _lost or not _write(_stamped(message, level, now)):
        _lost += 1


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def tick() -> None:
    """Called once a second: what can be written now."""
    global _lost
    strays(_stray)
    if _lost:
        told = f"{_lost} lines of this log were lost: standard error took no more"
        if _write(_stamped(told, WARNING, time.time())):
            _lost = 0


def _exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    line("".join(traceback.format_exception(kind, error, trace)).rstrip(), ERROR)


def _stray(data: bytes) -> bytes:
    return _stamped(data.decode("utf-8", "replace").rstrip("\n"), ERROR, time.time()) if _json else data


def _stamped(message: str, level: int, now: float) -> bytes:
    if _json:
        made = records(message, level, now)
        return b"".join(b"<%d>%b" % (level, record) for record in made) if _to_journal() else b"".join(made)
    if _to_journal():
        # A further line is a message of its own there, so it must not look like one.
        return (f"<{level}>" + message.replace("\n", f"\n<{level}>    ") + "\n").encode("utf-8", "replace")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    text = f"[{stamp}.{int(now * 1000) % 1000:03d}] {message}\n".replace("\n", "\n    ")[:-4]
    return text.encode("utf-8", "replace")


def _write(data: bytes) -> bool:
    """Whether it is taken, or cannot be taken at all."""
    try:
        if _outlet is not None:
            return _outlet.put(data)
        os.write(2, data)
    except OSError:
        pass
    return True


def _to_journal() -> bool:
    """Whether stderr is what the manager connected with the journal."""
    stream = os.environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    try:
        status = os.fstat(2 if _outlet is None else _outlet.descriptor)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"


def once_a_second(key: str, message: str, level: int = WARNING, most: int = 1) -> None:
    """As :func:`line`, but at most once a second, or ``most`` times, for one ``key``; says how many were left out."""
    now = int(time.monotonic())
    second, count = _last.get(key, (-1, 0))
    if second == now and count >= most:
        _last[key] = (now, count + 1)
        return
    if len(_last) > _LIMIT:
        _last.clear()
    held = 0 if second == now else count - most
    _last[key] = (now, count + 1 if second == now else 1)
    line(f"{message} (and {held} more like this)" if held > 0 else message, level)
