"""Where operators find metrics and the dashboard: sockets that the master binds and keeps, and the control process
answers at.

The master binds them because it may (a low port, a directory of root's), and keeps them open, so a control process
that dies takes no connection with it: clients wait in the queue for the next one.  An upgrade passes them on like the
workers' sockets.  Between two masters only one answers, the one whose counters include the other's.
"""

import socket
from typing import Final

from rsp.config.metrics_rules import operators_addresses
from rsp.config.schema import Settings
from rsp.config.units import Listen
from rsp.supervise.upgrade import Given
from rsp.system import sockets

_MARK: Final = "operators:"  # before the address, among the sockets that a predecessor gives


class OperatorSockets:
    """``given``: a predecessor's sockets; what others do not take of it is closed by :class:`Listeners`."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._sockets: dict[str, socket.socket] = {}  # by address as configured
        self._shared: set[str] = set()  # with a predecessor, that answers there still
        self._files: set[str] = set()  # addresses of sockets whose files are ours to remove

    def add(self, settings: Settings) -> None:
        """Bind what is new in ``settings``.  Raises :class:`sockets.BindError`; then some of it may be bound, until
        :meth:`keep`."""
        for name, address in operators_addresses(settings).items():
            if address not in self._sockets:
                try:
                    self._sockets[address] = self._bound(address)
                except sockets.BindError as error:
                    raise sockets.BindError(f"{name}: {error}") from None

    def _bound(self, address: Listen) -> socket.socket:
        given = self._given.pop((0, _MARK + address), None)
        if given is not None:
            self._shared.add(address)
            return given
        bound = sockets.bind_alone(address)
        if address.is_unix:
            self._files.add(address)
        return bound

    def keep(self, settings: Settings) -> None:
        """Close what is not in ``settings``."""
        for address in self._sockets.keys() - set(operators_addresses(settings).values()):
            self._close(address)

    def of(self, settings: Settings) -> dict[str, tuple[Listen, socket.socket]]:
        """By the setting's name: where the control process has to answer."""
        return {
            name: (address, self._sockets[address])
            for name, address in operators_addresses(settings).items()
            if address in self._sockets and address not in self._shared
        }

    def all(self) -> Given:
        """For a successor."""
        return {(0, _MARK + address): sock for address, sock in self._sockets.items()}

    def open(self) -> list[socket.socket]:
        return list(self._sockets.values())

    def take_over(self) -> None:
        """The predecessor answers no more.  What it leaves that is not in the configuration is closed elsewhere."""
        self._files |= {address for address in self._shared if Listen(address).is_unix}
        self._shared.clear()
        for _, address in self._given:
            if address.startswith(_MARK + "unix:"):
                sockets.unlink(address.removeprefix(_MARK))

    def hand_over(self) -> None:
        """A successor has them; the files are its to remove."""
        self._files.clear()
        self.close()

    def close(self) -> None:
        for address in list(self._sockets):
            self._close(address)

    def _close(self, address: str) -> None:
        self._sockets.pop(address).close()
        self._shared.discard(address)
        if address in self._files:
            self._files.discard(address)
            sockets.unlink(address)
