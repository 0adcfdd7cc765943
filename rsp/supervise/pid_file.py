"""The file that names the master, for `rsp -s` and service managers."""

import contextlib
import os
from pathlib import Path


class PidFile:
    """At ``path``, made absolute at once.  ``taken``: a predecessor's is there, and is replaced.

    Raises :class:`OSError` where it cannot be written, and when another master that lives is in it.
    """

    def __init__(self, path: str, *, taken: bool) -> None:
        self._path = Path(path).absolute()
        other = read(self._path)
        if not taken and other is not None and other != os.getpid() and _is_master(other):
            raise OSError(0, f"another rsp is running (pid {other})", str(path))
        if not taken:
            self.write()

    def write(self) -> None:
        """In one step, so that no reader finds half a number.  Raises :class:`OSError`."""
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            new.write_text(f"{os.getpid()}\n")
            new.chmod(0o644)  # whatever the umask: a user that can write it chooses what root sends signals to
            new.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            error.filename = f"pid_file: {self._path}"
            raise

    def remove(self) -> None:
        if read(self._path) == os.getpid():
            self._path.unlink(missing_ok=True)


def read(path: Path) -> int | None:
    """The number in it, if there is one."""
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() else None


def _is_master(pid: int) -> bool:
    """Process ids are used again: only one that looks like ours counts."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"rsp: master")
    except OSError:
        return False
