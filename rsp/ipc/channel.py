"""What the master and its children tell each other, over one SOCK_SEQPACKET pair for each child.

To children, descriptors (listening sockets, a configuration, members, keys in a memfd) travel with a message; from
children, bytes alone, which are taken for an attacker's: a role says what a child may send, and how long it may be.
A child learns of its master's death, and the master of a child's, by end of file.
"""

import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from rsp.config.schema import Config, decode_hook, encode_hook
from rsp.config.units import Peer
from rsp.ipc.packets import Broken, Inbox, Outbox, close_all, refuse_descriptors
from rsp.ipc.peer_table import MOST_TARGETS, MOST_WEIGHT, Changes, PeerTable, Target
from rsp.ipc.sheet import Contents
from rsp.system.memory import content

LARGEST_ASKED: Final = 512 << 10  # bytes of all that ask for routes
What = Literal["reload", "reload-now", "dry-run", "upgrade", "version", "version-now"]


class Bundle(msgspec.Struct, frozen=True):
    """One version of the configuration as it is distributed.  ``digest``: hex SHA-256 of the Lua sources.

    ``files``: those sources by name, the one at ``main`` first, where there are hooks to evaluate them for.
    """

    version: int
    digest: str
    config: Config
    main: str = ""
    files: dict[str, bytes] = {}


class TlsState(msgspec.Struct, frozen=True):
    """What the TLS of all workers shares, whatever their configuration.

    ``tickets``   keys of session tickets, 80 bytes each: the first one seals, all of them open
    ``staples``   OCSP responses (DER), by the digest of their certificate
    ``key_sets``  keys of issuers of tokens (JWKS), by where they come from
    """

    tickets: list[bytes] = []
    staples: dict[str, bytes] = {}
    key_sets: dict[str, bytes] = {}


class Configure(msgspec.Struct, frozen=True, tag=True):
    """To a child: use the bundle in the first descriptor, with the members in the second; the next two as in
    :class:`Renew`.

    To workers there is more: the contents of the sheet, the files of access logs at ``logs``, sockets that listen on
    ``addresses``, in order.
    ``trial``: it may be taken back, so listeners that it does not have stay until :class:`Settle`.
    """

    version: int
    addresses: list[str] = []
    logs: list[str] = []
    trial: bool = False


class Settle(msgspec.Struct, frozen=True, tag=True):
    """To a worker: the configuration that it tries is here to stay.  It is :class:`Ready` once more when it has left
    the listeners that the configuration does not have."""

    version: int


class Consider(msgspec.Struct, frozen=True, tag=True):
    """To the control process: the bundle in the descriptor is being tried; its names are wanted as well.  Without a
    descriptor: nothing is tried any more."""

    version: int = 0
    digest: str = ""
    seconds: float = 0.0


class Sites(msgspec.Struct, frozen=True, tag=True):
    """To the control process: these are the addresses at which it answers, by the name of their setting, as in
    ``{"metrics": "127.0.0.1:9145"}``; the listening sockets are in the descriptors, in order."""

    addresses: dict[str, str]


class Update(msgspec.Struct, frozen=True, tag=True):
    """To a child: peers of upstreams have changed, by upstream.  ``unknown``: as in :class:`PeerTable`."""

    changes: dict[str, Changes]
    unknown: list[Peer]


class Counted(msgspec.Struct, frozen=True, tag=True):
    """To the control process: the contents of the sheet are those in the descriptor from now on."""


