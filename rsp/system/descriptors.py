"""How many descriptors a process may open, what it needs of them, and how many clients that leaves room for.

The numbers follow from the configuration.  A limit that is too low to serve is an error before anything is bound;
it is not found out by the first clients.
"""

import errno
import resource
from typing import Final, NamedTuple

from rsp.config.log_settings import paths
from rsp.config.schema import Config
from rsp.logs import log

# Measured on idle processes, each with 8 for logs that cannot be opened anew, and with what is in transit: a
# configuration, its members and the files of its TLS in memfds, a log, an upgrade; OCSP responders.
_MASTER: Final = 48
_WORKER: Final = 39
_CONTROL: Final = 50
_LINGERING: Final = 64  # connections that are being refused because they are too many
_FEWEST: Final = 8  # clients that a worker must be able to serve
_OPERATORS: Final = 64  # connections to one site of the control process


class Room(NamedTuple):
    """For ``clients``, each with a connection to a peer, and for ``lingering`` ones that are turned away."""

    clients: int
    lingering: int

    @classmethod
    def of(cls, listeners: int, logs: int = 1) -> "Room":
        """In a worker with this number of listeners and access logs."""
        spare = limit() - _reserve(listeners, logs)
        lingering = max(1, min(_LINGERING, spare // 8))
        return cls(max(1, (spare - lingering) // 2), lingering)


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def for_operators() -> int:
    """Connections that the control process accepts at metrics, and at the dashboard; four times of it for admins."""
    return max(2, min(_OPERATORS, (limit() - _CONTROL) // 12))


def for_checks() -> int:
    """Connections of its own that the control process can have at the same time."""
    return max(4, limit() - _CONTROL - 6 * for_operators())


def _reserve(listeners: int, logs: int) -> int:
    """Of a worker: its listening sockets, a sibling's that it adopts, and those that a reload adds; its access logs
    beyond the first, and those that a reload adds."""
    return _WORKER + 3 * listeners + 2 * max(0, logs - 1)


def check(config: Config, workers: int, listeners: int) -> None:
    """Raises :class:`OSError`, with the number that is needed, if so many workers cannot serve at so many addresses.

    The master has a socket for each address and worker, an inbox and a channel for each worker, and a channel to its
    predecessor.
    """
    logs = len(paths(config))
    master = _MASTER + workers * (listeners + 3) + listeners + 2 * logs
    worker = _reserve(listeners, logs) + 2 * _FEWEST + max(1, 2 * _FEWEST // 7)
    needed = max(master, worker, _CONTROL + 4)
    allowed = limit()
    if needed > allowed:
        what = f"{workers} worker{'s' * (workers != 1)} at {listeners} address{'es' * (listeners != 1)}"
        what += f" with {logs} access logs" if logs > 1 else ""
        raise OSError(
            errno.EMFILE,
            f"too few open files are allowed: {what} need {needed}; raise the limit (`ulimit -n {needed}`, "
            f"LimitNOFILE={needed} in a systemd unit, --ulimit nofile={needed} for a container)",
            f"ulimit -n {allowed}",
        )
    for line in _capped(config):
        log.line(line, log.WARNING)


def _capped(config: Config) -> list[str]:
    """Where ``config`` asks for more connections than there is room for; what there is room for is the limit then."""
    settings = config.settings.limits
    places = [("limits.connections", settings.connections if settings else None)]
    places += [
        (f'listen "{listener.address}": limits.connections', listener.limits.connections if listener.limits else None)
        for listener in config.listeners
    ]
    reserve = _reserve(len(config.listeners), len(paths(config)))
    room = Room.of(len(config.listeners), len(paths(config)))
    return [
        f"{where} = {wanted} needs {reserve + 2 * wanted + _LINGERING} open files in a worker; "
        f"with {limit()} it serves {room.clients} connections"
        for where, wanted in places
        if wanted is not None and wanted > room.clients
    ]
