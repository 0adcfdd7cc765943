"""A reading whose keys lie in memory of their own, which the master keeps and hands out but does not read."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec

from rsp.system.memory import Memory
from rsp.system.watch import Seen, look
from rsp.tls.material import Described, Reading


class Found(msgspec.Struct, frozen=True):
    """``reading``: without its keys, of which ``digest`` is.  ``seen``: the files that are watched, as they were before
    they were read."""

    reading: Reading
    seen: Seen
    digest: bytes = b""


NOTHING: Final = Found(Reading(b"", (), ()), ())


class Stored:
    """``keyring`` is for workers, ``peers`` for the control process; the rest is no secret.

    Made before the fork of the child that reads; filled by the child, taken in by the master.
    """

    def __init__(self) -> None:
        self.keyring: Final = Memory()
        self.peers: Final = Memory()
        self.found: Found = NOTHING

    def fill(self, watched: tuple[str, ...], read: Callable[[], Reading]) -> Found:
        """In the child: what :meth:`take` is to get."""
        seen = look(watched)
        reading = read()
        self.keyring.fill(reading.keyring)
        self.peers.fill(reading.peers)
        digest = sha256(reading.keyring + reading.peers).digest()
        return Found(msgspec.structs.replace(reading, keyring=b"", peers=b"", watch=watched), seen, digest)

    def take(self, found: Found) -> None:
        """In the master, after the child's end."""
        self.keyring.seal()
        self.peers.seal()
        self.found = found

    def holds_the_same(self, other: "Stored") -> bool:
        ours, theirs = self.found, other.found
        return (ours.digest, ours.reading.described) == (theirs.digest, theirs.reading.described)

    def whole(self) -> Reading:
        """With its keys: for a child."""
        return msgspec.structs.replace(self.found.reading, keyring=self.keyring.content(), peers=self.peers.content())

    def close(self) -> None:
        self.keyring.close()
        self.peers.close()


class Overview(msgspec.Struct, frozen=True):
    """What the control process is told of the certificates for clients.  ``staples``: OCSP responses, by digest."""

    described: tuple[Described, ...] = ()
    staples: dict[str, bytes] = {}


_encoder = msgspec.msgpack.Encoder()
_overview_decoder = msgspec.msgpack.Decoder(Overview)


def pack_overview(overview: Overview) -> bytes:
    return _encoder.encode(overview)


def unpack_overview(data: bytes) -> Overview:
    """Nothing in no bytes."""
    return _overview_decoder.decode(data) if data else Overview()
