"""Keys with versions in Consul: its check-and-set, and keys that belong to a session with a time to live.

Reads are consistent: the leader makes sure that it still is one before it answers.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final, Self
from urllib.parse import quote

import msgspec

from rsp.config.engines import Access, EngineUrl
from rsp.config.instance import Dns
from rsp.engines.consul import authorise
from rsp.engines.failures import UNREADABLE, Unreachable, plain
from rsp.engines.kv import ABSENT, KeyValue, Value
from rsp.engines.web import Web
from rsp.tls.material import Keyring

_LEAST_TTL: Final = 10  # seconds; Consul refuses less
_LOOK: Final = 1.0  # seconds until a key that is not there is looked for again
_SLACK: Final = 5.0  # Consul spreads the ends of blocking queries over a sixteenth of their time


class _Pair(msgspec.Struct, frozen=True):
    Key: str
    ModifyIndex: int
    Value: bytes | None = None  # base64, which msgspec decodes


class _Session(msgspec.Struct, frozen=True):
    ID: str


class ConsulKeys(KeyValue):
    """``prefix``: without slashes at its ends."""

    def __init__(self, access: Access, url: EngineUrl, prefix: str, dns: Dns, keyring: Keyring, largest: int) -> None:
        self._web = Web(access, url, dns, keyring)
        self._access, self._keyring = access, keyring
        self._prefix = prefix
        self._largest = 2 * largest  # base64, and names
        self._where = f"{url.scheme}://{','.join(url.hosts)}"
        self._session = ""

    async def __aenter__(self) -> Self:
        authorise(self._web, self._access, self._keyring)
        await self._web.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._web.__aexit__()

    def _target(self, key: str, query: str = "") -> str:
        return f"/v1/kv/{quote(f'{self._prefix}/{key}')}{query}"

    async def get(self, key: str) -> Value | None:
        status, answer = await self._web.ask("GET", self._target(key, "?consistent"), limit=self._largest)
        pairs = self._pairs(status, answer)
        return Value(pairs[0].Value or b"", str(pairs[0].ModifyIndex)) if pairs else None

    async def put(self, key: str, data: bytes, version: str) -> bool:
        target = self._target(key, f"?cas={version if version != ABSENT else 0}")
        status, answer = await self._web.ask("PUT", target, data, repeat=False)
        return self._said(status, answer) is True

    async def put_for(self, key: str, data: bytes, seconds: float) -> None:
        await self._keep_session(max(_LEAST_TTL, int(seconds)))
        if not await self._acquire(key, data):  # it belongs to the session of an earlier life
            await self.delete(key)
            if not await self._acquire(key, data):
                raise Unreachable(f"{self._where}: the key of this node belongs to another session")

    async def _acquire(self, key: str, data: bytes) -> bool:
        status, answer = await self._web.ask("PUT", self._target(key, f"?acquire={self._session}"), data)
        return self._said(status, answer) is True

    async def _keep_session(self, seconds: int) -> None:
        if self._session:
            status, answer = await self._web.ask("PUT", f"/v1/session/renew/{self._session}")
            if status != 404:
                self._said(status, answer)
                return
        wanted = {"TTL": f"{seconds}s", "Behavior": "delete", "LockDelay": "0s", "Name": "rsp"}
        status, answer = await self._web.ask("PUT", "/v1/session/create", msgspec.json.encode(wanted))
        self._session = quote(self._decoded(status, answer, _Session).ID, safe="")

    async def below(self, folder: str, most: int) -> dict[str, bytes]:
        target = self._target(f"{folder}/", "?recurse&consistent")
        status, answer = await self._web.ask("GET", target, limit=64 << 20)
        start = len(f"{self._prefix}/{folder}/")
        return {pair.Key[start:]: pair.Value or b"" for pair in self._pairs(status, answer)[:most]}

    async def delete(self, key: str) -> None:
        self._said(*await self._web.ask("DELETE", self._target(key)))

    async def changed(self, key: str, version: str, within: float) -> None:
        if version == ABSENT:
            await asyncio.sleep(min(_LOOK, within))
            return
        target = self._target(key, f"?consistent&index={version}&wait={max(1, int(within))}s")
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._web.ask("GET", target, limit=self._largest, timeout=within + _SLACK)

    # -- what Consul sends

    def _pairs(self, status: int, answer: bytes) -> list[_Pair]:
        return [] if status == 404 and not answer else self._decoded(status, answer, list[_Pair])

    def _said(self, status: int, answer: bytes) -> object:
        return self._decoded(status, answer, object)

    def _decoded(self, status: int, answer: bytes, kind: Any) -> Any:
        if status != 200:
            said = plain(answer.decode("utf-8", "replace").strip())
            if not said or said[0] == "<":  # a page is not Consul's
                said = f"the response has status {status}"
            raise Unreachable(f"{self._where}: {said}")
        try:
            return msgspec.json.decode(answer, type=kind)
        except UNREADABLE:
            raise Unreachable(f"{self._where}: the answer is not Consul's") from None
