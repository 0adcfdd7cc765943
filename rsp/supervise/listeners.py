"""The addresses that an instance listens on, and each slot's sockets for them: all or nothing, closed by name only."""

import os
import socket

from rsp.config.schema import Config, Listener
from rsp.supervise.child import Slot
from rsp.supervise.systemd import Passed
from rsp.supervise.upgrade import Given
from rsp.system import sockets


class Listeners:
    """``slots``: the master's own list, which grows while it runs.

    ``passed``: sockets that a service manager has bound.  ``given``: a predecessor's, by slot and address, of which
    those at the addresses ``shared`` are one for all slots.
    """

    def __init__(self, slots: list[Slot], passed: list[Passed], given: Given, shared: list[str]) -> None:
        self._slots = slots
        self._passed = passed
        self._given = given
        self._given_shared = shared
        self._listeners: dict[str, Listener] = {}  # by address as configured, with the port really bound
        self._shared: set[str] = set()  # one socket for all slots: those of the unix family, and those passed alone
        self._files: set[str] = set()  # addresses of sockets whose files are ours to remove

    @property
    def given_slots(self) -> int:
        """How many slots there have to be so that every given or passed socket has a slot."""
        passed = max((len(self._passed_for(listener)) for listener in self._listeners.values()), default=0)
        return max([passed, *(slot + 1 for slot, address in self._given if address in self._listeners)])

    def add(self, config: Config) -> list[str]:
        """Bind what is new in ``config``, for every slot; they do not listen yet.  Returns the new addresses.

        Raises :class:`sockets.BindError`; then nothing has been added.
        """
        added: list[str] = []
        try:
            for listener in config.listeners:
                if listener.address not in self._listeners:
                    added.append(listener.address)
                    self._listeners[listener.address] = self._reserve(listener)
                    for slot in self._slots:
                        slot.sockets[listener.address] = self._socket_for(slot, listener.address)
        except sockets.BindError as error:
            self.drop(added)
            place = config.places.get(f"address {added[-1]}")
            raise sockets.BindError(f"{place}: {error}" if place else str(error)) from None
        except OSError as error:
            self.drop(added)
            raise sockets.BindError(f"cannot listen on {added[-1]}: {(error.strerror or str(error)).lower()}") from None
        return added

    def count_with(self, config: Config) -> int:
        """Addresses at which there are sockets, while those of ``config`` are added to what there is."""
        given = {address for _, address in self._given}
        return len(given.union(self._listeners, (listener.address for listener in config.listeners)))

    def equip(self, slot: Slot) -> None:
        """Sockets for a new slot.  Raises :class:`sockets.BindError`."""
        for address in self._listeners:
            slot.sockets[address] = self._socket_for(slot, address)

    def drop(self, addresses: list[str]) -> None:
        for address in addresses:
            self._listeners.pop(address, None)
            for slot in self._slots:
                if address in slot.sockets:
                    slot.sockets.pop(address).close()
            self._shared.discard(address)
            if address in self._files:
                self._files.discard(address)
                sockets.unlink(address)

    def drop_all_but(self, config: Config) -> None:
        self.drop(sorted(set(self._listeners) - {listener.address for listener in config.listeners}))

    def unlink(self) -> None:
        """At the end: the files of unix sockets."""
        for address in self._files:
            sockets.unlink(address)

    @property
    def files(self) -> list[str]:
        """Addresses of sockets whose files are ours to remove."""
        return sorted(self._files)

    @property
    def shared(self) -> list[str]:
        """Addresses that have one socket for all slots."""
        return sorted(self._shared)

    def all(self) -> Given:
        """Every socket of every slot."""
        return {(slot.index, address): sock for slot in self._slots for address, sock in slot.sockets.items()}

    def inherit(self, files: list[str]) -> None:
        """The predecessor has let go: these files are ours to remove, and what has no listener any more is closed."""
        for sock in self._given.values():
            sock.close()
        self._given.clear()
        for address in files:
            if address in self._listeners:
                self._files.add(address)
            else:
                sockets.unlink(address)

    def disown_files(self) -> None:
        """Another master removes them."""
        self._files.clear()

    @staticmethod
    def sockets_for(slot: Slot, config: Config) -> dict[str, socket.socket]:
        """Those of the slot that ``config`` has: while a reload is under way, there are those of two configurations."""
        wanted = {listener.address for listener in config.listeners}
        return {address: sock for address, sock in slot.sockets.items() if address in wanted}

    def own_sockets(self, slot: Slot, config: Config) -> dict[str, socket.socket]:
        """As :meth:`sockets_for`, but those only that no other slot accepts from."""
        sockets_for = self.sockets_for(slot, config).items()
        return {address: sock for address, sock in sockets_for if address not in self._shared}

    def where(self) -> str:
        """For the log: ``port 8000, 8443, unix:/run/rsp.sock``."""
        addresses = [listener.address for listener in self._listeners.values()]
        named = [address for address in addresses if address.is_unix or address.is_passed]
        ports = dict.fromkeys(str(address.port) for address in addresses if address not in named)
        return ", ".join(([f"port {', '.join(ports)}"] if ports else []) + [str(address) for address in named])

    def raw(self) -> set[socket.socket]:
        """As we were given them, by a service manager or a predecessor: no child has a use for these.  In a child they
        would go on listening after we have closed them, where nothing accepts."""
        return {*(passed.sock for passed in self._passed), *self._given.values()}

    def unused(self) -> list[str]:
        """Passed sockets that the configuration says nothing of."""
        used = {passed.sock.fileno() for listener in self._listeners.values() for passed in self._passed_for(listener)}
        return [_described(passed) for passed in self._passed if passed.sock.fileno() not in used]

    def _passed_for(self, listener: Listener) -> list[Passed]:
        return [passed for passed in self._passed if passed.serves(listener)]

    def _reserve(self, listener: Listener) -> Listener:
        """``listener``, with the port really bound.  Raises :class:`sockets.BindError` when it cannot be had."""
        address = listener.address
        given = next((sock for (_, known), sock in self._given.items() if known == address), None)
        if given is None and not self._passed_for(listener):
            if address.is_passed:
                raise sockets.BindError(f'cannot listen on {address}: systemd passed no socket named "{address.name}"')
            return sockets.reserve(listener)
        if given is not None and not address.is_unix and not address.is_passed and address.port == 0:
            return sockets.with_port(listener, given.getsockname()[1])
        return listener

    def _socket_for(self, slot: Slot, address: str) -> socket.socket:
        """A TCP address has a socket for each slot; what the kernel gives us only once is shared by all."""
        listener = self._listeners[address]
        given = self._given.pop((slot.index, address), None)
        passed = self._passed_for(listener)
        if address in self._given_shared or listener.address.is_unix or len(passed) == 1:
            self._shared.add(address)
        if given is not None:
            return given
        if passed:
            return passed[slot.index % len(passed)].sock.dup()
        first = self._slots[0].sockets.get(address) if self._slots else None
        if address in self._shared and first is not None:
            return first.dup()
        if listener.address.is_unix:
            self._files.add(address)
        return sockets.bind(listener)


def _described(passed: Passed) -> str:
    bound = passed.sock.getsockname()
    where = f"{bound[0]}:{bound[1]}" if isinstance(bound, tuple) else os.fsdecode(bound)
    return f"{where} ({passed.name})" if passed.name else where
