"""A file system that responds when a test lets it: FUSE (linux/fuse.h), spoken by the test's own thread.

``files``: names with their content, in one directory.  Mounting takes root; :func:`is_possible` says whether it works.
"""

import ctypes
import errno
import os
import select
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

_libc = ctypes.CDLL(None, use_errno=True)
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE, _FLUSH, _INIT = 1, 2, 3, 14, 15, 17, 18, 25, 26
_OPENDIR, _RELEASEDIR, _INTERRUPT, _BATCH_FORGET = 27, 29, 36, 42
_NO_REPLY = {_FORGET, _BATCH_FORGET, _INTERRUPT}
_FORCE, _DETACH = 1, 2  # of umount2(2)


class SlowDisk:
    """Mounted at ``place`` within a `with`.  While ``responds`` is not set, it does not; ``asked``: it was, meanwhile.

    ``flushes``: closing a file waits for it, too, and so does the end of a process that has one open.
    """

    def __init__(self, place: Path, files: dict[str, bytes], *, flushes: bool = True) -> None:
        self.place = place
        self.flushes = flushes
        self.names = {name.encode(): number for number, name in enumerate(files, 2)}
        self.content = dict(enumerate(files.values(), 2))
        self.responds = Event()
        self.responds.set()
        self.asked = Event()

    def __enter__(self) -> "SlowDisk":
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _libc.mount(b"slow", os.fsencode(self.place), b"fuse", 0, options):
            os.close(self.device)
            raise OSError(ctypes.get_errno(), "mount")
        self.thread = Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.responds.set()
        _libc.umount2(os.fsencode(self.place), _FORCE)  # ends what waits for it, whatever is still open
        _libc.umount2(os.fsencode(self.place), _DETACH)
        self.thread.join(30)
        os.close(self.device)

    def _serve(self) -> None:
        while True:
            try:
                # What it has not read yet may be killed, as what waits for a server of NFS that is gone.
                select.select([self.device], [], [])
                if not self.responds.is_set():
                    self.asked.set()
                    self.responds.wait()
                request = os.read(self.device, 1 << 20)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # unmounted
            _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
            if opcode in _NO_REPLY:
                continue
            failed, reply = self._reply(opcode, node, request[40:])
            try:
                os.write(self.device, struct.pack("=IiQ", 16 + len(reply), -failed, unique) + reply)
            except OSError:  # what waited for it is gone
                pass

    def _reply(self, opcode: int, node: int, rest: bytes) -> tuple[int, bytes]:
        if opcode == _INIT:
            return 0, struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0)
        if opcode == _LOOKUP:
            found = self.names.get(rest.rstrip(b"\0"))
            return (
                (0, struct.pack("=QQQQII", found, 0, 60, 60, 0, 0) + self._attributes(found))
                if found
                else (errno.ENOENT, b"")
            )
        if opcode == _GETATTR:
            return 0, struct.pack("=QII", 60, 0, 0) + self._attributes(node)
        if opcode in (_OPEN, _OPENDIR):
            return 0, struct.pack("=QII", 0, 0, 0)
        if opcode == _READ:
            _, start, size = struct.unpack_from("=QQI", rest)
            return 0, self.content[node][start : start + size]
        if opcode == _STATFS:
            return 0, struct.pack("=QQQQQIIII24x", 1, 1, 1, 1, 1, 4096, 255, 4096, 0)
        done = opcode in (_RELEASE, _RELEASEDIR) or (opcode == _FLUSH and self.flushes)
        return (0, b"") if done else (errno.ENOSYS, b"")

    def _attributes(self, node: int) -> bytes:
        mode, size = (0o100644, len(self.content[node])) if node > 1 else (0o40755, 0)
        return struct.pack("=QQQQQQIIIIIIIIII", node, size, 1, 1000, 1000, 1000, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


@cache
def is_possible() -> bool:
    with TemporaryDirectory() as place:
        try:
            with SlowDisk(Path(place), {"a": b"a"}):
                return Path(place, "a").read_bytes() == b"a"
        except OSError:
            return False
