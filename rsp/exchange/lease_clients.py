"""The stores of a worker whose limits it shares with other instances: a client for each, as long as a limit uses it."""

import asyncio
from functools import partial
from hashlib import blake2b
from weakref import WeakValueDictionary

from rsp.config.engines import Store
from rsp.exchange.lease_client import LeaseClient
from rsp.net.context import WorkerContext


class LeaseClients:
    """Kept over reloads: the state of a store, and what is lent."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._clients: WeakValueDictionary[Store, LeaseClient] = WeakValueDictionary()
        self._instance = blake2b(context.secret, digest_size=8, person=b"instance").hexdigest()
        context.tickers.append(self)

    def of(self, store: Store) -> LeaseClient:
        client = self._clients.get(store)
        if client is None:
            context = self._context
            rates, loop = context.shared_usage().rates, asyncio.get_running_loop()
            redis = partial(context.stores.of, store)
            client = LeaseClient(store.name, redis, rates, self._instance, context.stats, loop)
            self._clients[store] = client
            client.tick()
        return client

    def tick(self, now: float, wall: float) -> None:
        for client in list(self._clients.values()):
            client.tick()


def lease_clients(context: WorkerContext) -> LeaseClients:
    """Those of a worker."""
    found = context.lease_clients
    if not isinstance(found, LeaseClients):
        found = context.lease_clients = LeaseClients(context)
    return found
