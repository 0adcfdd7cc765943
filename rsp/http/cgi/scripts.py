"""Which script a path is for.  rsp looks into the directory of the scripts, as far as it may.

A script that is not there is never asked for: PHP would look for another one, and find it in a file that a user has
uploaded as an image (``/uploads/x.jpg/y.php``, with ``cgi.fix_pathinfo``).  Where rsp cannot see the directory, as in
another container, it asks only for scripts in directories whose names have no dot, so that no file can be taken for
a directory; and a path that names no script is for the index of the root.
"""

import os
import re
import stat
from collections.abc import Sequence
from typing import Final, NamedTuple

from rsp.http.paths import normalise_path

_NOT_PLAIN: Final = re.compile(rb"%|//|/\.|\\|\A(?!/)")
_FILE: Final = 0
_DIRECTORY: Final = 1
_NOTHING: Final = 2  # or something that is neither
_UNSEEN: Final = 3  # whatever it is, rsp may not look


class Script(NamedTuple):
    """``name``: of the script, below the root; empty: the peer is a program of its own, and the path is its own.

    ``info``: what of the path comes behind it.
    ``slash``: the path is a directory with an index, and lacks the slash that its relative links need.
    """

    name: bytes
    info: bytes = b""
    slash: bool = False


class Scripts:
    """``root``: their directory, empty if there are no scripts; ``split``: how their names end.

    ``index``: the script of a path that names none; ``pages``: paths that the peer answers without a script.
    """

    __slots__ = ("_index", "_pages", "_split", "index", "key", "root", "split")

    def __init__(self, root: str, split: str, index: str, pages: Sequence[str] = ()) -> None:
        self.key = root, split, index, tuple(pages)
        self._pages = frozenset(map(os.fsencode, pages))
        self.split = split
        self.root = os.fsencode(root.rstrip("/"))
        self._split = os.fsencode(split)
        self.index = b"/" + os.fsencode(index.lstrip("/"))
        self._index = self.index[self.index.rfind(b"/") + 1 :]

    def is_visible(self) -> bool:
        """Whether rsp sees what is there and what is not."""
        return not self._split or self._kind(self.index) != _UNSEEN

    def lacks_index(self) -> bool:
        """Whether rsp sees that a path that names no script is for none."""
        return bool(self._split) and self._kind(self.index) not in (_FILE, _UNSEEN)

    def find(self, path: bytes) -> Script | None:
        """For the path of a request, as it is sent; ``None``: there is none."""
        if _NOT_PLAIN.search(path) is not None:
            path = normalise_path(path)
        if not self._split:
            return Script(b"", path)
        if b"\0" in path:
            return None
        if path in self._pages:
            return Script(path)
        end, is_named = self._end(path)
        if end:
            return Script(path[:end], path[end:])
        return None if is_named else self._find_index(path)

    def probe(self, path: bytes) -> Script | None:
        """For a health check, whose path may also be one that PHP-FPM answers itself (``ping.path``)."""
        normal = normalise_path(path)
        if self._split and not self._end(normal)[1] and normal[-1:] != b"/":
            return Script(normal)
        return self.find(path)

    def _end(self, path: bytes) -> tuple[int, bool]:
        """Where the name of the script ends, 0 if there is none; and whether the path names one."""
        end, dotted = 0, False
        for segment in path[1:].split(b"/"):
            end += 1 + len(segment)
            if segment.endswith(self._split):
                if segment[:1] == b".":  # hidden, or nothing but the split
                    return 0, True
                kind = self._kind(path[:end])
                if kind == _FILE or (kind == _UNSEEN and not dotted):
                    return end, True
                if kind != _DIRECTORY:
                    return 0, True
            dotted = dotted or b"." in segment
        return 0, False

    def _find_index(self, path: bytes) -> Script | None:
        """Of the directory, or of the root."""
        slash = path[-1:] != b"/"
        name = path + b"/" + self._index if slash else path + self._index
        if (not slash or self._kind(path) == _DIRECTORY) and self._kind(name) == _FILE:
            return Script(name, slash=slash)
        return Script(self.index) if self._kind(self.index) in (_FILE, _UNSEEN) else None

    def _kind(self, name: bytes) -> int:
        """What is there by that name."""
        try:
            mode = os.stat(self.root + name).st_mode  # noqa: PTH116 - bytes, for each request
        except PermissionError:
            return _UNSEEN
        except OSError:
            return self._absent()
        except ValueError:
            return _NOTHING
        return _FILE if stat.S_ISREG(mode) else _DIRECTORY if stat.S_ISDIR(mode) else _NOTHING

    def _absent(self) -> int:
        try:
            os.stat(self.root or b"/")  # noqa: PTH116
        except OSError:
            return _UNSEEN
        return _NOTHING
