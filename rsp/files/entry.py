"""The data of a file that answers requests, and of a directory.

An entry never changes: a file that has changed is another entry.
"""

from email.utils import formatdate
from typing import Final

from rsp.files.calls import Mark, close
from rsp.files.threads import Busy, submit
from rsp.files.warm import Warm

_NONE: Final[dict[bytes, "Entry"]] = {}  # never changed


class OpenFile:
    """A descriptor, shared by all that use it and closed when nothing does.  It has no position: all read by offset.

    ``warm``   which parts of it are known to be in memory; ``None`` until it is sent
    ``owner``  of threads that read it: the number of its device; ``is_remote``: closing it may wait for a network
    """

    __slots__ = ("descriptor", "is_remote", "owner", "warm")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.is_remote = False
        self.owner = 0
        self.warm: Warm | None = None

    def __del__(self) -> None:
        if self.is_remote:
            _close_later(self.owner, self.descriptor)
        else:
            close(self.descriptor)


def _close_later(owner: int, descriptor: int) -> None:
    try:
        submit(owner, close, descriptor, True)
    except (Busy, RuntimeError):  # or the process ends
        close(descriptor, True)


class Entry:
    """A regular file.

    ``name``      below the root; ``mark``: what the file system said of it when it was opened
    ``content``   of a small file, else ``None``; ``file``: of a large one, else ``None``
    ``etag``      a strong one, quoted; ``modified``: seconds, never later than when the file was opened
    ``type``      the value of Content-Type
    ``coding``    as in Content-Encoding, of a file that is compressed and stands for another; empty: of all others
    ``fields``    the lines of a response with all of it, without Content-Length; Content-Type is the first
    ``rest``      those without Content-Type and Content-Encoding; ``unchanged``: those of a 304
    ``siblings``  compressed files beside it that stand for it, by coding; ``offered``: the codings, the smallest first
    ``checked``   when siblings were looked for; ``used``: when a request wanted it last; ``wanted``: by a second one
    ``is_whole``  the content is that of one moment; ``is_settled``: it may be kept: no change can be missed
    ``is_remote``  looking at it may wait for a network, so it is believed for a second
    ``home``      where it is kept
    """

    # fmt: off
    __slots__ = (
        "checked", "coding", "content", "etag", "fields", "file", "home", "is_remote", "is_settled", "is_whole",
        "mark", "modified", "name", "offered", "rest", "siblings", "size", "type", "unchanged", "used", "wanted",
    )
    # fmt: on

    def __init__(self, name: bytes, mark: Mark, content: bytes | None, file: OpenFile | None, now: float) -> None:
        self.name = name
        self.mark = mark
        self.content = content
        self.file = file
        self.size = mark.size if content is None else len(content)
        self.modified = min(max(0, mark.modified // 1_000_000_000), int(now))
        self.etag = self.type = self.coding = self.fields = self.rest = self.unchanged = b""
        self.siblings = _NONE
        self.home: dict[bytes, Entry] = _NONE
        self.checked = self.used = 0.0
        self.is_remote = self.is_settled = self.wanted = False
        self.is_whole = True
        self.offered: tuple[bytes, ...] = ()

    def with_siblings(self, siblings: dict[bytes, "Entry"], cache_control: bytes) -> "Entry":
        """The same file, with others beside it."""
        other = Entry(self.name, self.mark, self.content, self.file, 0)
        other.modified, other.is_remote, other.is_settled = self.modified, self.is_remote, self.is_settled
        other.describe(self.type, b"", cache_control, siblings)
        return other

    def describe(self, media: bytes, coding: bytes, cache_control: bytes, siblings: dict[bytes, "Entry"]) -> None:
        """Once, with ``media`` as its Content-Type; ``cache_control``: a line, or empty."""
        self.type, self.coding, self.siblings, self.offered = media, coding, siblings, tuple(siblings)
        for each in siblings.values():
            self.is_settled = self.is_settled and each.is_settled
        self.etag = b'"%x-%x%b"' % (
            self.mark.modified & 0xFFFFFFFFFFFFFFFF,
            self.size,
            b"-" + coding if coding else b"",
        )
        modified = formatdate(self.modified, usegmt=True).encode()
        self.unchanged = b"ETag: %b\r\nLast-Modified: %b\r\n%b" % (self.etag, modified, cache_control)
        if siblings or coding:
            self.unchanged += b"Vary: Accept-Encoding\r\n"
        self.rest = self.unchanged + b"Accept-Ranges: bytes\r\n"
        encoding = b"Content-Encoding: %b\r\n" % coding if coding else b""
        self.fields = b"Content-Type: %b\r\n%b%b" % (media, encoding, self.rest)

    def weight(self) -> int:
        """Bytes of memory, about."""
        own = 1024 + len(self.content or b"")
        return own + sum(sibling.weight() for sibling in self.siblings.values())

    def descriptors(self) -> int:
        return (self.file is not None) + sum(sibling.descriptors() for sibling in self.siblings.values())


class Folder:
    """A directory.

    ``redirect``  its name lacks the slash, and with it there would be a response
    ``file``      open for a list of what is in it, unless it is a redirect
    """

    __slots__ = ("file", "name", "redirect")

    def __init__(self, name: bytes, redirect: bool, file: OpenFile | None) -> None:
        self.name = name
        self.redirect = redirect
        self.file = file
