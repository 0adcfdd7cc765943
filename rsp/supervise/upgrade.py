"""An upgrade in place: a new master, of the code that is installed now, takes over the sockets of the running one.

The running master starts it and hands it everything that outlives code: listening sockets, addresses of names, peer
state, the secret.  The new one starts its workers at the same sockets and says when all of them accept.
Only then the old one lets its own workers finish.  Until that moment a failure of the new one changes nothing.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from typing import Annotated, Final

import msgspec

from rsp.config.schema import decode_hook, encode_hook
from rsp.config.units import Peer
from rsp.ipc import peer_marks
from rsp.ipc.estate import Estate
from rsp.ipc.packets import Outbox, refuse_descriptors
from rsp.ipc.peer_registry import PeerRegistry
from rsp.ipc.peer_table import Target
from rsp.ipc.scoreboard import SLOTS, Scoreboard
from rsp.logs.outlet import standard
from rsp.supervise.heritage import MOST, PARTS, ancestors
from rsp.system import sockets
from rsp.system.memory import content, sealed

_VARIABLE: Final = "RSP_UPGRADE"
_PATIENCE: Final = 30.0  # seconds that the new master has
_AT_ONCE: Final = 200  # descriptors in one message; the kernel takes 253
# The marks of a peer that any version of the code understands, by the names that they have between versions.
_INHERITED: Final = {
    "EJECTED_UNTIL": peer_marks.EJECTED_UNTIL, "EJECTED_AT": peer_marks.EJECTED_AT, "EJECTIONS": peer_marks.EJECTIONS,
    "REASON": peer_marks.REASON, "SINCE": peer_marks.SINCE, "HEALTH": peer_marks.HEALTH, "DRAIN": peer_marks.DRAIN,
    "WEIGHT": peer_marks.WEIGHT,
}  # fmt: skip
_ORDERED: Final = ("DRAIN", "WEIGHT")  # set by operators, also while the successor starts

Given = dict[tuple[int, str], socket.socket]


class Standing(msgspec.Struct, frozen=True):
    """Of a peer: its marks, by their names."""

    upstream: str
    address: Peer
    marks: dict[str, Annotated[int, msgspec.Meta(ge=0)]]


class Legacy(msgspec.Struct, frozen=True):
    """What a successor gets, in a form that other versions of the code can read.

    ``sockets``: slot and address of each descriptor that follows.  ``files``: addresses whose socket files are the
    successor's to remove.  ``shared``: addresses that have one socket for all slots.  ``tickets``: keys of session
    tickets, the first one in use since ``tickets_since``; ``staples``: OCSP responses; ``key_sets``: keys of issuers of
    tokens.  ``estates``: counters, whose descriptors come with this.  ``asked``: what has routes by labels.
    """

    secret: bytes
    names: dict[Peer, list[Target]]
    peers: list[Standing]
    sockets: list[tuple[Annotated[int, msgspec.Meta(ge=0, lt=SLOTS)], str]]
    files: list[str]
    shared: list[str]
    tickets: list[bytes] = []
    tickets_since: float = 0.0
    staples: dict[str, bytes] = {}
    key_sets: dict[str, bytes] = {}
    estates: list[Estate] = []
    asked: bytes = b""

    @property
    def secrets(self) -> tuple[list[bytes], float, dict[str, bytes], dict[str, bytes]]:
        """As :meth:`rsp.supervise.secrets.Secrets.inherit` takes them."""
        return self.tickets, self.tickets_since, self.staples, self.key_sets


def known(table: PeerRegistry, scoreboard: Scoreboard) -> list[Standing]:
    """The state of every peer."""
    standings = []
    for upstream, address, place in table.peers:
        marks = {name: scoreboard.mark(place, mark) for name, mark in _INHERITED.items()}
        standings.append(Standing(upstream, address, {name: value for name, value in marks.items() if value}))
    return standings


def restore(standings: list[Standing], table: PeerRegistry, scoreboard: Scoreboard) -> None:
    """The same, in the successor; peers that are no more are left out."""
    places = {(upstream, address): place for upstream, address, place in table.peers}
    for standing in standings:
        place = places.get((standing.upstream, standing.address))
        if place is not None:
            for name in standing.marks.keys() & _INHERITED.keys():
                scoreboard.set_mark(place, _INHERITED[name], standing.marks[name])


def restore_orders(standings: list[Standing], table: PeerRegistry, scoreboard: Scoreboard) -> None:
    """What operators have ordered while the successor started."""
    for standing in standings:
        place = table.place_of(standing.upstream, standing.address)
        if place is not None:
            for name in _ORDERED:
                scoreboard.set_mark(place, _INHERITED[name], standing.marks.get(name, 0))


class Successor:
    """The new master, as the old master sees it.  Raises :class:`OSError` when it cannot be started."""

    def __init__(self, legacy: Legacy, counters: list[int], listening: list[socket.socket]) -> None:
        self.end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.setblocking(False)
        refuse_descriptors(self.end)
        self._outbox = Outbox(self.end)
        self.flush = self._outbox.flush
        environment = {**os.environ, _VARIABLE: str(theirs.fileno())}
        environment.pop("WATCHDOG_PID", None)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - what we were started with
                [sys.executable, *sys.orig_argv[1:]],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdout=standard(1).descriptor,
                stderr=standard(2).descriptor,
            )
            self.deadline = time.monotonic() + _PATIENCE
            self._send(legacy, counters, listening)
        except OSError:
            self._outbox.clear()
            self.end.close()
            raise
        finally:
            theirs.close()

    def _send(self, legacy: Legacy, counters: list[int], listening: list[socket.socket]) -> None:
        with sealed(msgspec.json.encode(legacy, enc_hook=encode_hook)) as descriptor:
            self._outbox.put(b"legacy", [descriptor, *counters])
        for start in range(0, len(listening), _AT_ONCE):
            self._outbox.put(b"sockets", [sock.fileno() for sock in listening[start : start + _AT_ONCE]])

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_ready(self) -> bool | None:
        """``None``: it has ended."""
        try:
            return self.end.recv(100) == b"ready" or None
        except BlockingIOError:
            return False
        except OSError:
            return None

    def go(self, peers: list[Standing]) -> None:
        """All is its own now, with the state of ``peers`` that operators have changed meanwhile."""
        with contextlib.suppress(OSError), sealed(msgspec.json.encode(peers, enc_hook=encode_hook)) as descriptor:
            socket.send_fds(self.end, [b"go"], [descriptor])
        self.end.close()

    def give_up(self, why: str = "") -> str:
        """Make sure that it is gone; how it ended.  ``why``: it may go on, but it is not wanted any more."""
        self._outbox.clear()
        self.end.close()
        try:
            status = self._process.wait(0.0 if why else 1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return why or "it did not start in time"
        return f"it was killed by signal {-status}" if status < 0 else f"it ended with status {status}"


class Predecessor:
    """The old master, as the new master sees it."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.legacy, counters, listening = _receive(end)
        self.given: Given = dict(zip(self.legacy.sockets, listening, strict=True))
        self.ancestors = ancestors(self.legacy.estates, counters)
        self.peers: list[Standing] = []  # when it has let go

    @classmethod
    def find(cls) -> "Predecessor | None":
        """If there is one.  Raises :class:`sockets.BindError` when it does not speak as it should."""
        number = os.environ.pop(_VARIABLE, "")
        if not number.isdigit():
            return None
        try:
            end = socket.socket(fileno=int(number))
            end.set_inheritable(False)
            end.settimeout(_PATIENCE)
            return cls(end)
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise sockets.BindError(f"cannot take over from the running master: {error}") from None

    def ready(self) -> None:
        """All workers accept."""
        self.end.setblocking(False)
        with contextlib.suppress(OSError):
            self.end.send(b"ready")

    def is_gone(self) -> bool:
        """It has let go, or died."""
        try:
            _, descriptors, _, _ = socket.recv_fds(self.end, 100, 1)
        except BlockingIOError:
            return False
        except OSError:
            return True
        if descriptors:  # a predecessor of an older version sends none
            with contextlib.suppress(ValueError, OSError, msgspec.MsgspecError):
                self.peers = msgspec.json.decode(content(descriptors[0]), type=list[Standing], dec_hook=decode_hook)
        return True


def _receive(end: socket.socket) -> tuple[Legacy, list[int], list[socket.socket]]:
    """With the descriptors of its estates, and those of its sockets."""
    _, descriptors, _, _ = socket.recv_fds(end, 100, 1 + MOST * PARTS)
    if not descriptors:
        raise ValueError("the running master does not hand over its sockets")
    counters = descriptors[1:]
    legacy = msgspec.json.decode(content(descriptors[0]), type=Legacy, dec_hook=decode_hook)
    listening: list[socket.socket] = []
    while len(listening) < len(legacy.sockets):
        data, descriptors, flags, _ = socket.recv_fds(end, 100, _AT_ONCE)
        if not data:
            raise ValueError("the running master has exited")
        if not descriptors or flags & socket.MSG_CTRUNC:
            raise ValueError(
                f"{len(legacy.sockets)} sockets are more than this process may open; raise the limit of "
                "open files (ulimit -n)"
            )
        listening += [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for sock in listening:
        sock.set_inheritable(False)
        sock.setblocking(False)
    return legacy, counters, listening
