"""Reading what is below a root: a regular file with its data, and with its content if it is small."""

import errno
import time
from typing import Final

from rsp.files import calls
from rsp.files.calls import Mark
from rsp.files.entry import Entry, OpenFile
from rsp.files.file_systems import REMOTE, kind_of
from rsp.files.opener import FIND, READ, Opener
from rsp.files.outcomes import WouldBlock
from rsp.files.root import Root
from rsp.system.descriptors import limit

_SMALL: Final = 64 << 10  # bytes of a file that is kept in memory
_YOUNG: Final = 20_000_000  # nanoseconds: a file may change once more without getting another time
_TRIES: Final = 4  # while a file is being written
_SHARE: Final = 4  # of the descriptors that the process may have; those of clients and peers are the rest


class Reader:
    """Of one tree."""

    __slots__ = ("_kinds", "_most_open", "_opener", "_root")

    def __init__(self, opener: Opener, root: Root) -> None:
        self._opener = opener
        self._root = root
        self._kinds: dict[int, int] = {}  # of other file systems below the root, by device
        self._most_open = limit() // _SHARE

    def read(self, directory: OpenFile, name: bytes, wait: bool) -> Entry | Mark | int:
        """A regular file, a directory's mark, or an error number.

        Nothing else is opened, because that may have effects: a process waits for a reader of its pipe, a tape rewinds.
        Raises :class:`WouldBlock`, unless it may ``wait``, and :class:`OSError`.
        """
        descriptor = self._opener.open(directory.descriptor, name, FIND, wait)
        if descriptor < 0:
            return -descriptor
        place = OpenFile(descriptor)
        mark = Mark(descriptor, wait)
        if mark.is_directory():
            return mark
        if not mark.is_regular():
            return errno.ENOENT
        if calls.opened() > self._most_open:
            return errno.EMFILE
        kind = self._kind_of(place, mark.device, wait)
        if kind == REMOTE and not wait:
            raise WouldBlock
        return self._read(directory, name, kind == REMOTE, wait)

    def _kind_of(self, place: OpenFile, device: int, wait: bool) -> int:
        """Of the file system of a file."""
        if device == self._root.device:
            return self._root.kind
        kind = self._kinds.get(device)
        if kind is None:
            if not wait:
                raise WouldBlock
            kind = self._kinds[device] = kind_of(place.descriptor)
        return kind

    def _read(self, directory: OpenFile, name: bytes, remote: bool, wait: bool) -> Entry | int:
        entry: Entry | None = None
        for _ in range(_TRIES):
            descriptor = self._opener.open(directory.descriptor, name, READ, wait)
            if descriptor < 0:
                return -descriptor
            file = OpenFile(descriptor)
            file.is_remote = remote
            entry = self._taken(name, file, wait)
            if entry is not None and entry.is_whole:
                break
        return entry if entry is not None else errno.EAGAIN

    def _taken(self, name: bytes, file: OpenFile, wait: bool) -> Entry | None:
        """``None``: it is no regular file any more, or has become shorter just now."""
        mark = Mark(file.descriptor, wait)
        file.owner = mark.device
        moment = time.time_ns()
        if not mark.is_regular():
            return None
        if mark.size > _SMALL:
            entry = Entry(name, mark, None, file, moment / 1e9)
        else:
            content = self._content(file, mark.size, wait)
            if len(content) < mark.size:
                return None
            entry = Entry(name, mark, content, None, moment / 1e9)
            entry.is_whole = Mark(file.descriptor, wait).equals(mark)
        entry.is_remote = file.is_remote
        entry.is_settled = entry.is_whole and mark.changed + _YOUNG < moment
        return entry

    def _content(self, file: OpenFile, size: int, wait: bool) -> bytes:
        if wait:
            return calls.read(file.descriptor, 0, size)
        content = calls.read_now(file.descriptor, 0, size)
        if content is None or len(content) < size:
            raise WouldBlock
        return content
