"""``rsp -s reload|quit|stop|reopen|upgrade``: as nginx's users type it."""

import os
import signal
from pathlib import Path
from typing import Final

from rsp.config.schema import Settings
from rsp.pid_file import read
from rsp.rspctl import Failure, ask, find_socket

SIGNALS: Final = {
    "reload": signal.SIGHUP,
    "quit": signal.SIGQUIT,
    "stop": signal.SIGINT,
    "reopen": signal.SIGUSR1,
    "upgrade": signal.SIGUSR2,
}


def send(name: str, settings: Settings) -> None:
    """To the master that runs with these settings.  Raises :class:`Failure`."""
    pid = _master(settings)
    try:
        os.kill(pid, SIGNALS[name])
    except ProcessLookupError:
        raise Failure(f"no process {pid}: rsp does not run") from None
    except PermissionError:
        raise Failure(f"process {pid} is another user's") from None


def _master(settings: Settings) -> int:
    """By its pid file, or else by its admin socket."""
    if settings.pid_file is not None:
        pid = read(Path(settings.pid_file))
        if pid is None:
            raise Failure(f"{settings.pid_file} names no process: rsp does not run")
        return pid
    if settings.admin == "off":
        raise Failure('neither "pid_file" nor "admin" says where the master is')
    where = find_socket() if settings.admin == "auto" else settings.admin
    return int(ask(where, "GET", "/status")["master"])
