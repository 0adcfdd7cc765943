"""What a service manager and its services tell each other through the environment (sd_notify(3), sd_listen_fds(3)).

Without one, everything here does nothing.
"""

import contextlib
import os
import socket
import time
from typing import Final, NamedTuple

from rsp.config.schema import Listener

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_STATUS: Final = 500  # characters; what is too large for a packet would not arrive at all


class Passed(NamedTuple):
    """A listening socket that was bound for us, with the name that its unit gives it (``FileDescriptorName=``)."""

    name: str
    sock: socket.socket

    def serves(self, listener: Listener) -> bool:
        """Whether it is the one that ``listener`` wants: by name, or by its address."""
        address = listener.address
        if address.is_passed:
            return address.name == self.name
        bound = self.sock.getsockname()
        if self.sock.family == socket.AF_UNIX:
            return address.is_unix and os.path.realpath(address.path) == os.path.realpath(os.fsdecode(bound))
        if address.is_unix or bound[1] != address.port:
            return False
        if bound[0] == address.host or (bound[0] in ("127.0.0.1", "::1") and address.host == "localhost"):
            return True
        both = self.sock.family == socket.AF_INET6 and not self.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        return both and bound[0] == "::" and address.host == "0.0.0.0"


def passed_sockets() -> list[Passed]:
    """Once: the environment is cleared of it, as it is meant for this process alone."""
    number = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()) or not number.isdigit():
        return []
    found = []
    for index in range(int(number)):
        with contextlib.suppress(OSError):  # something else than a socket
            sock = socket.socket(fileno=_FIRST + index)
            sock.setblocking(False)
            sock.set_inheritable(False)
            found.append(Passed(names[index] if index < len(names) else "", sock))
    return found


class Notifier:
    """Tells the manager how we are (``Type=notify``), and that we are alive (``WatchdogSec=``)."""

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._sock: socket.socket | None = None
        if path:
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sock.setblocking(False)
        self._status = ""
        self._alive_at = 0.0
        interval = os.environ.get("WATCHDOG_USEC", "")
        meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watched = interval.isdigit() and int(interval) > 0 and meant
        self.every = min(1.0, int(interval) / 3e6) if self._watched else 1.0  # seconds between two calls of `alive`

    @property
    def owned(self) -> list[socket.socket]:
        """What is not a child's business."""
        return [self._sock] if self._sock is not None else []

    def tell(self, *lines: str) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):  # a manager that does not listen is no reason to stop
                self._sock.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)

    def ready(self, status: str) -> None:
        status = status[:_STATUS]
        self._status = status
        self.tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        self.tell("STOPPING=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Sent when it has changed."""
        status = status[:_STATUS]
        if status != self._status:
            self._status = status
            self.tell(f"STATUS={status}")

    def alive(self, now: float) -> None:
        """Called again and again as long as all is well."""
        if self._watched and now >= self._alive_at:
            self._alive_at = now + self.every * 0.9
            self.tell("WATCHDOG=1")
