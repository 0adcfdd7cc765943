"""Servers that listen on this machine and could be peers, as far as this user may see their processes."""

import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from rsp.commands.init.found import Backend, name_of
from rsp.commands.init.probe import speaks_http
from rsp.commands.init.programs import OTHER_PROTOCOLS, OTHERS, PROXIES, RUNTIMES, SERVERS, program_of

_MOST: Final = 40  # that are asked
_LONGEST: Final = 107  # bytes of a unix socket's path
_ANY: Final = ("0.0.0.0", "::")
_CONFIGURATION: Final = re.compile(r" (?:-c|-f|--config)[ =]?(/\S+)")  # of nginx, HAProxy and Caddy
_FPM_SOCKETS: Final = ("/run/php/*.sock", "/run/php-fpm/*.sock")


class _Server(NamedTuple):
    """A listening socket, and the first of the processes that have it."""

    addresses: tuple[str, ...]  # the first that answers is taken
    program: str
    pid: int
    folder: str
    command: tuple[str, str]  # without numbers, and its folder
    answers: bool = False  # HTTP


def listening(here: Path) -> tuple[list[Backend], list[str]]:
    """The likeliest first; and remarks about proxies."""
    servers = sorted(_servers(), key=lambda server: server.pid)
    proxies = {server.program: server for server in reversed(servers) if server.program in PROXIES}
    notes = [_proxy(server) for server in proxies.values()]
    known = [server for server in servers if server.program not in PROXIES | OTHERS]
    known.sort(key=lambda server: not _is_in(server, here))
    with ThreadPoolExecutor(8) as pool:
        found = [server for server in pool.map(_asked, known[:_MOST]) if server is not None]
    found.sort(key=lambda server: _rank(server, here))
    return [*_together(found, here)], notes


def php_sockets() -> list[str]:
    """Where PHP-FPM listens by default, in files."""
    paths = [path for pattern in _FPM_SOCKETS for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    return [str(path) for path in paths if _is_socket(str(path))]


def socket_user(address: str) -> str:
    """The user that owns a unix socket that not every user may connect to; ``""`` where workers need no other user."""
    try:
        status = Path(address.removeprefix("unix:")).stat()
        return "" if status.st_mode & stat.S_IWOTH or not status.st_uid else pwd.getpwuid(status.st_uid).pw_name
    except (OSError, KeyError):
        return ""


def _servers() -> Iterator[_Server]:
    seen: set[object] = set()
    own = os.getpid()
    try:
        sockets = [*psutil.net_connections("tcp"), *psutil.net_connections("unix")]
    except (psutil.Error, OSError):  # there is no /proc, or it is not for this user
        return
    for sock in sorted(sockets, key=lambda each: each.pid or 0):
        addresses = _addresses(sock)
        if sock.pid in (None, own) or not addresses or addresses in seen:
            continue
        try:
            process, program = _first(psutil.Process(sock.pid))
            command, folder = " ".join(process.cmdline()), process.cwd()
        except (psutil.Error, OSError):
            continue
        is_unix = addresses[0].startswith("unix:")
        port = (process.pid, addresses[0].rpartition(":")[2])  # one for IPv4 and one for IPv6 are the same server
        if port in seen or (is_unix and program not in SERVERS):
            continue
        seen |= {addresses, port}
        yield _Server(addresses, program, process.pid, folder, (re.sub(r"\d+", "", command), folder))


def _first(process: psutil.Process) -> tuple[psutil.Process, str]:
    """Of processes that share a socket, the one that has started the others; and which program they are."""
    program = program_of(process.cmdline(), process.name())
    while program in SERVERS and (parent := process.parent()) is not None:
        if program_of(parent.cmdline(), parent.name()) != program:
            break
        process = parent
    return process, program


def _addresses(sock: Any) -> tuple[str, ...]:
    """Of a socket that listens, as a peer's; none: it does not."""
    if isinstance(sock.laddr, str):
        return (f"unix:{sock.laddr}",) if _is_socket(sock.laddr) else ()
    if sock.status != psutil.CONN_LISTEN:
        return ()
    host, port = sock.laddr
    if host in _ANY:
        return f"127.0.0.1:{port}", f"[::1]:{port}"
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}",)


def _is_socket(path: str) -> bool:
    """Of one that a configuration can name."""
    try:
        return path.startswith("/") and len(os.fsencode(path)) <= _LONGEST and stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return False


def _asked(server: _Server) -> _Server | None:
    """With the one address that is used; ``None``: it is no web server."""
    good = next((address for address in server.addresses if speaks_http(address)), None)
    if good is None and not (server.program in OTHER_PROTOCOLS or _is_certain(server)):
        return None
    return server._replace(addresses=(good or server.addresses[0],), answers=good is not None)


def _is_certain(server: _Server) -> bool:
    """Although it does not answer now.  A unix socket may be for something else than requests."""
    return server.program in SERVERS and not server.addresses[0].startswith("unix:")


def _rank(server: _Server, here: Path) -> tuple[object, ...]:
    certain = 0 if server.program in SERVERS else 1 if server.program in RUNTIMES else 2
    return not _is_in(server, here), certain, server.pid, server.addresses


def _is_in(server: _Server, here: Path) -> bool:
    folder = Path(server.folder)
    return folder == here or here in folder.parents


def _together(servers: Iterable[_Server], here: Path) -> Iterator[Backend]:
    """Processes of the same command in the same folder are peers of one upstream."""
    groups: list[list[_Server]] = []
    for server in servers:
        for group in groups:
            if group[0].command == server.command and server.pid not in {each.pid for each in group}:
                group.append(server)
                break
        else:
            groups.append([server])
    for group in groups:
        first = group[0]
        pids = ", ".join(str(server.pid) for server in group)
        said = f"{first.program} ({'process' if len(group) == 1 else 'processes'} {pids}, in {first.folder})"
        protocol = {"php-fpm": "fastcgi", "uwsgi": "http" if first.answers else "uwsgi"}.get(first.program, "http")
        name = name_of(first.folder, "php" if first.program == "php-fpm" else "app")
        addresses = tuple(sorted({server.addresses[0] for server in group}))
        yield Backend(name, addresses, said, is_here=_is_in(first, here), protocol=protocol)


def _proxy(server: _Server) -> str:
    files = {"nginx": "/etc/nginx/nginx.conf", "caddy": "/etc/caddy/Caddyfile", "haproxy": "/etc/haproxy/haproxy.cfg"}
    file = _given(server) or files.get(server.program)
    advice = f"; rsp import {file} translates its configuration" if file is not None and Path(file).exists() else ""
    return f"{server.program} listens on {server.addresses[0].replace('127.0.0.1:', 'port ')}{advice}"


def _given(server: _Server) -> str | None:
    """The configuration that its command line names."""
    try:
        command = " ".join(psutil.Process(server.pid).cmdline())
    except (psutil.Error, OSError):
        return None
    match = _CONFIGURATION.search(command)
    return match[1] if match is not None else None
