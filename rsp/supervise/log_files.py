"""What access logs go to and the master opens, with its rights: files, and sockets of daemons.  Workers are given the
descriptors."""

import os
from pathlib import Path

from rsp.config.log_settings import is_file, paths, unix_socket
from rsp.config.schema import Config
from rsp.logs import log
from rsp.logs.access_log import open_file
from rsp.logs.datagrams import connect

Identity = tuple[int, int]


class LogFile:
    """``descriptor`` is ours to close.  ``identity``: of the socket that it is connected to, as a file."""

    __slots__ = ("descriptor", "identity")

    def __init__(self, path: str) -> None:
        sock = unix_socket(path)
        self.identity = _identity(sock) if sock is not None else None
        self.descriptor = open_file(path) if sock is None else connect(sock)

    def close(self) -> None:
        os.close(self.descriptor)


class LogFiles:
    """Those of the configuration in force by path, and those of one that is being tried.

    A daemon that is not there is waited for: it is no reason to refuse a configuration.
    """

    def __init__(self) -> None:
        self._used: dict[str, LogFile] = {}
        self._tried: dict[str, LogFile] | None = None
        self._daemons: list[str] = []  # of the configuration in force

    def attempt(self, config: Config) -> None:
        """Open those of ``config``.  Raises :class:`OSError`, whose ``filename`` tells the key as well."""
        self._tried = {}
        try:
            for path in paths(config):
                if is_file(path):
                    self._tried[path] = LogFile(path)
                elif unix_socket(path) is not None:
                    _connect(self._tried, path)
        except OSError as error:
            self.refuse()
            if error.filename is not None:
                error.filename = f"access_log: {error.filename}"
            raise

    def commit(self, config: Config) -> None:
        """What was tried is in force."""
        self._daemons = [path for path in paths(config) if unix_socket(path) is not None]
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
            for path in [path for path in opened if is_file(path)]:
                try:
                    file = LogFile(path)
                except OSError as error:
                    log.line(f"Cannot reopen the access log {path}: {error.strerror}", log.ERROR)
                else:
                    opened.pop(path).close()
                    opened[path] = file

    def find_daemons(self) -> bool:
        """Once a second: whether one has come, or come back, and is connected now."""
        found = [path for path in self._daemons if self._has_changed(path) and _connect(self._used, path)]
        return bool(found)

    def _has_changed(self, path: str) -> bool:
        now, known = _identity(unix_socket(path) or ""), self._used.get(path)
        return now is not None and (known is None or known.identity != now)

    def unused_by_workers(self) -> set[LogFile]:
        """What a worker that is forked now has no use for."""
        return set((self._tried or {}).values())

    def all(self) -> set[LogFile]:
        """What the control process has no use for."""
        return {*self._used.values(), *self.unused_by_workers()}


def _identity(path: str) -> Identity | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _connect(opened: dict[str, LogFile], path: str) -> bool:
    """Whether there is a daemon."""
    try:
        file = LogFile(path)
    except OSError:
        return False
    former = opened.pop(path, None)
    if former is not None:
        former.close()
    opened[path] = file
    return True


def _close(opened: dict[str, LogFile]) -> None:
    for file in opened.values():
        file.close()
