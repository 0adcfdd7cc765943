"""etcd 3.4 or later, by the JSON gateway that each of its members has (``/v3/``); keys and values are bytes.

Reads are linearizable: a member that is cut off from the others does not answer them, and the next endpoint is asked.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, NamedTuple, Self, TypeVar

import msgspec

from rsp.config.engines import Access, EngineUrl
from rsp.config.instance import Dns
from rsp.engines.credentials import password_of
from rsp.engines.failures import UNREADABLE, Oversized, Unreachable
from rsp.engines.web import Web
from rsp.tls.material import Keyring

_PAGE: Final = 1000  # keys in one answer
_LARGEST: Final = 8 << 20  # bytes of one answer, in which keys and values are as base64
_LARGEST_SUM: Final = 64 << 20  # bytes of keys and values of one reading
# A watch ends when its member has lost the others (clientv3.WithRequireLeader); elsewhere it would be silent.
_WATCHING: Final = {"Grpc-Metadata-hasleader": "true"}
_NO_USER: Final = "user name is empty"
_EXPIRED: Final = ("invalid auth token", "revision of auth store is old")  # of etcd's rpctypes

Kind = TypeVar("Kind")


class Compacted(Exception):
    """etcd has forgotten the changes since this revision: read anew."""


class Entry(NamedTuple):
    """What stands in etcd."""

    key: bytes
    value: bytes


class Found(NamedTuple):
    """``revision``: the store's, when it was read."""

    entries: list[Entry]
    revision: int


class Change(NamedTuple):
    """``value``: ``None`` for a key that is gone."""

    key: bytes
    value: bytes | None


# -- what the gateway sends: int64 is a text, and what is zero or empty is left out


class _Header(msgspec.Struct, frozen=True):
    revision: str = "0"


class _Pair(msgspec.Struct, frozen=True):
    key: bytes = b""
    value: bytes = b""
    mod_revision: str = "0"


class Range(msgspec.Struct, frozen=True):
    header: _Header = _Header()
    kvs: list[_Pair] = []
    more: bool = False


class _Token(msgspec.Struct, frozen=True):
    token: str


class _Problem(msgspec.Struct, frozen=True):
    message: str = ""
    error: str = ""


class _Event(msgspec.Struct, frozen=True):
    kv: _Pair = _Pair()
    type: str = "PUT"


class _Watched(msgspec.Struct, frozen=True):
    canceled: bool = False
    compact_revision: str = "0"
    cancel_reason: str = ""
    events: list[_Event] = []


class _Line(msgspec.Struct, frozen=True):
    result: _Watched | None = None
    error: _Problem | None = None


_line: Final = msgspec.json.Decoder(_Line).decode


