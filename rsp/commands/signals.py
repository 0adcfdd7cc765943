"""``rsp -s reload|quit|stop|reopen|upgrade``: as nginx's users type it."""

import os
import sys
from pathlib import Path
from typing import Any

from rsp.config.schema import Settings
from rsp.supervise.pid_file import read
from rsp.terminal.instance import Failure, ask, sockets


def send(name: str, number: int, file: str, settings: Settings) -> int:
    """The signal ``name`` to the master that serves ``file``, whose settings these are; the exit status, with one line
    on stderr."""
    try:
        pid = _master(file, settings)
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError) as error:
        print(f"rsp: cannot send the signal to the master: {error.strerror}", file=sys.stderr)
        return 1
    except Failure as error:
        print(f"rsp: {error}", file=sys.stderr)
        return 1
    print(f"rsp: sent {name} to the master (pid {pid})", file=sys.stderr)
    return 0


def _master(file: str, settings: Settings) -> int:
    """By its pid file, or else by its admin socket.  Raises :class:`Failure`."""
    if settings.pid_file is not None:
        pid = read(Path(settings.pid_file))
        if pid is None:
            raise Failure(f"{settings.pid_file} contains no process id; is rsp running?")
        return pid
    if settings.admin == "off":
        raise Failure('neither "pid_file" nor "admin" is set, so the master cannot be found; set one of them')
    if settings.admin != "auto":
        return int(ask(settings.admin, "GET", "/status")["master"])
    return _serving(file)


def _serving(file: str) -> int:
    """Of all instances with a socket at the place by default, the one that serves ``file``."""
    running = {}
    for where in sockets():
        status = ask(where, "GET", "/status")
        running[int(status["master"])] = _file_of(status)
    found = [pid for pid, served in running.items() if served and _same(served, file)]
    if len(found) == 1:
        return found[0]
    if found:
        pids = ", ".join(map(str, found))
        raise Failure(f"several instances run {file} (pids {pids}); use rspctl -s SOCKET ..., or set pid_file")
    if len(running) == 1:
        ((pid, served),) = running.items()
        what = f"the running instance (pid {pid}) serves {served or 'a file that it does not report'}"
    else:
        what = "the running instances serve " + ", ".join(f"{file} (pid {pid})" for pid, file in running.items())
    raise Failure(f"{what}, not {file}; use rspctl -s SOCKET ..., or set pid_file")


def _same(served: str, file: str) -> bool:
    path = os.path.abspath(file).encode("utf-8", "backslashreplace").decode()  # noqa: PTH100 - as the status has it
    return served == path or os.path.realpath(served) == os.path.realpath(file)


def _file_of(status: dict[str, Any]) -> str:
    """The configuration file that an instance serves; "" where that is not known."""
    file = status["configuration"].get("file")
    if file is not None:
        return str(file)
    # A master of an earlier version does not tell; its process title does, relative to its directory.
    process = Path("/proc", str(status["master"]))
    try:
        title = os.fsdecode((process / "cmdline").read_bytes().rstrip(b"\0"))
        place = (process / "cwd").readlink()
    except OSError:
        return ""
    start, _, name = title.partition("rsp: master ")
    return str(place / name) if name and not start else ""
