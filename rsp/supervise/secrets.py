"""What children get for their TLS beside a configuration: the newest, at their start, and whenever it changes.

The certificates of the configuration in force, those of one that a worker tries, ticket keys, OCSP responses, and the
keys of issuers of tokens, which are no secret and travel with them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from rsp.config.auth_rules import fetched
from rsp.ipc import channel
from rsp.ipc.channel import Keys, Stapled, TlsState
from rsp.logs import log
from rsp.supervise.certificates import LOOK, Certificates
from rsp.supervise.tickets import Tickets
from rsp.system import core
from rsp.system.memory import Memory, sealed
from rsp.tls.stored import Overview, pack_overview

_MOST_STAPLES: Final = 16 << 20  # bytes; one has 500 to 2,000
_MOST_KEYS: Final = 16 << 20  # bytes; those of one issuer have 1,000 to 10,000
_SPREAD: Final = 1.0  # least time between two messages about responses, or about keys


class Workers(Protocol):
    """Reaches all that serve what is in force; or the one that tries another configuration."""

    def __call__(self, message: channel.Message, descriptors: list[int], *, trying: bool) -> None: ...


class Secrets:
    """``tell_control(message, descriptors)`` reaches the control process."""

    def __init__(self, tell_workers: Workers, tell_control: Callable[[channel.Message, Sequence[int]], None]) -> None:
        self.certificates: Certificates  # of the configuration in force
        self.tried: Certificates | None = None
        self.tickets = Tickets(time.monotonic())
        self.staples: dict[str, bytes] = {}
        self.key_sets: dict[str, bytes] = {}
        self._tell_workers = tell_workers
        self._tell_control = tell_control
        self._renew_at: float | None = None
        self._keys_told_at = -_SPREAD

    # -- whose certificates

    def use(self, certificates: Certificates) -> None:
        """They are in force."""
        self.certificates = certificates
        self._protect(certificates)
        certificates.tell(None)

    def attempt(self, certificates: Certificates) -> None:
        """A worker tries them."""
        self.tried = certificates
        self._protect(certificates)
        certificates.tell(self.certificates.stored)

    @staticmethod
    def _protect(certificates: Certificates) -> None:
        """From now on there are keys: of tickets here, and in the memory of workers."""
        if certificates.stored.found.reading.watch:
            core.forbid()

    def commit(self) -> None:
        """What was tried is in force."""
        if self.tried is not None:
            self.certificates.close()
            self.certificates, self.tried = self.tried, None
            self._prune()

    def refuse(self) -> None:
        """It is not."""
        if self.tried is not None:
            self.tried.close()
            self.tried = None

    @property
    def all(self) -> list[Certificates]:
        return [self.certificates, *([self.tried] if self.tried is not None else [])]

    def memories(self) -> set[Memory]:
        """Which no child may keep."""
        return {memory for each in self.all for memory in (each.stored.keyring, each.stored.peers)}

    # -- what children get

    def state(self) -> bytes:
        """For a worker, beside its keyring."""
        return channel.pack(TlsState(self.tickets.keys, self.staples, self.key_sets))

    def overview(self) -> bytes:
        """For the control process, beside its own keyring."""
        return pack_overview(Overview(self.certificates.stored.found.reading.described, self.staples))

    @contextmanager
    def for_worker(self, certificates: Certificates) -> Iterator[list[int]]:
        with sealed(self.state()) as state:
            yield [certificates.stored.keyring.fileno(), state]

    @contextmanager
    def for_control(self) -> Iterator[list[int]]:
        with sealed(self.overview()) as overview:
            yield [self.certificates.stored.peers.fileno(), overview]

    def learn(self, stapled: Stapled) -> None:
        """An OCSP response for a certificate that is in use."""
        if stapled.digest not in self._digests() or self.staples.get(stapled.digest, b"") == stapled.response:
            return
        if sum(map(len, self.staples.values())) + len(stapled.response) > _MOST_STAPLES:
            log.once_a_second("staples", "OCSP responses need too much memory; one of them is not used")
            return
        self.staples = {**self.staples, stapled.digest: stapled.response}
        self._prune()
        if self._renew_at is None:
            self._renew_at = time.monotonic() + _SPREAD

    def learn_keys(self, keys: Keys) -> None:
        """Those of an issuer that a configuration names; requests may wait for them."""
        if keys.source not in self._sources() or self.key_sets.get(keys.source) == keys.keys:
            return
        if sum(map(len, self.key_sets.values())) + len(keys.keys) > _MOST_KEYS:
            log.once_a_second("keys", "Keys of token issuers need too much memory; some of them are not used")
            return
        self.key_sets = {**self.key_sets, keys.source: keys.keys}
        self._prune()
        if self._renew_at is None:
            self._renew_at = self._keys_told_at = max(time.monotonic(), self._keys_told_at + _SPREAD)

    def inherit(
        self, tickets: list[bytes], since: float, staples: dict[str, bytes], key_sets: dict[str, bytes]
    ) -> None:
        """From a predecessor."""
        self.tickets.inherit(tickets, since)
        self.staples, self.key_sets = staples, key_sets
        self._prune()

    def inheritance(self) -> tuple[list[bytes], float, dict[str, bytes], dict[str, bytes]]:
        """For a successor."""
        return self.tickets.keys, self.tickets.since, self.staples, self.key_sets

    def _sources(self) -> set[str]:
        return {source for certificates in self.all for source in fetched(certificates.config)}

    def _digests(self) -> set[str]:
        return {each.digest for certificates in self.all for each in certificates.stored.found.reading.described}

    def _prune(self) -> None:
        digests = self._digests()
        self.staples = {digest: data for digest, data in self.staples.items() if data and digest in digests}
        sources = self._sources() if self.key_sets else set()
        self.key_sets = {source: keys for source, keys in self.key_sets.items() if source in sources}

    # -- time

    def look_after(self, now: float) -> None:
        """What time brings."""
        due = self._renew_at is not None and now >= self._renew_at
        if self.tickets.rotate(now) or due:
            self._renew_at = None
            for certificates in self.all:
                self._send(certificates)
        for certificates in self.all:
            certificates.look_after(now)

    def wait(self, now: float) -> float:
        """Seconds until it wants to be looked after."""
        renewal = max(0.0, self._renew_at - now) if self._renew_at is not None else LOOK
        return min(renewal, *(each.wait(now) for each in self.all))

    def close(self) -> None:
        """At the very end."""
        for certificates in self.all:
            certificates.close()

    @property
    def pids(self) -> set[int]:
        """The readers'."""
        return {each.pid for each in self.all} - {0}

    @property
    def descriptors(self) -> set[int]:
        """The readers'."""
        return {each.descriptor for each in self.all} - {-1}

    def read(self, descriptor: int) -> None:
        """A reader says something."""
        for certificates in self.all:
            if certificates.descriptor == descriptor and certificates.read():
                self._prune()
                self._send(certificates)
                if certificates is self.certificates:
                    with self.for_control() as descriptors:
                        self._tell_control(channel.Renew(), descriptors)

    def _send(self, certificates: Certificates) -> None:
        with self.for_worker(certificates) as descriptors:
            self._tell_workers(channel.Renew(), descriptors, trying=certificates is self.tried)
