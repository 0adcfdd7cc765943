"""The keys of a site in its engine, and how the record is replaced."""

from typing import Final, NamedTuple, Self

from rsp.config.instance import Dns
from rsp.engines.failures import Unreachable
from rsp.engines.kv import ABSENT, KeyValue
from rsp.engines.kv_stores import open_store
from rsp.nodes import bundle, record, report
from rsp.nodes.node import Place
from rsp.nodes.record import MOST_NODES, Record
from rsp.nodes.report import LASTING, Report

_RECORD: Final = "record"
_NODES: Final = "nodes"


class Held(NamedTuple):
    """The record as it was read; ``version`` is the engine's."""

    record: Record
    version: str


class Site:
    """A session with the engine.  Everything raises :class:`Unreachable`."""

    def __init__(self, place: Place) -> None:
        self._keys: KeyValue = open_store(place.url, place.access, Dns(), place.keyring, bundle.LARGEST)

    async def __aenter__(self) -> Self:
        await self._keys.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._keys.__aexit__()

    # -- the record

    async def read(self) -> Held:
        """An empty record where there is none.  Raises :class:`ValueError` for one that is not valid."""
        found = await self._keys.get(_RECORD)
        return Held(record.decode(found.data), found.version) if found is not None else Held(Record(), ABSENT)

    async def changed(self, held: Held, within: float) -> None:
        """Returns when it may have changed, or after ``within`` seconds."""
        await self._keys.changed(_RECORD, held.version, within)

    async def replace(self, held: Held, wanted: Record) -> Held | None:
        """``None``: another writer has replaced what is held.

        A write whose answer was lost counts if the record is the wanted one.
        """
        try:
            await self._keys.put(_RECORD, record.encode(wanted), held.version)
        except Unreachable:
            now = await self.read()
            if now.version == held.version:
                raise
        else:
            now = await self.read()
        return now if now.record == wanted else None

    # -- bundles

    async def packed(self, version: str) -> bytes:
        """Raises :class:`ValueError` for a bundle that is not there, or not what its name says."""
        found = await self._keys.get(f"bundles/{version}")
        if found is None:
            raise ValueError(f"the site does not have version {version[:12]}")
        bundle.unpack(version, found.data)
        return found.data

    async def store(self, version: str, packed: bytes) -> None:
        found = await self._keys.get(f"bundles/{version}")
        if found is None or found.data != packed:
            await self._keys.put(f"bundles/{version}", packed, found.version if found is not None else ABSENT)

    async def forget(self, versions: set[str]) -> None:
        for version in versions:
            await self._keys.delete(f"bundles/{version}")

    # -- reports

    async def tell(self, told: Report) -> None:
        await self._keys.put_for(f"{_NODES}/{told.node}", report.encode(told), LASTING)

    async def leave(self, node: str) -> None:
        await self._keys.leave(f"{_NODES}/{node}")

    async def reports(self) -> dict[str, Report]:
        """By the name of the node; what is not a report is left out."""
        found = await self._keys.below(_NODES, MOST_NODES)
        decoded = {name: report.decode(name, data) for name, data in sorted(found.items())}
        return {name: told for name, told in decoded.items() if told is not None}
