"""Names become entries: which file answers a request, and whether it may.

A name is the path below the root, decoded, without a slash at its front; with one at its end it is a directory's.
What is wrong with a name makes it one that is not there.  Entries are kept, and each use looks whether the name still
stands for the same file, unchanged: one system call, which memory answers.  What may wait for a disk raises
:class:`WouldBlock`, and a thread looks (:meth:`Tree.ask`).

Compressed files beside a file (``app.js.br``) are looked for once a second; one that is used is verified as the file
itself is.  One that is older than the file by more than two seconds has been forgotten there, and is not used.
"""

import errno
import os
import time
from collections.abc import Callable
from typing import Final

from rsp.config.content import Files
from rsp.files.calls import Mark
from rsp.files.entry import Entry, Folder, OpenFile
from rsp.files.file_systems import MEMORY, REMOTE
from rsp.files.lookups import Done, Lookups
from rsp.files.names import Names
from rsp.files.opener import FIND, LIST, Opener, outcome
from rsp.files.outcomes import BROKEN, BUSY, DENIED, NOT_THERE, WouldBlock
from rsp.files.patterns import Choices
from rsp.files.reader import Reader
from rsp.files.root import Root
from rsp.files.shelf import shelf
from rsp.files.types import Types, is_packed
from rsp.logs import log
from rsp.system.privileges import user_name

_SLASH: Final = 0x2F
_LATE: Final = 2_000_000_000  # nanoseconds
_SUFFIXES: Final = ((b"br", b".br"), (b"zstd", b".zst"), (b"gzip", b".gz"))
_ANSWERED: Final = {
    NOT_THERE: "as if it were empty",
    DENIED: "with 403",
    BUSY: "with 503",
    BROKEN: "with 500",
}
_ALONE: Final[dict[bytes, Entry]] = {}  # never changed


