"""The directory of a tree, as a descriptor that is resolved again within a second: a link that leads to it may be
switched, and it may vanish and come back."""

import errno
import os
from typing import Final

from rsp.files import calls
from rsp.files.calls import Mark
from rsp.files.entry import OpenFile
from rsp.files.file_systems import LOCAL, REMOTE, kind_of
from rsp.files.outcomes import WouldBlock
from rsp.files.threads import Busy, submit

_FLAGS: Final = os.O_PATH | os.O_DIRECTORY


class Root:
    """``path``: absolute.  ``directory``: what it leads to, or ``None``; ``error``: the error number why not.

    ``device``  the number of its file system's

    ``kind``  of its file system: in ``MEMORY`` nothing waits; where it is ``REMOTE`` everything may
    """

    __slots__ = ("_asked", "_mark", "device", "directory", "error", "kind", "path")

    def __init__(self, path: str) -> None:
        self.path = os.fsencode(path)
        self.directory: OpenFile | None = None
        self.error = 0
        self.kind = LOCAL
        self.device = 0
        self._mark: Mark | None = None
        self._asked = False

    def current(self, wait: bool) -> OpenFile | None:
        """The directory.  Raises :class:`WouldBlock`."""
        if self.directory is None and not self.error:
            if not wait:
                raise WouldBlock
            self.resolve()
        return self.directory

    def resolve(self) -> None:
        """Waits."""
        try:
            found = calls.open_below(calls.AT_CWD, self.path, _FLAGS, 0, True)
            if found < 0:
                raise OSError(-found, "")
            self._take(OpenFile(found))
        except OSError as error:
            self.error, self.directory, self._mark = error.errno or errno.EIO, None, None
        self._asked = False

    def _take(self, directory: OpenFile) -> None:
        mark = Mark(directory.descriptor, True)
        if self._mark is None or not mark.is_file_of(self._mark):
            self.kind = kind_of(directory.descriptor)
            self._mark, self.device, self.directory = mark, mark.device, directory
        self.error = 0

    def renew(self) -> bool:
        """Whether the path leads elsewhere by now, which is taken over then.

        For what is not there: the page of a new release asks for its scripts before the next tick.  One system call.
        """
        if self._mark is None or self.kind == REMOTE or self._mark.is_at(calls.AT_CWD, self.path):
            return False
        self.resolve()
        return self.directory is not None

    def tick(self) -> None:
        """Once a second."""
        if self._asked or (self.directory is None and not self.error):
            return
        if self.kind == REMOTE or not self._is_same():
            self._asked = True
            try:
                submit(self.device, self.resolve)
            except Busy:
                self._asked = False

    def _is_same(self) -> bool:
        """Whether it can be told without waiting that the path leads where it has led."""
        found = calls.open_below(calls.AT_CWD, self.path, _FLAGS, calls.CACHED, False)
        if found < 0:
            return -found == self.error and self.error != errno.EAGAIN
        directory = OpenFile(found)
        return self._mark is not None and Mark(directory.descriptor, False).is_file_of(self._mark)
