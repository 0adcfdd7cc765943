"""Listening sockets: bind them, pass them on, never close one in which connections may be queued.

For each TCP address every worker slot has a socket of its own (SO_REUSEPORT), created by the master and kept open
in it; a unix socket is one, shared by all.  Raises :class:`BindError` with one clear clause.
"""

import errno
import os
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rsp.config.schema import Listener
from rsp.config.units import Address
from rsp.system.file_errors import unwritten

# Bytes that the kernel takes ahead of what it can send to a client.  Accepted connections inherit it.  Without it a
# client that reads slowly ties up megabytes of kernel memory, beyond the reach of our own backpressure.
UNSENT: Final = 128 << 10
# A master that was killed leaves workers behind that let go of its sockets within this many seconds.
_PATIENCE: Final = 2.0


class BindError(Exception):
    """An address that cannot be listened on; the message names it and says why."""


def reserve(listener: Listener) -> Listener:
    """Check that no other process listens on the address (SO_REUSEPORT would share it silently).

    Returns the listener, with the port that the kernel chose where the configuration asks for port 0.
    """
    address = listener.address
    if address.is_unix:
        _remove_stale(address)
        return listener
    with _listening_alone(address) as probe:
        port = probe.getsockname()[1]
    if address.port:
        return listener
    return with_port(listener, port)


def with_port(listener: Listener, port: int) -> Listener:
    """``listener`` where its configured port is 0."""
    host = listener.address.rpartition(":")[0]
    return Listener(address=type(listener.address)(f"{host}:{port}"), backlog=listener.backlog)


def bind(listener: Listener) -> socket.socket:
    """A bound, non-blocking socket, one of several for the same TCP address; its worker lets it listen.

    Until then the kernel queues no connection in it, so none waits for a worker that is not there yet.
    """
    address = listener.address
    try:
        if address.is_unix:
            bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            bound.bind(address.path)
            Path(address.path).chmod(0o666)
        else:
            bound = _tcp_socket(address, share=True)
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
    except OSError as error:
        raise BindError(_explain(address, error)) from None
    bound.setblocking(False)
    return bound


def bound_unsent(descriptor: int, size: int) -> None:
    """Let the kernel take ``size`` bytes ahead of what it can send on a connection."""
    sock = socket.socket(fileno=descriptor)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)
    except OSError:
        pass  # a local socket has no such bound
    finally:
        sock.detach()


def bind_private(path: str) -> socket.socket:
    """A listening, non-blocking unix socket that only its owner can connect to."""
    address = Address(f"unix:{os.path.abspath(path)}")  # noqa: PTH100
    try:
        _remove_stale(address)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            bound.bind(address.path)
        finally:
            os.umask(before)
        bound.listen(64)
    except OSError as error:
        raise BindError(_explain(address, error)) from None
    bound.setblocking(False)
    return bound


def bind_alone(address: Address) -> socket.socket:
    """A listening, non-blocking socket at an address that no other process listens on; a unix socket is private."""
    if address.is_unix:
        return bind_private(address.path)
    bound = _listening_alone(address)
    bound.setblocking(False)
    return bound


def _listening_alone(address: Address) -> socket.socket:
    """With SO_REUSEADDR only listening tells that no other process does."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            bound = _tcp_socket(address)
            try:
                bound.listen(64)
            except OSError:
                bound.close()
                raise
            return bound
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > give_up:
                raise BindError(_explain(address, error)) from None
            time.sleep(0.05)


def unlink(address: str) -> None:
    """Remove the file of a unix socket that is closed for good."""
    try:
        os.unlink(Address(address).path)  # noqa: PTH108
    except OSError:
        pass


def _tcp_socket(address: Address, *, share: bool = False) -> socket.socket:
    host = address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET and not host.replace(".", "").isdigit():
        # A name: only the machine's own names make sense here, so the resolver is asked once, at bind time.
        try:
            family, _, _, _, resolved = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)[0]
        except UnicodeError:  # a label that is empty or too long
            raise socket.gaierror from None
        host = str(resolved[0])
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, address.port))
    except BaseException:
        bound.close()
        raise
    return bound


def _remove_stale(address: Address) -> None:
    """A socket file without a listener is left from a crash; any other file is not ours to remove."""
    path = address.path
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise BindError(f"cannot listen on {address}: the file exists and is not a socket")
    except FileNotFoundError:
        return
    except OSError as error:
        raise BindError(_explain(address, error)) from None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            _remove_dead(address)
        except OSError as error:
            raise BindError(_explain(address, error)) from None
        else:
            raise BindError(f"cannot listen on {address}: another program listens there")


def _remove_dead(address: Address) -> None:
    try:
        os.unlink(address.path)  # noqa: PTH108
    except OSError as error:
        said = f"nothing listens on the socket that is there, and it cannot be removed: {error.strerror}"
        raise BindError(f"cannot listen on {address}: {said}") from None


def _holder(port: int) -> str:
    """``": nginx (process 123)"``, as far as this user may see processes."""
    import psutil  # a master has it already, commands need it here alone

    def listens(found: Any) -> bool:
        return bool(found.status == psutil.CONN_LISTEN and found.laddr[1] == port)

    try:
        pids = {sock.pid for sock in psutil.net_connections("tcp") if sock.pid is not None and listens(sock)}
        process = psutil.Process(min(pids - {os.getpid()}))
        # Of processes that share a socket, the one that has started the others.
        with suppress(psutil.AccessDenied):  # its own parent may belong to another user, as systemd does
            while (parent := process.parent()) is not None and any(map(listens, parent.net_connections("tcp"))):
                process = parent
        title = " ".join(process.cmdline()).strip()
        if title.startswith("rsp: "):
            return f": {title} (process {process.pid}); to load a changed file there: rspctl reload"
        return f": {process.name()} (process {process.pid})"
    except (psutil.Error, OSError, ValueError, AttributeError):  # AttributeError: psutil before 6.0
        return ""


def _explain(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        said = f"cannot listen on {address}: another program listens there (address already in use)"
        return said + ("" if address.is_unix or address.is_passed else _holder(address.port))
    if error.errno in (errno.EACCES, errno.EPERM) and not address.is_unix and address.port < 1024:
        return f"cannot listen on {address}: permission denied (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {address}: the host name does not resolve"
    if address.is_unix:
        return f"cannot listen on {address}: {unwritten(address.path, error)}"
    return f"cannot listen on {address}: {(error.strerror or str(error)).lower()}"
