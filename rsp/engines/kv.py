"""A small part of what etcd, Consul and Redis can all do: keys with versions, writes on condition, keys that vanish.

Rules of this room: interfaces only; there is one file for each engine (``kv_etcd.py`` and so on), imported where it is
needed (``kv_stores.py``).
"""

from abc import ABC, abstractmethod
from typing import Final, NamedTuple, Self

ABSENT: Final = ""  # the version of a key that is not there


class Value(NamedTuple):
    """``version``: another one after each write; what it looks like is the engine's business."""

    data: bytes
    version: str


class KeyValue(ABC):
    """Keys are below one prefix, without a slash at their beginning.  Everything raises :class:`Unreachable`: for a
    write that means that it may have happened."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *_: object) -> None: ...

    @abstractmethod
    async def get(self, key: str) -> Value | None:
        """What was there at some moment since the call."""

    @abstractmethod
    async def put(self, key: str, data: bytes, version: str) -> bool:
        """Write if the key has ``version``; false: it has another one."""

    @abstractmethod
    async def put_for(self, key: str, data: bytes, seconds: float) -> None:
        """Write; the key vanishes ``seconds`` after the last such write, by the engine's clock, or somewhat later."""

    @abstractmethod
    async def below(self, folder: str, most: int) -> dict[str, bytes]:
        """Keys written by :meth:`put_for` below ``folder``, by what follows it; ``most`` of them."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """A key that :meth:`put` has written, whether or not it is there."""

    async def leave(self, key: str) -> None:
        """A key that :meth:`put_for` has written vanishes now."""
        await self.delete(key)

    @abstractmethod
    async def changed(self, key: str, version: str, within: float) -> None:
        """Returns when the key may have another version than ``version``, which was read last, or after ``within``
        seconds."""
