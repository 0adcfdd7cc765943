"""In a rehearsal: dictionaries of stores, kept in this process.  What a store itself says is `simulate{ store = ... }`.

``gone``: no store is available.
"""

from typing import Any

from rsp.config.schema import Config
from rsp.config.store_rules import store_of
from rsp.exchange.hooks.tasks import Answer, Done, Operation, Task
from rsp.ipc.shared_memory import Full, Shared

_OURS = b"\5"  # keys of the instance's own dictionaries do not begin so
_ALL = 10_000


class PlayedStores:
    def __init__(self, config: Config, shared: Shared) -> None:
        self._config = config
        self._shared = shared
        self.gone = False

    def operations(self) -> dict[bytes, Operation]:
        names = ("get", "set", "add", "incr", "delete", "keys")
        return {b"shared_" + name.encode(): self._operation(name) for name in names}

    def _operation(self, name: str) -> Operation:
        work = getattr(self, f"_{name}")

        def operate(task: Task, given: tuple[Any, ...], _done: Done) -> Answer:
            said, _, key = given[0].partition(b"\0")
            store = store_of(self._config, said.decode("utf-8", "replace") or True)
            if self.gone:
                return True, None, f'store "{store.name}" is not available: set by the simulation'.encode()
            try:
                answer: Answer = work(task, b"%b%b\0%b" % (_OURS, store.name.encode(), key), *given[1:])
            except Full as error:
                return True, None, str(error).encode()
            return answer

        return operate

    def _get(self, _task: Task, key: bytes, *_: Any) -> Answer:
        return True, self._shared.get(key)

    def _set(self, _task: Task, key: bytes, value: Any, ttl: float, *_: Any) -> Answer:
        return True, self._shared.put(key, _plain(value), ttl, False)

    def _add(self, _task: Task, key: bytes, value: Any, ttl: float, *_: Any) -> Answer:
        return True, self._shared.put(key, _plain(value), ttl, True)

    def _incr(self, _task: Task, key: bytes, by: float, first: float, ttl: float, *_: Any) -> Answer:
        total = self._shared.incr(key, by, first, ttl)
        return (True, total) if total is not None else (False, b"shared: incr: the value of this key is not a number")

    def _delete(self, _task: Task, key: bytes, *_: Any) -> Answer:
        return True, self._shared.delete(key)

    def _keys(self, task: Task, prefix: bytes, limit: float, *_: Any) -> Answer:
        keys = self._shared.keys(prefix, int(limit) or _ALL)
        return True, task.runner.table([key[len(prefix) :] for key in sorted(keys)])


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