class Renew(msgspec.Struct, frozen=True, tag=True):
    """To a child: other files of its TLS are in use from now on.

    A worker gets its keyring in the first descriptor, :class:`TlsState` in the second; the control process a keyring
    for its checks of peers, and descriptions of the certificates (``rsp/tls/stored.py``).
    """


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
    """To a worker: the access logs at ``paths`` are the files in the descriptors from now on."""

    paths: list[str]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a worker: it serves ``version`` of the configuration and accepts."""

    version: int


_Name = Annotated[str, msgspec.Meta(max_length=8 << 10)]
_Targets = Annotated[list[Target], msgspec.Meta(max_length=MOST_TARGETS)]


class Found(msgspec.Struct, frozen=True, tag=True):
    """From the control process: what ``name`` stands for; ``None`` when that cannot be found out."""

    name: _Name
    targets: _Targets | None

    def __post_init__(self) -> None:
        """Raises :class:`ValueError` for a target that no look-up finds."""
        _check(self.targets or [])


class FoundChange(msgspec.Struct, frozen=True, tag=True):
    """From the control process: of what it has said that ``name`` stands for, ``come`` is new or otherwise than before,
    and ``gone`` is gone."""

    name: _Name
    come: _Targets
    gone: Annotated[list[Peer], msgspec.Meta(max_length=MOST_TARGETS)]

    def __post_init__(self) -> None:
        """Raises :class:`ValueError` as :class:`Found` does."""
        _check(self.come)


def _check(targets: list[Target]) -> None:
    for target in targets:
        ip_address(target.address.host)
        if not 0 <= (target.weight or 0) <= MOST_WEIGHT:
            raise ValueError(f"weight {target.weight}")


class Stapled(msgspec.Struct, frozen=True, tag=True):
    """From the control process: the OCSP response for the certificate with ``digest``; empty: none any more."""

    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    response: Annotated[bytes, msgspec.Meta(max_length=64 << 10)]


class Keys(msgspec.Struct, frozen=True, tag=True):
    """From the control process: the keys of an issuer of tokens, fetched and reduced to what verifies."""

    source: Annotated[str, msgspec.Meta(max_length=8 << 10)]
    keys: Annotated[bytes, msgspec.Meta(max_length=256 << 10)]


class Labels(msgspec.Struct, frozen=True, tag=True):
    """From the control process: what asks for routes by labels, packed as ``config/labels.py`` does.  The master does
    not look into it."""

    asked: Annotated[bytes, msgspec.Meta(max_length=LARGEST_ASKED)]


class Order(msgspec.Struct, frozen=True, tag=True):
    """From the control process: an operator wants something of the master; ``number`` is the answer's.

    ``dry-run``: say what a reload would change.  ``reload-now``: without a trial.  ``version``: load ``version`` of the
    site, a bundle as ``rsp/nodes/bundle.py`` packs it, or stored here if ``packed`` is empty; ``version-now``: without
    a trial, and what is being tried is called off.
    """

    number: int
    what: What
    version: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""
    packed: Annotated[bytes, msgspec.Meta(max_length=512 << 10)] = b""


class Settled(msgspec.Struct, frozen=True, tag=True):
    """From the control process: this version is the one that the node starts with."""

    version: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


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


ToChild = Configure | Settle | Counted | Consider | Sites | Update | Renew | Adopt | Release | Drain | Reopen | Outcome
Message = ToChild | Ready | Found | FoundChange | Stapled | Keys | Labels | Order | Settled


def _trusting(wanted: type, value: object) -> object:
    """For what the master says of peers: it has checked their addresses."""
    return wanted(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=encode_hook)
_bundle_decoder = msgspec.msgpack.Decoder(Bundle, dec_hook=decode_hook)
_members_decoder = msgspec.msgpack.Decoder(PeerTable, dec_hook=_trusting)
_contents_decoder = msgspec.msgpack.Decoder(Contents)
_state_decoder = msgspec.msgpack.Decoder(TlsState)


class Role(NamedTuple):
    """What a side of a channel may send: messages that ``decoder`` knows, of at most ``limit`` bytes.  ``trusted``: it
    may send descriptors."""

    decoder: msgspec.msgpack.Decoder[Message]
    limit: int
    trusted: bool = False


MASTER: Final = Role(msgspec.msgpack.Decoder(ToChild, dec_hook=_trusting), sys.maxsize, trusted=True)
WORKER: Final = Role(msgspec.msgpack.Decoder(Ready), 1 << 10)
_FROM_CONTROL: Final = Found | FoundChange | Stapled | Keys | Labels | Order | Settled
CONTROL: Final = Role(msgspec.msgpack.Decoder(_FROM_CONTROL, dec_hook=decode_hook), 1 << 20)


class Channel:
    """One side, at ``end``; ``other`` is the other side's role."""

    def __init__(self, end: socket.socket, other: Role) -> None:
        end.setblocking(False)
        self._decoder = other.decoder
        self._inbox = Inbox(end, other.limit, trusting=other.trusted)
        self._outbox = Outbox(end)
        self.flush = self._outbox.flush
        self.clear = self._outbox.clear

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """What cannot be sent now waits for ``flush()``.  Raises :class:`packets.Stuck`."""
        self._outbox.post(_encoder.encode(message), descriptors)

    def receive(self) -> tuple[Message, list[int]] | None:
        """Take one packet; the message that it completes, with its descriptors, or ``None``.

        Raises :class:`BlockingIOError`, :class:`EOFError` and :class:`packets.Broken`.
        """
        received = self._inbox.read()
        if received is None:
            return None
        data, descriptors = received
        try:
            return self._decoder.decode(data), descriptors
        except (msgspec.MsgspecError, UnicodeError, RecursionError, MemoryError) as error:
            close_all(descriptors)
            why = "".join(letter if letter.isprintable() else "?" for letter in str(error)[:150])
            raise Broken(f"a message that it may not send ({why})") from None


def pair() -> tuple[socket.socket, socket.socket]:
    """The master's end and the child's end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    refuse_descriptors(ours)
    return ours, theirs


def pack(data: Bundle | PeerTable | Contents | TlsState) -> bytes:
    return _encoder.encode(data)


def unpack(data: bytes) -> Bundle:
    """Raises :class:`msgspec.ValidationError` or :class:`msgspec.DecodeError` for what :func:`pack` did not make."""
    return _bundle_decoder.decode(data)


def bundle_from(descriptor: int) -> Bundle:
    """Reads and closes ``descriptor``."""
    return unpack(content(descriptor))


def members_from(descriptor: int) -> PeerTable:
    """Reads and closes ``descriptor``."""
    return _members_decoder.decode(content(descriptor))


def contents_from(descriptor: int) -> Contents:
    """Reads and closes ``descriptor``."""
    return _contents_decoder.decode(content(descriptor))


def tls_state(data: bytes) -> TlsState:
    """Nothing in no bytes."""
    return _state_decoder.decode(data) if data else TlsState()
