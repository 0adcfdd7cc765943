"""The certificates in use: what operators are told of them, and warnings before they expire."""

import time
from collections.abc import Iterator
from math import inf
from typing import Final

from rsp.config.schema import Config
from rsp.http.hosts import normalise_host
from rsp.logs import log
from rsp.tls.material import Described, Keyring

_DAY: Final = 86400.0
_WARNINGS: Final = (30, 7, 1, 0)  # days before it expires
_LOOK: Final = 60.0  # seconds

Data = dict[str, object]


class Certificates:
    """``told_until``: when an earlier control process told last of what expires, in seconds since the epoch."""

    def __init__(self, config: Config, told_until: float) -> None:
        self._told_until = told_until
        self.stapled: dict[str, Data] = {}  # state of OCSP responses, by digest
        self._told: dict[str, int] = {}  # how many of the warnings, by digest
        self._config = config
        self._for_clients: tuple[Described, ...] = ()
        self._for_peers: dict[tuple[str, str], Described] = {}
        self._look_at = inf  # until it is known what is in use

    def use(self, config: Config, described: tuple[Described, ...], keyring: Keyring) -> None:
        """These are in use from now on."""
        self._config = config
        self._for_clients = described
        self._for_peers = {files: chain.about for files, chain in keyring.own.items()}
        self._look_at = 0.0

    # -- warnings

    def tick(self) -> None:
        """Once a second."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK
            self.warn(time.time())

    def warn(self, now: float) -> None:
        """Tell of what expires, each time once."""
        used = {one.digest: one for one in self.each()}
        for digest, one in used.items():
            if digest not in self._told:
                self._told[digest] = _due(one, self._told_until) if self._told_until else 0
            due = _due(one, now)
            if due > self._told[digest]:
                self._told[digest] = due
                log.line(_warning(one, now), log.WARNING)
        self._told = {digest: told for digest, told in self._told.items() if digest in used}
        self._told_until = 0.0

    def each(self) -> Iterator[Described]:
        """Those in use, for clients first."""
        yield from self._for_clients
        yield from self._for_peers.values()

    # -- what operators are told

    def summary(self) -> Data:
        """How many there are, and which one is the next to expire."""
        soonest = min(self.each(), key=lambda one: one.not_after, default=None)
        count = len({one.digest for one in self.each()})
        if soonest is None:
            return {"count": count, "next": None}
        names = {"names": soonest.names, "subject": soonest.subject}
        return {"count": count, "next": {**names, **_expiry(soonest, time.time())}}

    def report(self) -> list[Data]:
        """All, those for clients first."""
        listeners = [str(listener.address) for listener in self._config.listeners if listener.tls]
        hosts = _hosts_by_name(self._config)
        now = time.time()
        rows: list[Data] = []
        for index, one in enumerate(self._for_clients):
            used: Data = {"listeners": listeners, "hosts": _hosts_of(one, hosts), "default": index == 0}
            rows.append({**_facts(one, now), **used, "upstreams": [], "ocsp": self.stapled.get(one.digest)})
        for files, one in self._for_peers.items():
            used = {"listeners": [], "hosts": [], "default": False}
            rows.append({**_facts(one, now), **used, "upstreams": _upstreams(self._config, files), "ocsp": None})
        return rows


def _due(one: Described, now: float) -> int:
    """How many of the warnings it has passed."""
    return sum(now >= one.not_after - days * _DAY for days in _WARNINGS)


def _warning(one: Described, now: float) -> str:
    where = f'{one.at}: certificate "{one.file}" ({_listed(one.names) or one.subject})'
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(one.not_after))
    left = one.not_after - now
    if left <= 0:
        return f"{where} expired on {when}; clients refuse it: renew it"
    return f"{where} expires in {_span(left)}, on {when}: renew it"


def _span(seconds: float) -> str:
    number, unit = (seconds / _DAY, "day") if seconds >= _DAY else (seconds / 3600, "hour")
    return f"{number:.0f} {unit}{'s' * (round(number) != 1)}"


def _listed(names: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _expiry(one: Described, now: float) -> Data:
    return {"not_after": one.not_after, "days_left": round((one.not_after - now) / _DAY, 1)}


def _facts(one: Described, now: float) -> Data:
    return {
        "names": one.names,
        "subject": one.subject,
        "issuer": one.issuer,
        "kind": one.kind,
        "digest": one.digest,
        "not_before": one.not_before,
        **_expiry(one, now),
        "file": one.file,
        "declared": one.at,
        "problem": one.problem,
    }


def _hosts_by_name(config: Config) -> dict[str, list[str]]:
    """Hosts of routes by the name that a certificate needs for them: itself, or its parent's wildcard."""
    found: dict[str, list[str]] = {}
    for host in dict.fromkeys(host for route in config.routes for host in route.hosts):
        known = normalise_host(host.encode()).decode().strip("[]")
        for name in {known, "*." + known.partition(".")[2]}:
            found.setdefault(name, []).append(host)
    return found


def _hosts_of(one: Described, hosts: dict[str, list[str]]) -> list[str]:
    return list(dict.fromkeys(host for name in one.names for key in _keys(name) for host in hosts.get(key, ())))


def _keys(name: str) -> Iterator[str]:
    """The hosts of routes that ``name`` may be meant by: itself, and ``app.*`` for a name that begins so."""
    yield name
    yield from (f"{name[: at + 1]}*" for at, letter in enumerate(name) if letter == ".")


def _upstreams(config: Config, files: tuple[str, str]) -> list[str]:
    secured = [(upstream.name, upstream.secure) for upstream in config.upstreams]
    return [name for name, secure in secured if secure is not None and secure.own == files]
