"""Keys with versions in etcd: transactions that compare a revision, and one lease for the keys that vanish."""

import asyncio
from contextlib import suppress
from typing import Any, Final, Self

import msgspec

from rsp.config.engines import Access, EngineUrl
from rsp.config.instance import Dns
from rsp.engines.etcd import Compacted, Etcd, Range
from rsp.engines.failures import Unreachable
from rsp.engines.kv import ABSENT, KeyValue, Value
from rsp.tls.material import Keyring

_LEASE_LOST: Final = "requested lease not found"


class _Txn(msgspec.Struct, frozen=True):
    succeeded: bool = False


class _Lease(msgspec.Struct, frozen=True):
    ID: str = "0"


class _Renewed(msgspec.Struct, frozen=True):
    TTL: str = "0"


class _Renewal(msgspec.Struct, frozen=True):
    result: _Renewed = _Renewed()


class EtcdKeys(KeyValue):
    """``prefix``: as the URL has it, without a slash at its end."""

    def __init__(self, access: Access, url: EngineUrl, prefix: str, dns: Dns, keyring: Keyring, largest: int) -> None:
        self._etcd = Etcd(access, url, dns, keyring)
        self._prefix = prefix
        self._largest = 2 * largest  # base64
        self._lease = ""
        self._revision = 0  # of the store, when a key was read last

    async def __aenter__(self) -> Self:
        await self._etcd.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._etcd.__aexit__()

    def _key(self, key: str) -> bytes:
        return f"{self._prefix}/{key}".encode()

    async def get(self, key: str) -> Value | None:
        found = await self._etcd.call("/v3/kv/range", {"key": self._key(key)}, Range, limit=self._largest)
        self._revision = int(found.header.revision)
        return Value(found.kvs[0].value, found.kvs[0].mod_revision) if found.kvs else None

    async def put(self, key: str, data: bytes, version: str) -> bool:
        name, revision = self._key(key), version if version != ABSENT else "0"
        asked: dict[str, Any] = {
            "compare": [{"key": name, "target": "MOD", "result": "EQUAL", "mod_revision": revision}],
            "success": [{"request_put": {"key": name, "value": data}}],
        }
        return (await self._etcd.call("/v3/kv/txn", asked, _Txn, repeat=False)).succeeded

    async def put_for(self, key: str, data: bytes, seconds: float) -> None:
        await self._keep_lease(seconds)
        asked = {"key": self._key(key), "value": data, "lease": self._lease}
        try:
            await self._etcd.call("/v3/kv/put", asked, _Txn)
        except Unreachable as error:
            if _LEASE_LOST in str(error):
                self._lease = ""
            raise

    async def _keep_lease(self, seconds: float) -> None:
        """A lease that has run out is replaced: its keys are gone."""
        if self._lease:
            renewal = await self._etcd.call("/v3/lease/keepalive", {"ID": self._lease}, _Renewal)
            if renewal.result.TTL != "0":
                return
        self._lease = (await self._etcd.call("/v3/lease/grant", {"TTL": int(seconds)}, _Lease)).ID

    async def below(self, folder: str, most: int) -> dict[str, bytes]:
        start = self._key(f"{folder}/")
        found = await self._etcd.read(start, most)
        return {entry.key[len(start) :].decode("utf-8", "replace"): entry.value for entry in found.entries}

    async def delete(self, key: str) -> None:
        await self._etcd.call("/v3/kv/deleterange", {"key": self._key(key)}, _Txn)

    async def changed(self, key: str, version: str, within: float) -> None:
        # The key's own revision may have been compacted away long ago; the store's has not been since the last reading.
        since = self._revision + 1 if version != ABSENT else 0
        with suppress(TimeoutError, Compacted):
            async with asyncio.timeout(within), self._etcd.watch(self._key(key), b"", since) as changes:
                async for events in changes:
                    if events:
                        return
