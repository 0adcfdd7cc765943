"""Members that are listed in a file, which is looked at several times a second: ``file:///etc/rsp/app.json``.

The control process reads it itself, as the user that it runs as.  A look that does not end, as on a file system that is
gone, holds up nothing else: there is only one at a time.
"""

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.control.discovery.provider import Provider, Tell, written_list
from rsp.engines.failures import Oversized, Unreachable, is_crowded
from rsp.tls.material import Keyring

_LOOK: Final = 0.25  # seconds between two looks
_PATIENCE: Final = 5.0  # seconds for one
_LARGEST: Final = 4 << 20  # bytes

_Stamp = tuple[int, int, int, int]
_Seen = tuple[_Stamp, bytes | None]


class MembersFile(Provider):
    def __init__(self, discover: Discover, dns: Dns, keyring: Keyring) -> None:
        super().__init__(discover, dns, keyring)
        self._look: asyncio.Future[_Seen] | None = None  # that has not ended yet
        self._thread = ThreadPoolExecutor(1)  # its own: names are looked up by the loop's few threads

    async def follow(self, tell: Tell) -> None:
        path = Path(self.discover.endpoint.path)
        known: _Stamp | None = None
        while True:
            stamp, content = await self._seen(path, known)
            if content is not None:
                try:
                    members = written_list(content, self.complain)
                except ValueError as error:
                    raise Unreachable(str(error)) from None
                tell(members)
                known = stamp
            await asyncio.sleep(_LOOK)

    async def _seen(self, path: Path, known: _Stamp | None) -> _Seen:
        if self._look is None:
            self._look = asyncio.get_running_loop().run_in_executor(self._thread, _read, path, known)
        done, _ = await asyncio.wait((self._look,), timeout=_PATIENCE)
        if not done:
            raise Unreachable(f"it cannot be read within {_PATIENCE:g} s")
        look, self._look = self._look, None
        try:
            return look.result()
        except OSError as error:
            hint = "; the user that runs rsp must be able to read it" if error.errno == 13 else ""
            raise Unreachable(f"{(error.strerror or str(error)).lower()}{hint}") from None


def _read(path: Path, known: _Stamp | None) -> _Seen:
    """Its content, unless it is the same file as before.  Raises :class:`OSError`."""
    about = path.stat()
    stamp = about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size
    if stamp == known:
        return stamp, None
    if not stat.S_ISREG(about.st_mode):
        raise Unreachable("it is not a regular file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe may have taken its place
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise Oversized(f"it has more than {_LARGEST >> 20} MB")
    if is_crowded(content, _LARGEST):
        raise Oversized("it has too many values")
    return stamp, content
