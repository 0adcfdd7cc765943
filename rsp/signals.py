"""``rsp -s reload|quit|stop|reopen|upgrade``: as nginx's users type it."""

import os
import sys
from pathlib import Path

from rsp.config.schema import Settings
from rsp.pid_file import read
from rsp.rspctl import Failure, ask, find_socket


def send(number: int, settings: Settings) -> int:
    """To the master that runs with these settings; the exit status, with one line on stderr if it is not 0."""
    try:
        os.kill(_master(settings), number)
    except (ProcessLookupError, PermissionError) as error:
        print(f"rsp: the master cannot be told: {error.strerror}", file=sys.stderr)
        return 1
    except Failure as error:
        print(f"rsp: {error}", file=sys.stderr)
        return 1
    return 0


def _master(settings: Settings) -> int:
    """By its pid file, or else by its admin socket.  Raises :class:`Failure`."""
    if settings.pid_file is not None:
        pid = read(Path(settings.pid_file))
        if pid is None:
            raise Failure(f"{settings.pid_file} names no process: rsp does not run")
        return pid
    if settings.admin == "off":
        raise Failure('neither "pid_file" nor "admin" says where the master is')
    where = find_socket() if settings.admin == "auto" else settings.admin
    return int(ask(where, "GET", "/status")["master"])
