"""The unix socket that operators talk to: the master binds it, the control process answers.

Only the user that started rsp can use it, by the modes of the directory and of the socket.
"""

import contextlib
import os
from pathlib import Path

from rsp.config.schema import Settings
from rsp.logs import log
from rsp.system import sockets


def directory() -> Path:
    """Where sockets are that have no configured path."""
    if os.geteuid() == 0:
        return Path("/run/rsp")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "rsp") if runtime else Path(f"/tmp/rsp-{os.geteuid()}")  # noqa: S108 - checked below


class AdminSocket:
    """``sock`` listens at ``path``; until :meth:`install`, at ``_bound``."""

    def __init__(self, path: str, bound: str) -> None:
        self.path = path
        self._bound = bound
        self.sock = sockets.bind_private(bound)
        self._file = Path(bound).stat().st_ino

    @classmethod
    def open(cls, settings: Settings, *, later: bool) -> "AdminSocket | None":
        """``None``: it is off, or the place by default cannot be had, which the log says.  ``later``: another process
        is still at a configured path; what is bound is put there by :meth:`install`.

        Raises :class:`sockets.BindError` for a configured path that cannot be had.
        """
        if settings.admin == "off":
            return None
        if settings.admin != "auto":
            path = os.path.abspath(settings.admin)  # noqa: PTH100
            return cls(path, f"{path}.{os.getpid()}" if later else path)
        place = directory()
        path = str(place / f"rsp-{os.getpid()}.sock")
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = place.lstat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o022 or place.is_symlink():
                raise sockets.BindError(f"{place} is not ours alone")
            _sweep(place)
            return cls(path, path)
        except OSError as error:
            log.line(f"No socket for rspctl: {place}: {error.strerror}", log.WARNING)
        except sockets.BindError as error:
            log.line(f"No socket for rspctl: {error}", log.WARNING)
        return None

    def install(self) -> None:
        """In one step, so that there is a socket at the path at any time."""
        if self._bound != self.path:
            with contextlib.suppress(OSError):
                Path(self._bound).replace(self.path)
                self._bound = self.path

    def close(self) -> None:
        """The file goes as well, unless a successor has put its own there."""
        self.sock.close()
        with contextlib.suppress(OSError):
            if Path(self._bound).stat().st_ino == self._file:
                Path(self._bound).unlink()


def _sweep(place: Path) -> None:
    """Remove the sockets of instances that were killed."""
    for old in place.glob("rsp-*.sock"):
        number = old.stem.removeprefix("rsp-")
        if number.isdigit() and not Path("/proc", number).exists():
            old.unlink(missing_ok=True)
