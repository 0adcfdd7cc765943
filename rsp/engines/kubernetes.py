"""The API of Kubernetes: a collection of objects as it is now, and as it changes.

List, then watch from the list's version; a watch that ends is taken up at the last version that was seen, which
bookmarks keep recent; where the server has forgotten that version (410) the collection is listed again
(kubernetes.io/docs/reference/using-api/api-concepts).
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from rsp.config.engines import Access, EngineUrl
from rsp.config.units import Address
from rsp.engines.credentials import token_of
from rsp.engines.failures import UNREADABLE, Unreachable, plain
from rsp.engines.web import Stream, Web
from rsp.tls.material import Keyring

_GAP: Final = 0.2  # seconds between two answers, however much changes
_RELIST: Final = 1.0  # seconds between two lists of a collection
_PAGE: Final = 500  # objects
_MOST_PAGES: Final = 1000  # of a collection
_PAGES: Final = 32 << 20  # bytes of a page; a server that has all in memory ignores the limit in objects
_OBJECT: Final = 2 << 20  # bytes; etcd takes 1.5 MB
_MOST_OBJECTS: Final = 20_000
_MOST_BYTES: Final = 64 << 20  # of all objects, as they come
_REASONS: Final = 16 << 10
# Seconds of a watch, at random: else all instances would begin anew at once.  So much later it is noticed that a server
# has stopped without a word.
_WATCH: Final = (120, 240)
_LATE: Final = 10.0  # seconds that a server may take longer than it was told to
_EXPIRED: Final = 410

Kind = TypeVar("Kind")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]


class _ObjectMeta(msgspec.Struct, frozen=True, rename="camel"):
    name: Name
    namespace: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct, frozen=True):
    metadata: _ObjectMeta


class _Bookmarked(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: _Bookmarked


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    next: str | None = msgspec.field(name="continue", default=None)


class _List(msgspec.Struct, frozen=True):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


_META: Final = msgspec.json.Decoder(_Object)
_LISTS: Final = msgspec.json.Decoder(_List)
_EVENTS: Final = msgspec.json.Decoder(_Event)
_BOOKMARKS: Final = msgspec.json.Decoder(_Bookmark)
_STATUSES: Final = msgspec.json.Decoder(_Status)


class _Expired(Exception):
    """The server has forgotten a version, or never had it."""


class Collection(Generic[Kind]):
    """``path``: ``/api/v1/namespaces/default/services``; ``selector``: of labels, ``app=web,tier=front``.

    ``complain`` takes a clause on an object that cannot be understood.
    """

    def __init__(self, path: str, kind: type[Kind], selector: str = "") -> None:
        self._path = path
        self._selector = selector
        self._decode = msgspec.json.Decoder(kind).decode
        self._version = "0"  # any that the server has in memory, which is the cheapest list; never older ones later
        self._changed = asyncio.Event()
        self._objects: dict[str, Kind] = {}
        self._sizes: dict[str, int] = {}  # bytes of each, as it came
        self._bytes = 0
        self._web: Web
        self.complain: Callable[[str], None] = _silent

    async def follow(self, web: Web) -> AsyncIterator[dict[str, Kind]]:
        """All objects by ``namespace/name``, now, and again when some have changed.  Raises :class:`Unreachable`."""
        self._web = web
        while True:
            await self._list()
            yield self._objects
            try:
                async for _ in self._watch():
                    yield self._objects
            except _Expired:
                self._version = ""  # the newest there is
            await asyncio.sleep(_RELIST)

    # -- lists

    async def _list(self) -> None:
        """Raises :class:`Unreachable`."""
        found: dict[str, Kind] = {}
        sizes: dict[str, int] = {}
        version, following = self._version, ""
        for _ in range(_MOST_PAGES):
            page = await self._page(version, following)
            self._take_items(page.items or [], found, sizes)
            following = page.metadata.next or ""
            if not following:
                break
            version = ""  # which `continue` knows
        else:
            raise Unreachable(f"the list at {self._path} does not end")
        self._objects, self._version = found, page.metadata.resource_version
        self._sizes, self._bytes = sizes, sum(sizes.values())

    async def _page(self, version: str, following: str) -> _List:
        query = {"limit": str(_PAGE), "resourceVersion": version, "continue": following}
        status, body = await self._web.ask("GET", self._target(query), limit=_PAGES)
        if status != 200:
            self._version = ""  # it may be what is wrong
            raise Unreachable(_refusal(status, body))
        try:
            return _LISTS.decode(body)
        except UNREADABLE:
            raise Unreachable("the response is not a list in Kubernetes' format") from None

    def _take_items(self, items: list[msgspec.Raw], found: dict[str, Kind], sizes: dict[str, int]) -> None:
        if len(found) + len(items) > _MOST_OBJECTS:
            raise Unreachable(f"there are more than {_MOST_OBJECTS} objects at {self._path}")
        for item in items:
            name, value, _ = self._understood(item)
            if value is not None:
                found[name], sizes[name] = value, _size(item)
        if sum(sizes.values()) > _MOST_BYTES:
            raise Unreachable(f"the objects at {self._path} have more than {_MOST_BYTES >> 20} MB")

    def _understood(self, item: msgspec.Raw) -> tuple[str, Kind | None, str]:
        """Its name, itself, its version; no name and nothing where it cannot be understood."""
        name, version = "", ""
        try:
            meta = _META.decode(item).metadata
            name, version = f"{meta.namespace}/{meta.name}", meta.resource_version
            return name, self._decode(item), version
        except UNREADABLE as error:
            self.complain(f"{plain(name, 200) or 'an object'} cannot be understood: {plain(str(error), 200)}")
            return name, None, version

    # -- watches

    async def _watch(self) -> AsyncIterator[None]:
        """After each change.  Raises :class:`_Expired`, :class:`Unreachable`."""
        while True:
            seconds = random.randint(*_WATCH)  # noqa: S311
            query = {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": self._version,
                "timeoutSeconds": str(seconds),
            }
            async with self._web.stream("GET", self._target(query), silence=seconds + _LATE) as stream:
                if stream.status != 200:
                    raise _failure(stream.status, await stream.read(_REASONS))
                async for _ in self._changes(stream):
                    yield
            await asyncio.sleep(_GAP)  # a server that ends each watch at once is not asked without pause

    async def _changes(self, stream: Stream) -> AsyncIterator[None]:
        """After each change, many together where there are many, until the server ends the watch."""
        reader = asyncio.ensure_future(self._note(stream))
        reader.add_done_callback(lambda _: self._changed.set())
        try:
            while not reader.done() or self._changed.is_set():
                await self._changed.wait()
                self._changed.clear()
                if reader.done():
                    await reader
                yield
                await asyncio.sleep(_GAP)
        finally:
            reader.cancel()

    async def _note(self, stream: Stream) -> None:
        async for line in stream.lines(_OBJECT):
            try:
                event = _EVENTS.decode(line)
                self._take(event)
            except UNREADABLE:
                raise Unreachable("an event of the watch is not in Kubernetes' format") from None

    def _take(self, event: _Event) -> None:
        if event.type == "BOOKMARK":
            self._version = _BOOKMARKS.decode(event.object).metadata.resource_version or self._version
        elif event.type == "ERROR":
            raise _failure(_STATUSES.decode(event.object).code, bytes(event.object))
        elif event.type in ("ADDED", "MODIFIED", "DELETED"):
            self._take_object(event)

    def _take_object(self, event: _Event) -> None:
        name, value, version = self._understood(event.object)
        self._objects.pop(name, None)
        self._bytes -= self._sizes.pop(name, 0)
        if value is not None and event.type != "DELETED" and self._has_room(_size(event.object)):
            self._objects[name], self._sizes[name] = value, _size(event.object)
            self._bytes += self._sizes[name]
        self._version = version or self._version
        self._changed.set()

    def _has_room(self, size: int) -> bool:
        if len(self._objects) < _MOST_OBJECTS and self._bytes + size <= _MOST_BYTES:
            return True
        self.complain(f"there are more than {_MOST_OBJECTS} objects, or {_MOST_BYTES >> 20} MB, at {self._path}")
        return False

    def _target(self, query: dict[str, str]) -> str:
        asked = {"labelSelector": self._selector, **query}
        return f"{self._path}?{urlencode({name: value for name, value in asked.items() if value})}"


def _size(item: msgspec.Raw) -> int:
    return memoryview(item).nbytes


def authorise(web: Web, access: Access, keyring: Keyring) -> None:
    """The token of ``access`` goes with each request.  Raises :class:`Unreachable` if its file has not been read."""
    token = token_of(access, keyring)
    if token:
        web.fields["Authorization"] = f"Bearer {token}"


def in_cluster(url: EngineUrl) -> EngineUrl:
    """With the API server of the cluster that rsp runs in, where ``url`` names none."""
    if url.hosts:
        return url
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        server = Address.parse(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except ValueError:
        raise Unreachable("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not an address") from None
    return url._replace(hosts=(str(server),))


def _silent(text: str) -> None:
    """Nothing takes complaints yet."""


def _failure(status: int, said: bytes) -> Exception:
    return _Expired() if status == _EXPIRED else Unreachable(_refusal(status, said))


def _refusal(status: int, said: bytes) -> str:
    try:
        reason = _STATUSES.decode(said).message
    except UNREADABLE:
        reason = ""
    if status == 401:
        return f"Kubernetes refuses the token ({plain(reason, 200) or status})"
    return f"Kubernetes responds with status {status} ({plain(reason, 250) or 'no reason given'})"