class Tree:
    """``index``: names that answer for a directory, the first that is there; ``reserved``: how names of scripts end.

    ``config.extensions``: what is tried behind a name that no file has.

    ``root``  its directory; ``now``: of the last tick
    """

    __slots__ = (
        "_cache_control",
        "_entries",
        "_error",
        "_extensions",
        "_first",
        "_index",
        "_lists",
        "_lookups",
        "_names",
        "_opener",
        "_precompressed",
        "_reader",
        "_shelf",
        "_types",
        "now",
        "root",
    )

    def __init__(self, config: Files, index: tuple[str, ...], reserved: tuple[str, ...] = ()) -> None:
        self.root = Root(config.root)
        self.now = time.monotonic()
        self._names = Names(config, reserved)
        self._opener = Opener(config.symlinks)
        self._reader = Reader(self._opener, self.root)
        self._index = tuple(os.fsencode(each) for each in index)
        self._extensions = tuple(os.fsencode(each) for each in config.extensions)
        self._first = self._index[0] if index else b""
        self._lists = config.list
        self._precompressed = config.precompressed
        self._types = Types(config.types, config.charset)
        rules = config.cache_control
        self._cache_control = Choices({"*": rules} if isinstance(rules, str) else rules)
        self._entries: dict[bytes, Entry] = {}
        self._error = 0  # the last error number
        self._shelf = shelf()
        self._lookups = Lookups()

    def tick(self, now: float) -> None:
        """Once a second."""
        self.now = now
        self.root.tick()
        self._shelf.tick(now)

    # -- in the loop

    def known(self, name: bytes) -> Entry | None:
        """What is kept, if it holds; else :meth:`find` has to look."""
        if not name or name[-1] == _SLASH:
            if not self._index:
                return None
            name += self._first
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.checked != self.now and (self._precompressed or entry.is_remote):
            return None
        directory = self.root.directory
        if directory is None or not (entry.is_remote or entry.mark.holds(directory.descriptor, name, False)):
            return None
        entry.used = self.now
        entry.wanted = True
        return entry

    def sibling(self, entry: Entry, coding: bytes) -> Entry | None:
        """That of ``entry``, if it holds."""
        found = entry.siblings.get(coding)
        directory = self.root.directory
        if found is None or directory is None:
            return None
        return found if found.is_remote or found.mark.holds(directory.descriptor, found.name, False) else None

    def find(self, name: bytes, wait: bool = False) -> Entry | Folder | int:
        """What there is: a regular file, a directory that is answered for, or an outcome.

        Raises :class:`WouldBlock`, unless it may ``wait``; then :meth:`ask`.
        """
        if not self._names.allow(name):
            return NOT_THERE
        if self.root.kind == REMOTE and not wait:
            raise WouldBlock
        try:
            found = self.look(name, wait or self.root.kind == MEMORY)
            if found == BUSY and self._shelf.empty_files():
                found = self.look(name, wait or self.root.kind == MEMORY)
        except WouldBlock:
            former = self._still(name)
            if former is None:
                raise
            self.ask(name, _ignore)
            return former
        return self.keep(name, found)

    def _still(self, name: bytes) -> Entry | None:
        """What is kept, if it holds and only the look at files beside it may wait: no request waits for that."""
        entry = self._entries.get(name + self._first if not name or name[-1] == _SLASH else name)
        directory = self.root.directory
        if entry is None or entry.is_remote or directory is None:
            return None
        if not entry.mark.holds(directory.descriptor, entry.name, False):
            return None
        entry.checked = entry.used = self.now
        return entry

    def ask(self, name: bytes, done: Done) -> Callable[[], None]:
        """Call ``done`` later, from the loop, with what there is.  What is returned calls it off."""
        return self._lookups.ask(name, self.root.device, self.look, self.keep, done)

    def keep(self, name: bytes, found: Entry | Folder | int) -> Entry | Folder | int:
        """What has been found, for the requests that follow."""
        if isinstance(found, Entry):
            if found.is_settled and self._entries.get(found.name) is not found:
                self._shelf.put(found, self._entries, self.now)
        elif isinstance(found, int):
            self._complain(name, found)
        return found

    def _complain(self, name: bytes, found: int) -> None:
        root = os.fsdecode(self.root.path)
        if self.root.error:
            reason = os.strerror(self.root.error)
            log.once_a_second(f"files {root}", f"files: {root}: {reason}; requests are answered {_ANSWERED[found]}")
        elif found != NOT_THERE:
            level = log.ERROR if found == BROKEN else log.WARNING
            text = f"files: {root}/{os.fsdecode(name)!s}: {os.strerror(self._error)}"
            if found == DENIED:
                text += f"; requests are answered {_ANSWERED[found]}; workers run as {user_name()}"
            log.once_a_second(f"files {found} {root}", text, level)

    # -- in the loop or in a thread

    def look(self, name: bytes, wait: bool = True) -> Entry | Folder | int:
        """As :meth:`find`, and keeps nothing."""
        try:
            if not self._names.allow(name):
                return NOT_THERE
            found = self._look(name, wait)
            return self._look(name, wait) if found == NOT_THERE and self.root.renew() else found
        except OSError as error:
            return self._failed(error.errno or errno.EIO)
        except MemoryError:
            return self._failed(errno.ENOMEM)

    def _look(self, name: bytes, wait: bool) -> Entry | Folder | int:
        directory = self.root.current(wait)
        if directory is None:
            return self._failed(self.root.error)
        if not name or name[-1] == _SLASH:
            return self._look_into(directory, name, wait)
        found = self._look_at(directory, name, wait)
        if self._extensions and (found == NOT_THERE or isinstance(found, Folder)):
            for extension in self._extensions:
                longer = self._look_at(directory, name + extension, wait) if self._names.allow(name + extension) else 0
                if isinstance(longer, Entry):
                    return longer
        return found

    def _failed(self, error: int) -> int:
        self._error = error
        return outcome(error)

    def _look_into(self, directory: OpenFile, name: bytes, wait: bool) -> Entry | Folder | int:
        """What answers for a directory."""
        for index in self._index:
            found = self._look_at(directory, name + index, wait) if self._names.allow(name + index) else NOT_THERE
            if isinstance(found, Entry) or (isinstance(found, int) and found != NOT_THERE):
                return found
        if not self._lists:
            return NOT_THERE
        descriptor = self._opener.open(directory.descriptor, name or b".", LIST, wait)
        return Folder(name, False, OpenFile(descriptor)) if descriptor >= 0 else self._failed(-descriptor)

    def _look_at(self, directory: OpenFile, name: bytes, wait: bool) -> Entry | Folder | int:
        """What a name without a slash at its end stands for."""
        now = self.now
        former = self._entries.get(name)
        if former is not None and former.mark.holds(directory.descriptor, name, wait):
            siblings = self._siblings(directory, former, former, wait)
            if siblings != former.siblings:
                former = former.with_siblings(siblings, self._line(name))
            former.checked = now
            return former
        found = self._reader.read(directory, name, wait)
        if isinstance(found, int):
            return self._failed(found)
        if isinstance(found, Mark):
            return self._redirect(directory, name + b"/", wait)
        found.type = self._types.of(name)
        siblings = self._siblings(directory, found, None, wait)
        found.describe(found.type, b"", self._line(name), siblings)
        found.checked = now
        return found

    def _redirect(self, directory: OpenFile, name: bytes, wait: bool) -> Folder | int:
        if not self._names.allow(name):
            return NOT_THERE
        found = self._look_into(directory, name, wait)
        return found if isinstance(found, int) else Folder(name, True, None)

    def _line(self, name: bytes) -> bytes:
        value = self._cache_control.of(name)
        return b"Cache-Control: %b\r\n" % value if value else b""

    # -- compressed files beside a file

    def _siblings(self, directory: OpenFile, entry: Entry, former: Entry | None, wait: bool) -> dict[bytes, Entry]:
        """By coding, the smallest first; those of ``former`` that still hold among them."""
        if not self._precompressed or is_packed(entry.name, entry.type):
            return _ALONE
        found: list[Entry] = []
        for coding, suffix in _SUFFIXES:
            known = former.siblings.get(coding) if former is not None else None
            if known is None or not known.mark.holds(directory.descriptor, known.name, wait):
                known = self._load_sibling(directory, entry, coding, entry.name + suffix, wait)
            if known is not None:
                found.append(known)
        found.sort(key=_size)
        return {each.coding: each for each in found} or _ALONE

    def _load_sibling(self, directory: OpenFile, entry: Entry, coding: bytes, name: bytes, wait: bool) -> Entry | None:
        found = None if self._names.hides(name) else self._reader.read(directory, name, wait)
        if not isinstance(found, Entry) or found.mark.modified < entry.mark.modified - _LATE:
            return None
        found.describe(entry.type, coding, self._line(entry.name), _ALONE)
        return found

    # -- lists of directories

    def shows(self, folder: Folder, name: bytes) -> bool:
        """Whether ``name`` may be seen in a list of what is in the folder."""
        path = folder.name + name
        return self._names.allow(path) and self._names.allow(path + b"/")

    def follow(self, folder: Folder, name: bytes) -> os.stat_result | None:
        """What ``name`` leads to, a file or a directory that may be answered with.  Waits."""
        directory = self.root.directory
        if directory is None or not self.shows(folder, name):
            return None
        descriptor = self._opener.open(directory.descriptor, folder.name + name, FIND, True)
        if descriptor < 0:
            return None
        place = OpenFile(descriptor)
        found = os.fstat(place.descriptor)
        mark = Mark(place.descriptor, True)
        return found if mark.is_regular() or mark.is_directory() else None


def _ignore(found: object) -> None:
    pass


def _size(entry: Entry) -> int:
    return entry.size
