"""The stores of one process: a client for each, kept over reloads.

Rules of this room: nothing is imported and nothing connects before a store is asked for.
"""

import time
from typing import TYPE_CHECKING, Final

from rsp.config.engines import Store
from rsp.config.instance import Dns
from rsp.config.schema import Config
from rsp.ipc.shared_memory import Shared
from rsp.ipc.worker_cells import STORES_MISSED
from rsp.ipc.worker_stats import WorkerStats
from rsp.logs import log
from rsp.tls.material import Keyring

if TYPE_CHECKING:
    from rsp.engines.redis import Redis

_UNUSED: Final = 300.0  # seconds after which one that is not asked any more is closed
_MOST: Final = 64
_OUTAGE: Final = 86400.0  # seconds for which processes remember that one of them has told of an outage


class Stores:
    """``shared``: the memory of the instance, by which its processes tell of an outage once."""

    def __init__(self, shared: Shared, stats: WorkerStats) -> None:
        self._shared = shared
        self._stats = stats
        self._dns = Dns()
        self._keyring = Keyring()
        self._kept: frozenset[Store] = frozenset()
        self._clients: dict[Store, Redis] = {}
        self._asked: dict[Store, float] = {}

    def use(self, config: Config, keyring: Keyring) -> None:
        """It comes into force, or what its files hold has changed."""
        self._dns, self._keyring = config.settings.dns, keyring
        self._kept = frozenset(config.stores)
        for client in self._clients.values():
            client.use(self._dns, keyring)

    def of(self, store: Store) -> "Redis":
        """Its client, which begins to connect.  To be asked for each time: clients that are not are closed."""
        self._asked[store] = time.monotonic()
        client = self._clients.get(store)
        if client is None:
            client = self._clients[store] = self._made(store)
        return client

    def _made(self, store: Store) -> "Redis":
        from rsp.engines.redis import Redis

        if len(self._clients) >= _MOST:
            self._close(min(self._clients, key=lambda each: self._asked[each]))
        client = Redis(store, self._dns, self._keyring, tell=self._tell)
        client.open()
        return client

    def _tell(self, text: str, level: int) -> None:
        """An outage, or its end: the first process to notice says so."""
        label, is_end, _ = text.partition(": available again")
        key = _key(label.partition(": not available")[0])
        if self._shared.delete(key) if is_end else self._shared.put(key, True, _OUTAGE, True):
            log.line(text, level)

    def tick(self, now: float, wall: float) -> None:
        """Once a second."""
        self._stats.put(STORES_MISSED, sum(not client.up for client in self._clients.values()))
        for store, asked in list(self._asked.items()):
            if now - asked > _UNUSED and store not in self._kept:
                self._close(store)

    def _close(self, store: Store) -> None:
        del self._asked[store]
        client = self._clients.pop(store)
        if not client.up:
            self._shared.delete(_key(client.label))
        client.close()

    def close(self) -> None:
        for store in list(self._clients):
            self._close(store)


def _key(label: str) -> bytes:
    """Under which an outage is remembered; dictionaries of hooks do not begin so."""
    return b"\4store\0" + label.encode()
