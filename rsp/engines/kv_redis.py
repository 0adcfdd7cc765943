"""Keys with versions in Redis or Valkey.

A key is a hash of its data and its version, which scripts compare.  Keys that vanish are fields of one hash for each
folder, with the time until which they hold, by the server's clock; which are over is decided when they are listed.
"""

import asyncio
import os
from typing import Any, Final, Self

from rsp.config.engines import Store
from rsp.config.instance import Dns
from rsp.config.store_rules import StoreUrl
from rsp.engines.failures import Unreachable
from rsp.engines.kv import KeyValue, Value
from rsp.engines.redis import ErrorReply, Redis, Script, Unavailable
from rsp.engines.resp import Given
from rsp.tls.material import Keyring

_LOOK: Final = 0.5  # seconds between two looks at a version: Redis tells of changes only where it is set up to
_PUT: Final = Script("""\
local version = redis.call('HGET', KEYS[1], 'version') or ''
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'data', ARGV[3])
return 1""")
_PUT_FOR: Final = Script("""\
local now = redis.call('TIME')
local over = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2]
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', over) .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), ARGV[2] + 0))""")
_LIST: Final = Script("""\
local now, found = redis.call('TIME'), {}
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for index = 1, #all, 2 do
  local over, data = string.match(all[index + 1], '^(%d+) (.*)$')
  if not over or tonumber(over) < at then
    redis.call('HDEL', KEYS[1], all[index])
  elseif #found < 2 * ARGV[1] then
    found[#found + 1] = all[index]
    found[#found + 1] = data
  end
end
return found""")


class RedisKeys(KeyValue):
    """``prefix``: ends without a slash."""

    def __init__(self, store: Store, prefix: str, dns: Dns, keyring: Keyring, largest: int) -> None:
        self._redis = Redis(store, dns, keyring, largest=largest, tell=lambda _text, _level: None)
        self._prefix = prefix
        self._where = str(StoreUrl.parse(store.url))

    async def __aenter__(self) -> Self:
        self._redis.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._redis.close()

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    async def get(self, key: str) -> Value | None:
        match await self._call("HMGET", self._key(key), "version", "data"):
            case [bytes(version), bytes(data)]:
                return Value(data, version.decode("latin-1"))
        return None

    async def put(self, key: str, data: bytes, version: str) -> bool:
        values = (version.encode("latin-1"), os.urandom(12).hex(), data)
        return bool(await self._run(_PUT, key, *values))

    async def put_for(self, key: str, data: bytes, seconds: float) -> None:
        folder, _, name = key.rpartition("/")
        await self._run(_PUT_FOR, folder, name, int(seconds * 1000), data)

    async def below(self, folder: str, most: int) -> dict[str, bytes]:
        match await self._run(_LIST, folder, most):
            case [*found] if all(isinstance(each, bytes) for each in found):
                names = [name.decode("utf-8", "replace") for name in found[::2]]
                return dict(zip(names, found[1::2], strict=False))
        raise Unreachable(f"{self._where}: the answer is not what it has to be")

    async def delete(self, key: str) -> None:
        await self._call("DEL", self._key(key))

    async def leave(self, key: str) -> None:
        folder, _, name = key.rpartition("/")
        await self._call("HDEL", self._key(folder), name)

    async def changed(self, key: str, version: str, within: float) -> None:
        loop = asyncio.get_running_loop()
        over = loop.time() + within
        while loop.time() < over:
            await asyncio.sleep(min(_LOOK, max(0.0, over - loop.time())))
            now = await self._call("HGET", self._key(key), "version")
            if (now.decode("latin-1") if isinstance(now, bytes) else "") != version:
                return

    async def _call(self, *given: Given) -> Any:
        try:
            return await self._redis.call(*given)
        except (ErrorReply, Unavailable) as error:
            raise Unreachable(f"{self._where}: {error}") from None

    async def _run(self, script: Script, key: str, *values: Given) -> Any:
        try:
            return await self._redis.eval(script, (self._key(key),), values)
        except (ErrorReply, Unavailable) as error:
            raise Unreachable(f"{self._where}: {error}") from None
