"""Which access logs a configuration has, and which of them are files."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from rsp.config.observe import AccessLog
from rsp.config.routes import Route
from rsp.config.schema import Config

OFF: Final = "off"
STDOUT: Final = "stdout"
JOURNALD: Final = "journald"
SYSLOG: Final = "syslog:"
JOURNAL: Final = "/run/systemd/journal/socket"
_SYSLOG_PORT: Final = "514"
_PORTS: Final = 65535

Declared = str | AccessLog | tuple[str | AccessLog, ...]


def logs(declared: Declared) -> tuple[AccessLog, ...]:
    """What `access_log` stands for; empty: nothing is logged."""
    several = declared if isinstance(declared, tuple) else (declared,)
    made = (log if isinstance(log, AccessLog) else AccessLog(log) for log in several)
    return tuple(log for log in made if log.path != OFF)


def logs_of(config: Config, route: Route | None = None) -> tuple[AccessLog, ...]:
    """Those of ``route``, or of what has no route."""
    own = route.access_log if route is not None else None
    return logs(config.settings.access_log if own is None else own)


def is_file(path: str) -> bool:
    return path not in (OFF, STDOUT, JOURNALD) and not path.startswith((SYSLOG, JOURNALD + ":"))


def log_address(path: str) -> str | tuple[str, int]:
    """Of a syslog: the path of a unix socket, or host and port.  Raises :class:`ValueError`."""
    text = path.removeprefix(SYSLOG)
    if text.startswith("/"):
        return text
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, _SYSLOG_PORT
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _PORTS):
        raise ValueError(f'"{port}" is not a port')
    return str(ip_address(host)), int(port)


def unix_socket(path: str) -> str | None:
    """That of a daemon which lines are sent to."""
    if path == JOURNALD:
        return JOURNAL
    if path.startswith((JOURNALD + ":", SYSLOG)):
        rest = path.partition(":")[2]
        return rest if rest.startswith("/") else None
    return None


def paths(config: Config) -> list[str]:
    """Of all access logs, each once."""
    return list(dict.fromkeys(log.path for log in _all(config)))


def _all(config: Config) -> Iterator[AccessLog]:
    yield from logs_of(config)
    for route in config.routes:
        if route.access_log is not None:
            yield from logs(route.access_log)
