"""What ``shared(name, { store = ... })`` does in a worker: operations that wait for a store.

A dictionary is known by its *target*: the store as the file names it, NUL, and what its keys begin with.  A store that
is gone is no error of the hook: it gets nil and a reason.
"""

from collections.abc import Callable
from typing import Any, Final

from rsp.config.engines import Store
from rsp.config.schema import Config
from rsp.config.store_rules import store_of
from rsp.engines.failures import Unreachable
from rsp.engines.shared_values import decimal, pack, unpack
from rsp.exchange.hooks.operations import in_background
from rsp.exchange.hooks.tasks import Answer, Done, Operation, Task
from rsp.ipc.worker_cells import STORE_CALLS, STORE_FAILURES
from rsp.net.context import WorkerContext

_MOST_STORES: Final = 16  # by URL, for one configuration: URLs may be made in hooks
_MOST_VALUE: Final = 1_000_000
_MOST_KEYS: Final = 10_000
_SCANNED: Final = 500  # keys that the server looks at in one step
_SPECIAL: Final = b"*?[]\\"
_NONSENSE: Final = "its reply is not as expected"
_NO_NUMBER: Final = "not a valid float"

# A new key, with a beginning or an end; INCRBYFLOAT keeps the time of a key that is there.
_INCREASE: Final = """
if ARGV[2] ~= "" and redis.call("EXISTS", KEYS[1]) == 0 then
  if ARGV[3] == "0" then
    redis.call("SET", KEYS[1], ARGV[2])
  else
    redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
  end
end
return redis.call("INCRBYFLOAT", KEYS[1], ARGV[1])
"""


