"""All that a worker's access logs go to, by path.  Configurations that name the same path share it."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final
from weakref import WeakValueDictionary

from rsp.config.log_settings import STDOUT, SYSLOG, is_file, log_address, unix_socket
from rsp.logs.access_log import AccessLog, Taker, unheard
from rsp.logs.datagrams import Datagrams, journal, syslog
from rsp.logs.outlet import Outlet, standard

# Seconds at the end of a worker.  A daemon's queue has room for ten messages, so the last second's lines need some.
_MOMENT: Final = 0.3
_PAUSE: Final = 0.002


class AccessLogs:
    """One lives as long as something writes to it: what has begun goes into the log that it began with.

    ``lost(count)`` is told how many lines were lost.
    """

    def __init__(self, lost: Callable[[int], None] = unheard) -> None:
        self._logs: WeakValueDictionary[str, AccessLog] = WeakValueDictionary()
        self._files: dict[str, int] = {}  # descriptors that no log has taken yet
        self._lost = lost

    def use(self, files: Mapping[str, int]) -> None:
        """After a rotation, or for another configuration: these are the files from now on."""
        self.forget_files()
        for path, descriptor in files.items():
            known = self._logs.get(path)
            if known is None:
                self._files[path] = descriptor
            elif isinstance(known.taker, Datagrams):
                known.taker.use(socket.socket(fileno=descriptor))
            else:
                known.replace(Outlet.opened(descriptor))

    def at(self, path: str) -> AccessLog:
        """The log at ``path``; a file is among those that :meth:`use` was given.  Raises :class:`OSError`."""
        found = self._logs.get(path)
        if found is None:
            found = self._logs[path] = AccessLog(path, self._open(path), self._lost)
        return found

    def _open(self, path: str) -> Taker | None:
        if path == STDOUT:
            return standard(1)
        descriptor = self._files.pop(path, None)
        return _taker(path, descriptor) if descriptor is not None or not is_file(path) else None

    def forget_files(self) -> None:
        """Close those that nothing writes to."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def tick(self, _now: float, wall: float) -> None:
        """Once a second."""
        for log in list(self._logs.values()):
            log.set_time(wall)
            log.flush()

    def hurry(self) -> bool:
        """Send what daemons had no room for; whether they still have none."""
        logs = [log for log in self._logs.values() if isinstance(log.taker, Datagrams) and log.taker.is_full]
        return bool([log for log in logs if not log.is_done()])

    def close(self) -> None:
        """At the end: write what is left; what takes it slowly has a moment."""
        logs, give_up = list(self._logs.values()), time.monotonic() + _MOMENT
        while [log for log in logs if not log.is_done()] and time.monotonic() < give_up:
            time.sleep(_PAUSE)
        for log in logs:
            log.close()


def _taker(path: str, descriptor: int | None) -> Taker:
    """``descriptor``: of what the master has opened for it."""
    if descriptor is not None and is_file(path):
        return Outlet.opened(descriptor)
    connected = socket.socket(fileno=descriptor) if descriptor is not None else None
    if path.startswith(SYSLOG):
        return syslog(path, log_address(path), connected)
    return journal(path, unix_socket(path) or "", connected)


class Unwritten(AccessLogs):
    """For what only looks like a worker: nothing is written anywhere."""

    def _open(self, _path: str) -> Taker | None:
        return None
