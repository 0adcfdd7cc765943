"""The addresses that an instance listens on, and each slot's sockets for them: all or nothing, closed by name only."""

import socket

from rsp import sockets
from rsp.child import Slot
from rsp.config.schema import Config, Listener


class Listeners:
    """``slots``: the master's own list, which grows while it runs."""

    def __init__(self, slots: list[Slot]) -> None:
        self._slots = slots
        self._listeners: dict[str, Listener] = {}  # by address as configured, with the port really bound

    def add(self, config: Config) -> list[str]:
        """Bind what is new in ``config``, for every slot.  Returns the new addresses.

        Raises :class:`sockets.BindError`; then nothing has been added.
        """
        added: list[str] = []
        try:
            for listener in config.listeners:
                if listener.address not in self._listeners:
                    self._listeners[listener.address] = sockets.reserve(listener)
                    added.append(listener.address)
                    for slot in self._slots:
                        slot.sockets[listener.address] = self._socket_for(listener.address)
        except sockets.BindError:
            self.drop(added)
            raise
        return added

    def equip(self, slot: Slot) -> None:
        """Sockets for a new slot.  Raises :class:`sockets.BindError`."""
        for address in self._listeners:
            slot.sockets[address] = self._socket_for(address)

    def drop(self, addresses: list[str]) -> None:
        for address in addresses:
            listener = self._listeners.pop(address)
            for slot in self._slots:
                if address in slot.sockets:
                    slot.sockets.pop(address).close()
            sockets.unlink(listener)

    def drop_all_but(self, config: Config) -> None:
        self.drop(sorted(set(self._listeners) - {listener.address for listener in config.listeners}))

    def unlink(self) -> None:
        """At the end: the files of unix sockets."""
        for listener in self._listeners.values():
            sockets.unlink(listener)

    def own_sockets(self, slot: Slot) -> dict[str, socket.socket]:
        """Those that no other slot accepts from: all but unix sockets."""
        return {address: sock for address, sock in slot.sockets.items() if not self._listeners[address].address.is_unix}

    def where(self) -> str:
        """For the log: ``port 8000, 8443, unix:/run/rsp.sock``."""
        addresses = [listener.address for listener in self._listeners.values()]
        ports = dict.fromkeys(str(address.port) for address in addresses if not address.is_unix)
        places = [f"port {', '.join(ports)}"] if ports else []
        return ", ".join(places + [str(address) for address in addresses if address.is_unix])

    def _socket_for(self, address: str) -> socket.socket:
        """A unix socket is one for all slots; a TCP address has one for each."""
        listener = self._listeners[address]
        if listener.address.is_unix and self._slots and address in self._slots[0].sockets:
            return self._slots[0].sockets[address]
        return sockets.bind(listener)
