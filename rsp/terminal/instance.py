"""A running instance, over its admin socket: what it answers, and what it streams."""

import http.client
import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rsp.ipc.admin_socket import directory
from rsp.system.file_errors import denied, user_name

_PATIENCE: Final = 3600.0  # seconds: a reload takes as long as its trial
_LONGEST: Final = 1 << 20  # bytes of a line in a stream


class Failure(Exception):
    """The message is for the user."""


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, patience: float = _PATIENCE) -> None:
        super().__init__("rsp", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(
    where: str,
    method: str,
    path: str,
    order: object = None,
    good: Sequence[int] = (200,),
    patience: float = _PATIENCE,
) -> dict[str, Any]:
    """What the instance at the socket ``where`` answers.  Raises :class:`Failure`."""
    connection = _Unix(where, patience)
    try:
        body = json.dumps(order).encode() if order is not None else None
        connection.request(method, path, body)
        response = connection.getresponse()
        data: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(where, error) from None
    finally:
        connection.close()
    if response.status not in good:
        raise Failure(str(data.get("error", f"status {response.status}")))
    return data


def stream(where: str, path: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that the instance sends, as they come.  Raises :class:`Failure`, also when there are no more."""
    connection = _Unix(where)
    try:
        connection.timeout = None  # as long as there is nothing to see
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise Failure(str(json.loads(response.read()).get("error", f"status {response.status}")))
        while line := response.readline(_LONGEST):
            yield _object(line)
        raise Failure(f"{where}: the instance closed the stream")
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        raise _failure(where, error) from None
    finally:
        connection.close()


def _object(line: bytes) -> dict[str, Any]:
    """An invalid line was sent by a process that was taken over."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        data = None
    return data if isinstance(data, dict) else {"dropped": 1}


def _failure(where: str, error: Exception) -> Failure:
    if isinstance(error, FileNotFoundError):
        return Failure(f"{where}: there is no such socket; is rsp running? Without -s, rspctl finds its socket")
    if isinstance(error, ConnectionRefusedError):
        return Failure(f"{where}: no instance listens there; is rsp running?")
    if isinstance(error, PermissionError):
        owner = _owner(Path(where))
        return Failure(f"{where}: {denied(Path(where))}; use: {_as_user(owner)}")
    return Failure(f"{where}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}")


def find_socket() -> str:
    """The socket of the one instance that runs."""
    found = sockets()
    if len(found) > 1:
        listed = "".join(f"\n  {path}, {_listening(path)}" for path in found)
        raise Failure(f"several instances are running; use -s PATH with one of:{listed}")
    return found[0]


def _listening(where: str) -> str:
    try:
        status = ask(where, "GET", "/status", patience=1.0)
        return f"with {status['configuration']['file']}, listening on {', '.join(status['listeners'])}"
    except Failure:
        return "which does not respond"


def sockets() -> list[str]:
    """The sockets at the place by default that an instance listens on, at least one.  Raises :class:`Failure`."""
    place = directory()
    found = []
    for path in sorted(place.glob("rsp-*.sock")) if place.is_dir() else ():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                continue
            found.append(str(path))
    if not found:
        raise Failure(_nothing(place))
    return found


def _nothing(place: Path) -> str:
    """Why there is no socket in ``place``: an instance of another user has its own, elsewhere."""
    user = user_name(os.geteuid())
    for pid, uid in _masters():
        if uid != os.geteuid():
            owner = user_name(uid)
            what = f'rsp (process {pid}) runs as user "{owner}", whose admin socket is not in {place}'
            return f'{what} of user "{user}"; use: {_as_user(owner)}'
    return f"no running rsp has an admin socket in {place}; is rsp running? For a socket elsewhere, use -s PATH"


def _masters() -> Iterator[tuple[int, int]]:
    """Process and user of each instance, as far as this user may see processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(b"rsp: master "):
                yield int(process.name), process.stat().st_uid


def _owner(sock: Path) -> str:
    """The user that has the socket, or its directory, if that may not be entered."""
    for path in (sock, sock.parent):
        with suppress(OSError):
            return user_name(path.stat().st_uid)
    return "root"


def _as_user(owner: str) -> str:
    """This command as ``owner`` would give it."""
    return shlex.join(["sudo", *([] if owner == "root" else ["-u", owner]), Path(sys.argv[0]).name, *sys.argv[1:]])
