"""Which clients a route serves: ``allow``, ``deny`` and ``country``.

``deny`` wins.  Then ``allow`` and ``country`` must both let the client pass, or with ``any = true`` one of them, or
``auth``, which is asked later.  The client is the one behind the proxies that are ``trusted``.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from rsp.config.access_files import DATABASE, LIST, entries
from rsp.config.network_list import name_of
from rsp.config.routes import Route
from rsp.exchange.exchange import Exchange
from rsp.exchange.filter import DONE, PASS, Filter
from rsp.http.networks import Networks
from rsp.logs import log
from rsp.system.countries import Countries
from rsp.tls.material import Keyring

_DENIED: Final = "denied"
_OUTSIDE: Final = "outside"  # of what is allowed
_SERVED: Final = "served"
_KNOWN: Final = 4096  # clients that are remembered
_LONGEST: Final = 64  # bytes of an address that is


class AccessFilter(Filter):
    """For a route that has one of the three keys.  ``keyring``: the content of their files."""

    # fmt: off
    __slots__ = (
        "_allow", "_any", "_countries", "_country", "_deny", "_has_allow", "_has_auth", "_known", "_route", "_sources",
    )
    # fmt: on

    def __init__(self, route: Route, keyring: Keyring) -> None:
        self._route = route
        self._any = route.any
        self._has_auth = route.auth is not None
        self._has_allow = bool(entries(route.allow))
        self._country = route.country
        self._known: dict[bytes, str] = {}
        self._sources: dict[str, bytes] | None = None
        self._allow: tuple[Networks, ...] = ()
        self._deny: tuple[Networks, ...] = ()
        self._countries: Countries | None = None
        self.use(keyring)

    def use(self, keyring: Keyring) -> None:
        """Files may have changed."""
        wanted = {key: keyring.files.get(key, b"") for key in _keys(self._route)}
        before, self._sources = self._sources, wanted  # in any case, so that no former content stays in memory
        if wanted == before:
            return
        self._allow = tuple(_networks(entries(self._route.allow), wanted))
        self._deny = tuple(_networks(entries(self._route.deny), wanted))
        if self._country is not None:
            database = f"{DATABASE} {self._country.file}"
            if before is None or before.get(database) != wanted[database]:
                self._countries = _countries(wanted[database])
        self._known = {}

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        request: Exchange = exchange
        if request.head.forwarded:
            request.tell()  # which finds out the client's address
        verdict = self._known.get(request.client)
        if verdict is None:
            verdict = self._judge(request.client)
        if verdict is _SERVED:
            if self._any:
                request.admitted = True
            return PASS
        if verdict is _OUTSIDE and self._any and self._has_auth:
            return PASS
        exchange.refuse(HTTPStatus.FORBIDDEN, "this client is not allowed")
        return DONE

    def _judge(self, client: bytes) -> str:
        verdict = self._look_up(client)
        if len(client) <= _LONGEST:
            if len(self._known) >= _KNOWN:
                self._known = {}
            self._known[client] = verdict
        return verdict

    def _look_up(self, client: bytes) -> str:
        if _covers(self._deny, client):
            return _DENIED
        ways = [_covers(self._allow, client)] if self._has_allow else []
        if self._country is not None:
            code = self._countries.of(client) if self._countries is not None else ""
            if code in self._country.deny:
                return _DENIED
            if self._country.allow:
                ways.append(code in self._country.allow)
        served = any(ways) if self._any else all(ways)
        return _SERVED if served else _OUTSIDE


def _keys(route: Route) -> Iterator[str]:
    """Of the files that are used here."""
    for entry in (*entries(route.allow), *entries(route.deny)):
        if (name := name_of(entry)) is not None:
            yield f"{LIST} {name}"
    if route.country is not None:
        yield f"{DATABASE} {route.country.file}"


def _networks(given: tuple[str, ...], files: dict[str, bytes]) -> Iterator[Networks]:
    texts = [entry for entry in given if name_of(entry) is None]
    if texts:
        yield Networks(texts)
    for entry in given:
        if (name := name_of(entry)) is not None:
            yield Networks.unpack(files[f"{LIST} {name}"])


def _covers(sets: tuple[Networks, ...], client: bytes) -> bool:
    return any(networks.covers(client) for networks in sets)


def _countries(content: bytes) -> Countries | None:
    """Without a database, no client is in any country."""
    if not content:
        return None
    try:
        return Countries.shared(content)
    except ValueError as error:  # the reader has opened it
        log.once_a_second("countries", f"country: the database cannot be used: {error}", log.ERROR)
        return None
