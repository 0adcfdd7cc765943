"""The unix socket that operators talk to: the master binds it, the control process answers.

It is for the user alone who started rsp, by the modes of the directory and of the socket.
"""

import os
import socket
from pathlib import Path

from rsp import log, sockets
from rsp.config.schema import Settings


def directory() -> Path:
    """Where sockets are that have no configured path."""
    if os.geteuid() == 0:
        return Path("/run/rsp")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "rsp") if runtime else Path(f"/tmp/rsp-{os.geteuid()}")  # noqa: S108 - checked below


class AdminSocket:
    """``sock`` listens at ``path``."""

    def __init__(self, sock: socket.socket, path: str) -> None:
        self.sock = sock
        self.path = path

    @classmethod
    def open(cls, settings: Settings) -> "AdminSocket | None":
        """``None``: it is off, or the place by default cannot be had, which is told.

        Raises :class:`sockets.BindError` for a configured path that cannot be had.
        """
        if settings.admin == "off":
            return None
        if settings.admin != "auto":
            return cls(sockets.bind_private(settings.admin), settings.admin)
        place = directory()
        path = str(place / f"rsp-{os.getpid()}.sock")
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = place.lstat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o022 or place.is_symlink():
                raise sockets.BindError(f"{place} is not ours alone")
            _sweep(place)
            return cls(sockets.bind_private(path), path)
        except OSError as error:
            log.line(f"No socket for rspctl: {place}: {error.strerror}")
        except sockets.BindError as error:
            log.line(f"No socket for rspctl: {error}")
        return None

    def close(self) -> None:
        self.sock.close()
        Path(self.path).unlink(missing_ok=True)


def _sweep(place: Path) -> None:
    """Remove the sockets of instances that were killed."""
    for old in place.glob("rsp-*.sock"):
        number = old.stem.removeprefix("rsp-")
        if number.isdigit() and not Path("/proc", number).exists():
            old.unlink(missing_ok=True)
