"""The files of access logs.  The master opens them, with its rights; workers are given the descriptors."""

import os

from rsp.config.log_settings import files
from rsp.config.schema import Config
from rsp.logs import log
from rsp.logs.access_log import open_file


class LogFile:
    """``descriptor`` is ours to close."""

    __slots__ = ("descriptor",)

    def __init__(self, path: str) -> None:
        self.descriptor = open_file(path)

    def close(self) -> None:
        os.close(self.descriptor)


class LogFiles:
    """Those of the configuration in force by path, and those of one that is being tried."""

    def __init__(self) -> None:
        self._used: dict[str, LogFile] = {}
        self._tried: dict[str, LogFile] | None = None

    def attempt(self, config: Config) -> None:
        """Open those of ``config``.  Raises :class:`OSError`."""
        opened: dict[str, LogFile] = {}
        try:
            for path in files(config):
                opened[path] = LogFile(path)
        except OSError:
            _close(opened)
            raise
        self._tried = opened

    def commit(self) -> None:
        """What was tried is in force."""
        if self._tried is not None:
            _close(self._used)
            self._used, self._tried = self._tried, None

    def refuse(self) -> None:
        """What was tried is not."""
        if self._tried is not None:
            _close(self._tried)
            self._tried = None

    def descriptors(self, *, tried: bool = False) -> dict[str, int]:
        """By path."""
        chosen = self._tried if tried and self._tried is not None else self._used
        return {path: file.descriptor for path, file in chosen.items()}

    def reopen(self) -> None:
        """After a rotation; a file that cannot be opened leaves the old one in use."""
        for opened in (self._used, self._tried or {}):
            for path, former in opened.items():
                try:
                    opened[path] = LogFile(path)
                except OSError as error:
                    log.line(f"Cannot reopen the access log {path}: {error.strerror}")
                else:
                    former.close()

    def unused_by_workers(self) -> set[LogFile]:
        """What a worker that is forked now has no use for."""
        return set((self._tried or {}).values())

    def all(self) -> set[LogFile]:
        """What the control process has no use for."""
        return {*self._used.values(), *self.unused_by_workers()}


def _close(opened: dict[str, LogFile]) -> None:
    for file in opened.values():
        file.close()
