"""What every source of members is, for ``discoveries.py``; and the form in which members are written as text.

What a source says is not to be trusted: a bad entry is left out, and :attr:`Provider.complain` says so.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from rsp.config.engines import Discover
from rsp.config.instance import Dns
from rsp.config.units import Peer, show
from rsp.engines.failures import UNREADABLE
from rsp.ipc.peer_table import MOST_WEIGHT
from rsp.tls.material import Keyring

MOST_MEMBERS: Final = 10_000  # of one source
_LONGEST: Final = 1000  # bytes of a member as it is written


class Member(NamedTuple):
    """``address``: ``host:port``; the host may be a name."""

    address: str
    weight: int = 1
    backup: bool = False


Tell = Callable[[list[Member]], None]


class Provider:
    """One source of the members of one upstream.  ``discover`` has passed the rules of the configuration.

    ``complain(text)`` takes a clause on one entry that is left out; there may be any number of them.
    """

    def __init__(self, discover: Discover, dns: Dns, keyring: Keyring) -> None:
        self.discover = discover
        self.dns = dns
        self.keyring = keyring
        self.complain: Callable[[str], None] = _silent

    async def follow(self, tell: Tell) -> None:
        """Calls ``tell`` with all members, at once and whenever there may be others, until it is cancelled.

        Raises :class:`rsp.engines.failures.Unreachable` when the source cannot be followed; it is called again then,
        later and later.  What it has told before stays in force meanwhile.
        """
        raise NotImplementedError


def _silent(text: str) -> None:
    """Nothing takes complaints yet."""


class _Written(msgspec.Struct, frozen=True):
    """A member as JSON; other keys are not looked at."""

    address: str
    weight: int | None = None
    backup: bool = False


class _Targets(msgspec.Struct, frozen=True):
    """A group of Prometheus' file and HTTP discovery; its labels are not looked at."""

    targets: list[msgspec.Raw]


# By the key whose value is of another type.
_WRONG: Final = {
    "address": 'its address is not a string such as "10.0.0.1:8000"',
    "weight": "its weight is not a whole number such as 2, without quotes",
    "backup": "its backup is neither true nor false",
}
_decode: Final = msgspec.json.Decoder(str | _Written).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw] | _Targets).decode
_decode_group: Final = msgspec.json.Decoder(_Targets).decode


def written(text: bytes) -> Member:
    """``10.0.0.1:8000``, the same as JSON, or ``{"address": "10.0.0.1:8000", "weight": 2}``.

    Raises :class:`ValueError` with a clause that says what is wrong.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} bytes")
    text = text.strip()
    if text[:1] not in (b"{", b'"'):
        return checked(text.decode(errors="replace"))
    try:
        found = _decode(text)
    except msgspec.ValidationError as error:
        key = str(error).rpartition("$.")[2].rstrip("`")
        raise ValueError(_WRONG.get(key, 'it has no "address", such as "10.0.0.1:8000"')) from None
    except UNREADABLE as error:
        raise ValueError(f"it is neither an address nor JSON: {error}") from None
    if isinstance(found, str):
        return checked(found)
    return checked(found.address, found.weight, found.backup)


def written_list(text: bytes, complain: Callable[[str], None]) -> list[Member]:
    """A list of what :func:`written` reads, or of ``{"targets": [...]}``, or one of the latter.

    Raises :class:`ValueError` for anything else.
    """
    try:
        found = _decode_list(text)
        entries: Iterable[msgspec.Raw] = found.targets if isinstance(found, _Targets) else _ungrouped(found)
    except UNREADABLE as error:
        raise ValueError(f'expected a JSON list such as ["10.0.0.1:8000"]: {error}') from None
    listed = list(islice(entries, MOST_MEMBERS + 1))
    if len(listed) > MOST_MEMBERS:
        complain(f"it has more than {MOST_MEMBERS} entries; only the first {MOST_MEMBERS} are used")
    numbered = enumerate(listed[:MOST_MEMBERS], 1)
    return list(good(((str(number), bytes(entry)) for number, entry in numbered), complain))


def _ungrouped(entries: list[msgspec.Raw]) -> Iterable[msgspec.Raw]:
    """An invalid group is one bad entry."""
    for entry in entries:
        try:
            yield from _decode_group(entry).targets if b'"targets"' in bytes(entry) else (entry,)
        except UNREADABLE:
            yield entry


def good(entries: Iterable[tuple[str, bytes]], complain: Callable[[str], None]) -> Iterable[Member]:
    """The members in ``entries``, which have names; ``complain`` is told of those that are left out."""
    for name, text in entries:
        try:
            yield written(text)
        except ValueError as error:
            complain(f"{show(name)} is ignored: {error}")


def checked(address: str, weight: int | None = None, backup: bool = False) -> Member:
    """Raises :class:`ValueError` for an address that no member may have.

    Local sockets are refused: write access to the source must not reach every socket of this machine.
    """
    peer = Peer.parse(address)
    if peer.is_unix or peer.is_srv or peer.is_discovered:
        raise ValueError(f"{show(address)}: expected host:port")
    if weight is not None and not 1 <= weight <= MOST_WEIGHT:
        raise ValueError(f"its weight is {weight}; expected 1 to {MOST_WEIGHT}")
    return Member(_canonical(peer), 1 if weight is None else weight, backup)


def _canonical(peer: Peer) -> str:
    """One spelling of an address: two of them would be two members, with twice the requests."""
    if peer[0] != "[" and ":0" not in peer:  # others have one only
        return str(peer)
    host = str(ip_address(peer.host)) if peer[0] == "[" else peer.host
    return f"[{host}]:{peer.port}" if ":" in host else f"{host}:{peer.port}"
