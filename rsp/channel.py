"""What master and workers tell each other, over one SOCK_SEQPACKET pair for each worker.

A message is one packet; descriptors (listening sockets, a configuration bundle in a memfd) travel with it.  The
worker learns of its master's death, and the master of a worker's, by end of file.
"""

import os
import socket
from typing import Final

import msgspec

from rsp.config.schema import Config, decode_hook, encode_hook

_PACKET: Final = 64 << 10
_DESCRIPTORS: Final = 250


class Bundle(msgspec.Struct, frozen=True):
    """One version of the configuration as it is distributed.  ``digest``: hex SHA-256 of the Lua sources."""

    version: int
    digest: str
    config: Config


class Configure(msgspec.Struct, frozen=True, tag=True):
    """To a worker: use the bundle in the first descriptor; the others listen on ``addresses``, in order."""

    version: int
    addresses: list[str]


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
    """To a worker: open the log files anew."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a worker: it serves ``version`` of the configuration and accepts."""

    version: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """From a worker: it cannot use ``version`` and goes on with what it has."""

    version: int
    reason: str


Message = Configure | Adopt | Release | Drain | Reopen | Ready | Refused

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)
_decoder = msgspec.msgpack.Decoder(Message)
_bundle_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)
_bundle_decoder = msgspec.msgpack.Decoder(Bundle, dec_hook=decode_hook)


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


def pack(bundle: Bundle) -> bytes:
    return _bundle_encoder.encode(bundle)


def unpack(data: bytes) -> Bundle:
    """Raises :class:`msgspec.ValidationError` or :class:`msgspec.DecodeError` for what :func:`pack` did not make."""
    return _bundle_decoder.decode(data)


def to_memfd(bundle: Bundle) -> int:
    """A descriptor to send; the caller closes it."""
    descriptor = os.memfd_create("rsp-configuration")
    view = memoryview(pack(bundle))
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor


def from_memfd(descriptor: int) -> Bundle:
    """Reads and closes ``descriptor``."""
    with open(descriptor, "rb") as file:
        file.seek(0)
        return unpack(file.read())
