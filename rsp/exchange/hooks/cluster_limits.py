"""``limit.rate{ ..., cluster = ... }`` in a worker: what a lease decides at once, and what waits for the store.

A bucket is known by its *target*: the store as the hook names it, NUL, and the key.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rsp.config.cluster_limits import least_burst
from rsp.config.schema import Config
from rsp.config.store_rules import store_of
from rsp.exchange.hooks.tasks import Answer, Done, Operation, Task
from rsp.ipc.lease_terms import ASK, PASS_AND_ASK, REFUSE_AND_ASK
from rsp.net.context import WorkerContext

if TYPE_CHECKING:
    from rsp.exchange.lease_client import LeaseClient

_MOST_STORES: Final = 16  # by URL, for one configuration: URLs may be made in hooks


class ClusterLimits:
    """Of one configuration."""

    def __init__(self, config: Config, context: WorkerContext) -> None:
        self._config = config
        self._context = context
        self._known: dict[bytes, LeaseClient] = {}

    def operations(self) -> dict[bytes, Operation]:
        return {b"cluster_rate": self._wait}

    def draw(self, target: bytes, interval: float, burst: float, cost: float) -> Any:
        """Seconds until the request would pass, 0: it does; false: the store decides, so the hook has to wait."""
        said, _, key = target.partition(b"\0")
        depth = interval * least_burst(interval, burst)
        if self._context.stores is None:  # in a rehearsal
            return _until(self._context.shared_usage().rates.draw(key, interval, depth, cost))
        try:
            client = self._client(said)
        except (ValueError, ImportError) as error:
            return None, f"limit.rate: cluster: {error}".encode()
        code = client.leases.draw(key, interval, cost)
        if code == ASK:
            return False
        if code in (PASS_AND_ASK, REFUSE_AND_ASK):
            client.ask_ahead(key, _terms(interval, depth))
        return _until(client.leases.seconds)

    def _wait(self, _task: Task, given: tuple[Any, ...], done: Done) -> Answer | Callable[[], None]:
        target, interval, burst, cost, *_ = given
        said, _, key = target.partition(b"\0")
        terms = _terms(interval, interval * least_burst(interval, burst))
        waiting = _Waiting(done)
        seconds = self._client(said).wait(key, terms, cost, waiting.decided)
        return waiting.call_off if seconds is None else (True, _until(seconds))

    def _client(self, said: bytes) -> "LeaseClient":
        """Raises :class:`ValueError`."""
        client = self._known.get(said)
        if client is None:
            from rsp.exchange.lease_clients import lease_clients

            if len(self._known) >= _MOST_STORES + len(self._config.stores):
                raise ValueError(f"more than {_MOST_STORES} URLs: declare the stores in the file")
            store = store_of(self._config, said.decode("utf-8", "replace") or True)
            client = self._known[said] = lease_clients(self._context).of(store)
        return client


class _Waiting:
    """A hook, unless it has ended."""

    def __init__(self, done: Done) -> None:
        self._done: Done | None = done

    def decided(self, seconds: float) -> None:
        if self._done is not None:
            self._done((True, _until(seconds)))

    def call_off(self) -> None:
        self._done = None


def _until(seconds: float) -> float:
    """Of what is less than 0 when the request has to wait."""
    return -seconds if seconds < 0 else 0.0


def _terms(interval: float, depth: float) -> Any:
    from rsp.exchange.lending import Terms

    return Terms(interval, depth, 0.0)