class Etcd:
    """A session with a cluster.  Whatever fails raises :class:`Unreachable`.

    ``ca`` and others in ``access.tls`` are for its TLS; with ``access.username`` it authenticates itself, and again
    when a token has expired or a member has forgotten it.
    """

    def __init__(self, access: Access, url: EngineUrl, dns: Dns, keyring: Keyring) -> None:
        self._web = Web(access, url, dns, keyring)
        self._access = access
        self._keyring = keyring

    async def __aenter__(self) -> Self:
        await self._web.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._web.__aexit__()

    @property
    def endpoint(self) -> str:
        """The one that answered last."""
        return self._web.endpoint

    async def call(
        self,
        target: str,
        body: dict[str, Any],
        kind: type[Kind],
        *,
        limit: int = _LARGEST,
        timeout: float | None = None,
        repeat: bool = True,
    ) -> Kind:
        """``target``: of the gateway, such as ``/v3/kv/txn``; keys and values in ``body`` are bytes.

        Without ``repeat`` it is not sent again where it may have been received.
        """
        await self._authenticate()
        said = msgspec.json.encode(body)
        status, answer = await self._web.ask("POST", target, said, limit, timeout=timeout, repeat=repeat)
        if status != 200 and self._is_expired(status, answer):
            self._web.fields.clear()
            await self._authenticate()
            status, answer = await self._web.ask("POST", target, said, limit, timeout=timeout, repeat=repeat)
        return self._decoded(status, answer, kind)

    # -- authentication

    async def _authenticate(self) -> None:
        if self._access.username is None or self._web.fields:
            return
        name = {"name": self._access.username, "password": password_of(self._access, self._keyring) or ""}
        status, answer = await self._web.ask("POST", "/v3/auth/authenticate", msgspec.json.encode(name))
        self._web.fields["Authorization"] = self._decoded(status, answer, _Token).token

    def _is_expired(self, status: int, answer: bytes) -> bool:
        return bool(self._web.fields) and (status == 401 or any(text in _problem(answer) for text in _EXPIRED))

    def _decoded(self, status: int, answer: bytes, kind: type[Kind]) -> Kind:
        if status != 200:
            raise Unreachable(f"{self.endpoint}: {_problem(answer) or f'the response has status {status}'}")
        try:
            return msgspec.json.decode(answer, type=kind)
        except UNREADABLE:
            raise Unreachable(f"{self.endpoint}: the response is not in etcd's format") from None

    # -- reading

    async def read(self, prefix: bytes, most: int) -> Found:
        """All keys that begin with ``prefix``, as they are at one revision, in their order.

        More than ``most`` of them, or more than 64 MB: :class:`Oversized`.
        """
        entries: list[Entry] = []
        key, end, revision, size, page = prefix, after(prefix), 0, 0, _PAGE
        while True:
            asked = {"key": key, "range_end": end, "limit": page, "revision": revision}
            try:
                found = await self.call("/v3/kv/range", asked, Range, limit=_LARGEST)
            except Oversized:
                if page == 1:
                    raise
                page = max(1, page // 8)  # values are large
                continue
            revision = revision or int(found.header.revision)
            entries += [Entry(pair.key, pair.value) for pair in found.kvs]
            size += sum(len(pair.key) + len(pair.value) for pair in found.kvs)
            if len(entries) > most or size > _LARGEST_SUM:
                raise Oversized(f"there are more than {most} keys, or more than {_LARGEST_SUM >> 20} MB")
            if not found.more or not found.kvs:
                return Found(entries, revision)
            key = found.kvs[-1].key + b"\0"

    async def prove(self, key: bytes, timeout: float) -> None:
        """Have the cluster agree on a reading of ``key``, which need not exist."""
        await self.call("/v3/kv/range", {"key": key, "keys_only": True}, Range, timeout=timeout)

    # -- changes

    @asynccontextmanager
    async def watch(self, key: bytes, end: bytes, revision: int) -> AsyncIterator[AsyncIterator[list[Change]]]:
        """Changes from ``revision`` on, of the keys from ``key`` to below ``end``; empty: of this one key.

        Once it is established there is an empty list.  Raises :class:`Compacted` as well.
        """
        asked = {"create_request": {"key": key, "range_end": end, "start_revision": revision}}
        await self._authenticate()
        async with self._web.stream("POST", "/v3/watch", msgspec.json.encode(asked), fields=_WATCHING) as stream:
            if stream.status != 200:
                answer = await stream.read()
                if self._is_expired(stream.status, answer):
                    self._web.fields.clear()
                self._decoded(stream.status, answer, _Line)
            async with aclosing(self._changes(stream.lines(_LARGEST))) as changes:
                yield changes

    async def _changes(self, lines: AsyncIterator[bytes]) -> AsyncGenerator[list[Change], None]:
        async for line in lines:
            said = self._decoded(200, line, _Line)
            if said.error is not None:
                text = said.error.message or said.error.error
                if any(expired in text for expired in _EXPIRED):
                    self._web.fields.clear()
                self._web.turn()
                raise Unreachable(f"{self.endpoint}: {text}")
            watched = said.result or _Watched()
            if watched.compact_revision != "0":
                raise Compacted
            if watched.canceled:
                raise Unreachable(f"{self.endpoint}: {watched.cancel_reason or 'it has cancelled the watch'}")
            yield [_change(event) for event in watched.events]
        raise Unreachable(f"{self.endpoint}: it has ended the watch")


def after(prefix: bytes) -> bytes:
    """The end of the range of all keys that begin with ``prefix``; a zero byte: there is no end."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,)) if kept else b"\0"


def _change(event: _Event) -> Change:
    pair = event.kv
    return Change(pair.key, None if event.type == "DELETE" else pair.value)


def _problem(answer: bytes) -> str:
    """What etcd says is wrong; empty: it does not say it as etcd would."""
    try:
        said = msgspec.json.decode(answer, type=_Problem)
    except UNREADABLE:
        return ""
    text = said.message or said.error
    return f"it requires a user name and a password ({text})" if text.endswith(_NO_USER) else text
