"""What the master and its children tell each other, over one SOCK_SEQPACKET pair for each child.

A message is one packet; descriptors (listening sockets, a configuration or the members in a memfd) travel with it.
A child learns of its master's death, and the master of a child's, by end of file.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

import msgspec

from rsp.config.schema import Config, decode_hook, encode_hook
from rsp.config.units import Peer
from rsp.members import Members, Target

What = Literal["reload", "reload-now", "dry-run", "upgrade"]

_PACKET: Final = 64 << 10
_DESCRIPTORS: Final = 250


class Bundle(msgspec.Struct, frozen=True):
    """One version of the configuration as it is distributed.  ``digest``: hex SHA-256 of the Lua sources.

    ``files``: those sources by name, the one at ``main`` first, where there are hooks to evaluate them for.
    """

    version: int
    digest: str
    config: Config
    main: str = ""
    files: dict[str, bytes] = {}


class Configure(msgspec.Struct, frozen=True, tag=True):
    """To a child: use the bundle in the first descriptor, with the members in the second.

    To workers there is more: the access log, if it is a file, and sockets that listen on ``addresses``, in order.
    ``trial``: it may be taken back, so listeners that it does not have stay until :class:`Settle`.
    """

    version: int
    addresses: list[str] = []
    log: bool = False
    trial: bool = False


class Settle(msgspec.Struct, frozen=True, tag=True):
    """To a worker: the configuration that it tries is here to stay."""


class Consider(msgspec.Struct, frozen=True, tag=True):
    """To the control process: the bundle in the descriptor is being tried; its names are wanted as well.  Without a
    descriptor: nothing is tried any more."""

    version: int = 0
    digest: str = ""
    seconds: float = 0.0


class Update(msgspec.Struct, frozen=True, tag=True):
    """To a child: the members in the descriptor are those of the upstreams from now on."""


class Adopt(msgspec.Struct, frozen=True, tag=True):
    """To a worker: accept from the sockets of another slot as well; the descriptors, in the order of ``addresses``."""

    slot: int
    addresses: list[str]


class Release(msgspec.Struct, frozen=True, tag=True):
    """To a worker: the other slot has a worker again, leave its sockets to it."""

    slot: int


class Drain(msgspec.Struct, frozen=True, tag=True):
    """To a worker: accept no more, finish what runs within ``seconds``, then exit."""

    seconds: float


class Reopen(msgspec.Struct, frozen=True, tag=True):
    """To a worker: the access log is the file in the descriptor from now on."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a worker: it serves ``version`` of the configuration and accepts."""

    version: int


class Found(msgspec.Struct, frozen=True, tag=True):
    """From the control process: what ``name`` stands for; ``None`` when that cannot be found out."""

    name: Peer
    targets: list[Target] | None


class Order(msgspec.Struct, frozen=True, tag=True):
    """From the control process: an operator wants something of the master; ``number`` is the answer's.

    ``dry-run``: say what a reload would change.  ``reload-now``: without a trial.
    """

    number: int
    what: What


class Outcome(msgspec.Struct, frozen=True, tag=True):
    """To the control process: how that ended which ``numbers`` asked for, or what signals asked for.

    ``at``: seconds since the epoch.
    """

    numbers: list[int]
    what: str
    good: bool
    text: str
    version: int
    digest: str
    at: float


ToChild = Configure | Settle | Consider | Update | Adopt | Release | Drain | Reopen | Outcome
Message = ToChild | Ready | Found | Order

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)
_decoder = msgspec.msgpack.Decoder(Message, dec_hook=decode_hook)
_bundle_decoder = msgspec.msgpack.Decoder(Bundle, dec_hook=decode_hook)
_members_decoder = msgspec.msgpack.Decoder(Members, dec_hook=decode_hook)


def pair() -> tuple[socket.socket, socket.socket]:
    """The master's end and the worker's end."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, message: Message, descriptors: list[int] | None = None) -> None:
    """Raises :class:`OSError` when the other side is gone or takes nothing."""
    socket.send_fds(end, [_encoder.encode(message)], descriptors or [])


def receive(end: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message and its descriptors, or ``None`` at the end.  Raises :class:`BlockingIOError`."""
    data, descriptors, _, _ = socket.recv_fds(end, _PACKET, _DESCRIPTORS)
    if not data:
        return None
    return _decoder.decode(data), descriptors


def pack(data: Bundle | Members) -> bytes:
    return _encoder.encode(data)


def unpack(data: bytes) -> Bundle:
    """Raises :class:`msgspec.ValidationError` or :class:`msgspec.DecodeError` for what :func:`pack` did not make."""
    return _bundle_decoder.decode(data)


@contextmanager
def memfd(data: bytes) -> Iterator[int]:
    """A descriptor to send, open within the block."""
    descriptor = os.memfd_create("rsp-data")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        yield descriptor
    finally:
        os.close(descriptor)


def content(descriptor: int) -> bytes:
    """Reads and closes ``descriptor``."""
    try:  # by position: others read through the same description at the same time
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)


def bundle_from(descriptor: int) -> Bundle:
    """Reads and closes ``descriptor``."""
    return unpack(content(descriptor))


def members_from(descriptor: int) -> Members:
    """Reads and closes ``descriptor``."""
    return _members_decoder.decode(content(descriptor))
