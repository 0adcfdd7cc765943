"""A route that is out of service: always, or as long as a file exists."""

from http import HTTPStatus
from typing import Any

from rsp.config.access_files import MARK, mark_of
from rsp.config.routes import Route
from rsp.exchange.filter import DONE, PASS, Filter
from rsp.tls.material import Keyring


class MaintenanceFilter(Filter):
    """For a route with ``maintenance``.  ``keyring`` has the file, if it exists."""

    __slots__ = ("_mark", "_on")

    def __init__(self, route: Route, keyring: Keyring) -> None:
        mark = mark_of(route)
        self._mark = f"{MARK} {mark}" if mark is not None else None
        self._on = True
        self.use(keyring)

    def use(self, keyring: Keyring) -> None:
        """Files have come or gone."""
        self._on = self._mark is None or self._mark in keyring.files

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        if not self._on:
            return PASS
        exchange.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "under maintenance", b"Retry-After: 60\r\n")
        return DONE
