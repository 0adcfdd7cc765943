"""A node's local copies: the versions that it has run, and which of them it starts with.

Written with the master's rights and readable for them alone, so that no unprivileged process decides what a master
loads.  ``versions/ab12cd34ef56/site.lua`` is a version, ``stable`` names the one to start with.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rsp.nodes.bundle import MAIN, version_of

_DIGITS: Final = 12  # of a version, in the name of its folder
_MARK: Final = ".version"
_KEPT: Final = 5  # versions, beside those that are in use
_VERSION: Final = re.compile(r"[0-9a-f]{64}")


class Local:
    """Everything raises :class:`OSError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        (self.folder / "versions").mkdir(mode=0o700, parents=True, exist_ok=True)

    def main(self, version: str) -> str:
        """The file that is loaded."""
        return str(self._place(version) / MAIN)

    def _place(self, version: str) -> Path:
        return self.folder / "versions" / version[:_DIGITS]

    def shown(self, text: str, version: str) -> str:
        """``text`` with the names of files as they are in the version."""
        return text.replace(f"{self._place(version)}/", "")

    def has(self, version: str) -> bool:
        return _read(self._place(version) / _MARK) == version

    def is_intact(self, version: str) -> bool:
        """Whether its files are what they were: disks fail, and people edit what they find."""
        place = self._place(version)
        if not self.has(version):
            return False
        found = (path for path in place.rglob("*") if path.is_file() and path != place / _MARK)
        try:
            return version_of({str(path.relative_to(place)): path.read_bytes() for path in found}) == version
        except OSError:
            return False

    def store(self, version: str, files: Mapping[str, bytes]) -> None:
        """Whole or not at all.  Others are removed, the oldest first."""
        if self.is_intact(version):
            os.utime(self._place(version))
            return
        versions = self.folder / "versions"
        unfinished = Path(tempfile.mkdtemp(prefix=".new-", dir=versions))
        try:
            for name, content in {**files, _MARK: version.encode()}.items():
                path = unfinished / name
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, content)
            shutil.rmtree(self._place(version), ignore_errors=True)
            unfinished.rename(self._place(version))
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        self._prune()

    def _prune(self) -> None:
        stable = self.stable()
        stays = {stable[:_DIGITS]} if stable is not None else set()
        found = [each for each in (self.folder / "versions").iterdir() if each.name not in stays]
        found.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        for old in found[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def stable(self) -> str | None:
        """The version to start with, if it is there."""
        version = _read(self.folder / "stable")
        return version if _VERSION.fullmatch(version) and self.has(version) else None

    def settle(self, version: str) -> None:
        """Start with it from now on."""
        if self.stable() == version or not self.has(version):
            return
        unfinished = self.folder / f".stable-{os.getpid()}"
        _write(unfinished, version.encode())
        unfinished.rename(self.folder / "stable")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(100).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _write(path: Path, content: bytes) -> None:
    """And have it reach the disk: half a configuration is worse than none."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