class Stored:
    """The stores of one configuration, as its hooks name them."""

    def __init__(self, config: Config, context: WorkerContext) -> None:
        self._config = config
        self._context = context
        self._known: dict[bytes, Store] = {}
        self._script: Any = None

    def operations(self) -> dict[bytes, Operation]:
        return {
            b"shared_get": self._get, b"shared_set": self._set, b"shared_add": self._add,
            b"shared_incr": self._incr, b"shared_delete": self._delete, b"shared_keys": self._keys,
        }  # fmt: skip

    def wrong(self, said: bytes, *_place: Any) -> Any:
        """nil and a message, if a hook cannot have this store; else it begins to connect."""
        try:
            store = self._store(said)
        except ValueError as error:
            return None, f"shared: store: {error}".encode()
        if self._context.stores is not None:
            self._context.stores.of(store)
        return True

    def _store(self, said: bytes) -> Store:
        """Raises :class:`ValueError`."""
        store = self._known.get(said)
        if store is None:
            if len(self._known) >= _MOST_STORES + len(self._config.stores):
                raise ValueError(f"more than {_MOST_STORES} URLs: declare the stores in the file")
            store = self._known[said] = store_of(self._config, said.decode("utf-8", "replace") or True)
        return store

    def _find(self, target: bytes) -> tuple[Any, str, bytes]:
        """The client, how messages call the store, and the key."""
        said, _, key = target.partition(b"\0")
        store = self._store(said)
        self._context.stats.add(STORE_CALLS, 1)
        return self._context.stores.of(store), f'store "{store.name}"', key

    def _ask(self, target: bytes, done: Done, convert: Callable[[Any], Any], *command: Any) -> Any:
        """``command``: its name, and what comes behind the key."""
        client, label, key = self._find(target)
        return self._wait(lambda to: client.send(to, command[0], key, *command[1:]), done, label, convert)

    def _get(self, _task: Task, given: tuple[Any, ...], done: Done) -> Any:
        return self._ask(given[0], done, lambda reply: None if reply is None else unpack(_text(reply)), "GET")

    def _set(self, _task: Task, given: tuple[Any, ...], done: Done) -> Any:
        return self._put(given, done)

    def _add(self, _task: Task, given: tuple[Any, ...], done: Done) -> Any:
        return self._put(given, done, "NX")

    def _put(self, given: tuple[Any, ...], done: Done, *how: str) -> Any:
        target, value, ttl, *_ = given
        data = pack(value)
        if len(data) > _MOST_VALUE:
            return True, None, b"the value has %d bytes, and a store takes up to %d" % (len(data), _MOST_VALUE)
        lasting = ("PX", _milliseconds(ttl)) if ttl else ()
        return self._ask(target, done, lambda reply: reply == b"OK", "SET", data, *lasting, *how)

    def _delete(self, _task: Task, given: tuple[Any, ...], done: Done) -> Any:
        return self._ask(given[0], done, lambda reply: reply == 1, "DEL")

    def _incr(self, _task: Task, given: tuple[Any, ...], done: Done) -> Any:
        target, by, first, ttl, *_ = given
        if not first and not ttl:
            return self._ask(target, done, lambda reply: float(_text(reply)), "INCRBYFLOAT", decimal(by))
        client, label, key = self._find(target)
        values = (decimal(by), decimal(first), _milliseconds(ttl) if ttl else 0)
        script = self._increase()
        return self._wait(
            lambda to: client.run(script, (key,), values, to), done, label, lambda reply: float(_text(reply))
        )

    def _increase(self) -> Any:
        if self._script is None:
            from rsp.engines.redis import Script

            self._script = Script(_INCREASE)
        return self._script

    def _keys(self, task: Task, given: tuple[Any, ...], done: Done) -> Any:
        target, limit, *_ = given
        client, label, prefix = self._find(target)
        most = min(int(limit) or _MOST_KEYS, _MOST_KEYS)

        async def scan() -> Answer:
            try:
                found = await _scan(client, prefix, most)
            except Exception as error:
                return self._failed(label, error)
            return True, task.runner.table(sorted(found)[:most])

        return in_background(scan(), done)

    def _wait(self, begin: Callable[[Done], object], done: Done, label: str, convert: Callable[[Any], Any]) -> Any:
        """The answer, if it is there at once, or what calls the operation off."""
        answers: list[Answer] = []
        tell: Done = answers.append

        def answered(reply: Any) -> None:
            tell(self._answer(label, reply, convert))

        def forget() -> None:
            nonlocal tell
            tell = _nothing

        begin(answered)
        if answers:
            return answers.pop()
        tell = done
        return forget

    def _answer(self, label: str, reply: Any, convert: Callable[[Any], Any]) -> Answer:
        if isinstance(reply, Exception):
            return self._failed(label, reply)
        try:
            return True, convert(reply)
        except (TypeError, ValueError) as error:
            return self._failed(label, error)

    def _failed(self, label: str, error: Exception) -> Answer:
        if isinstance(error, Unreachable):
            self._context.stats.add(STORE_FAILURES, 1)
        return _problem(label, error)


async def _scan(client: Any, prefix: bytes, most: int) -> set[bytes]:
    """SCAN may name a key twice."""
    pattern = b"".join(b"\\%c" % byte if byte in _SPECIAL else b"%c" % byte for byte in prefix) + b"*"
    found: set[bytes] = set()
    cursor = b"0"
    while len(found) < most:
        cursor, keys = await client.call("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED)
        found.update(key[len(prefix) :] for key in keys if key.startswith(prefix))
        if cursor == b"0":
            break
    return found


def _nothing(_answer: Answer) -> None:
    pass


def _problem(label: str, error: Exception) -> Answer:
    if isinstance(error, Unreachable):
        return True, None, f"{label} is not available: {error}".encode()
    if _NO_NUMBER in str(error):
        return False, b"shared: incr: the value of this key is not a number"
    why = _NONSENSE if isinstance(error, (TypeError, ValueError, AttributeError)) else error
    return True, None, f"{label}: {why}".encode()


def _text(reply: Any) -> bytes:
    if not isinstance(reply, bytes):
        raise TypeError
    return reply


def _milliseconds(ttl: float) -> int:
    return max(round(ttl * 1000), 1)
