"""Whether what a configuration names can be written, for ``rsp -t``: nothing is created, nothing is changed."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from rsp.config.log_settings import is_file, paths, unix_socket
from rsp.config.metrics_rules import operators_addresses
from rsp.config.schema import Config
from rsp.system.file_errors import unwritten


def problems(config: Config) -> list[str]:
    """A line for each log, pid file and socket that could not be had."""
    settings = config.settings
    found = []
    for path in paths(config):
        found += [("access_log", name, wrong(Path(name))) for name, wrong in _checks(path)]
    if settings.pid_file is not None:
        found.append(("pid_file", settings.pid_file, _replaced(Path(settings.pid_file))))
    if settings.admin not in ("auto", "off"):
        found.append(("admin", settings.admin, _socket(Path(settings.admin))))
    for name, address in operators_addresses(settings).items():
        if address.is_unix:
            found.append((name, address.path, _socket(Path(address.path))))
    for listener in config.listeners:
        if listener.address.is_unix:
            path = listener.address.path
            found.append((f'listen "{listener.address}"', path, _socket(Path(path))))
    return [f"{what}: {path} cannot be written: {_why(path, wrong)}" for what, path, wrong in found if wrong]


def _why(path: str, wrong: int) -> str:
    return unwritten(path, OSError(wrong, os.strerror(wrong)))


def _checks(path: str) -> list[tuple[str, Callable[[Path], int]]]:
    """Of an access log: the file that has to be there or to be made, or the socket that lines are sent to."""
    if is_file(path):
        return [(path, _file)]
    sock = unix_socket(path)
    return [(sock, _daemon)] if sock is not None else []


def _daemon(path: Path) -> int:
    """0, or why nothing can be sent to it."""
    try:
        kind = path.stat().st_mode
    except OSError as error:
        return error.errno or errno.EACCES
    if not stat.S_ISSOCK(kind):
        return errno.ENOTSOCK
    return 0 if os.access(path, os.W_OK, effective_ids=True) else errno.EACCES


def _file(path: Path) -> int:
    """0, or the reason as an error number."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return _directory(path.parent)
    except OSError as error:
        return error.errno or errno.EACCES
    if stat.S_ISDIR(kind):
        return errno.EISDIR
    return 0 if os.access(path, os.W_OK, effective_ids=True) else errno.EACCES


def _replaced(path: Path) -> int:
    return errno.EISDIR if path.is_dir() else _directory(path.absolute().parent)


def _socket(path: Path) -> int:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return errno.ENOTSOCK
    except OSError:
        pass
    return _directory(path.absolute().parent)


def _directory(path: Path) -> int:
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return errno.ENOTDIR
    except OSError as error:
        return error.errno or errno.ENOENT
    return 0 if os.access(path, os.W_OK | os.X_OK, effective_ids=True) else errno.EACCES
