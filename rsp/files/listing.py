"""The page that lists a directory, for a thread.

It is HTML without scripts, and its links work for programs such as ``wget -r``: each name is encoded whole, a directory
ends with a slash.  What a request for it would not get is not on the page.  The work is bounded: in entries, and by
turns, so that a directory with many of them does not keep the worker's loop from running (Python runs one thread at a
time: a list of 10,000 takes 80 ms of it).
"""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from html import escape
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import quote

MOST: Final = 10_000  # entries on a page
_LOOKED_AT: Final = 100_000  # names, those that are not shown included
_TURN: Final = 100  # entries between two pauses: about 0.5 ms
_PAUSE: Final = 0.0005  # seconds
_UNITS: Final = ("KB", "MB", "GB", "TB", "PB", "EB")
_HEAD: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; }}
h1 {{ font-size: 1.2em; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th {{ font-weight: normal; opacity: .7; text-align: left; }}
td {{ border-top: 1px solid rgba(128, 128, 128, .25); padding: .15em 0; overflow-wrap: anywhere; }}
td + td, th + th {{ font-variant-numeric: tabular-nums; padding-left: 1.5em; text-align: right; white-space: nowrap; }}
a {{ text-decoration: none; }}
a:hover {{ text-decoration: underline; }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
<tr><th>Name</th><th>Size</th><th>Modified (UTC)</th></tr>
"""
_UP: Final = '<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n'
_TAIL: Final = "</table>\n{more}</body>\n</html>\n"
_MORE: Final = "<p>This directory has more entries than these.</p>\n"


class _Line(NamedTuple):
    """``is_file`` comes first: directories stand before files."""

    is_file: bool
    folded: bytes
    name: bytes
    size: int
    modified: float


def page(
    descriptor: int,
    path: bytes,
    shows: Callable[[bytes], bool],
    follow: Callable[[bytes], os.stat_result | None],
    is_top: bool = False,
) -> bytes:
    """For the directory that is open as ``descriptor``.  Raises :class:`OSError` where it cannot be read.

    ``path``: as clients see it, decoded; ``is_top``: there is no way up from here.  ``shows``: whether a name may be
    shown; ``follow``: what a symbolic link leads to, ``None`` if it is not followed or leads nowhere.
    """
    own = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)  # with a position of its own
    try:
        with os.scandir(own) as entries:
            found = list(_turns(islice(_lines(islice(entries, _LOOKED_AT), shows, follow), MOST)))
            is_whole = next(entries, None) is None
    finally:
        os.close(own)
    found.sort()
    title = escape(path.decode("utf-8", "replace"))
    rows = "".join(map(_row, _turns(found)))
    more = "" if is_whole else _MORE
    text = f"{_HEAD.format(title=title)}{'' if is_top else _UP}{rows}{_TAIL.format(more=more)}"
    return text.encode()


def _lines(
    entries: Iterable["os.DirEntry[str]"],
    shows: Callable[[bytes], bool],
    follow: Callable[[bytes], os.stat_result | None],
) -> Iterator[_Line]:
    for entry in entries:
        name = os.fsencode(entry.name)
        if b"\\" in name or not shows(name):  # in a path, a backslash is a slash
            continue
        try:
            found = follow(name) if entry.is_symlink() else entry.stat(follow_symlinks=False)
        except OSError:  # gone meanwhile
            continue
        if found is not None and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            yield _Line(stat.S_ISREG(found.st_mode), name.lower(), name, found.st_size, found.st_mtime)


def _turns(lines: Iterable[_Line]) -> Iterator[_Line]:
    """With a pause now and then, in which other threads run."""
    for number, line in enumerate(lines, 1):
        yield line
        if number % _TURN == 0:
            time.sleep(_PAUSE)


def _row(line: _Line) -> str:
    slash, size = ("", _size(line.size)) if line.is_file else ("/", "")
    name = escape(line.name.decode("utf-8", "replace"), quote=False)
    return (
        f'<tr><td><a href="{quote(line.name, safe="")}{slash}">{name}{slash}</a></td><td>{size}</td>'
        f"<td>{_time(line.modified)}</td></tr>\n"
    )


def _size(size: int) -> str:
    """``"812"``, ``"1.4 KB"``, ``"23 MB"``."""
    if size < 1024:
        return str(size)
    amount, unit = float(size), ""
    for unit in _UNITS:  # noqa: B007
        amount /= 1024
        if amount < 1023.5:
            break
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def _time(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):  # of a file system that is out of order
        return ""
