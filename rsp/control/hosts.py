"""Which names a site answers to.

A page on the web can have its own name lead to a loopback address, and then ask what listens there as if it were its
own origin (DNS rebinding).  Such a request has that page's name in Host; so what listens for people on this machine
answers only to names that no other page can have.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from rsp.config.units import Listen
from rsp.control.web import Request, Response, refusal

_MISDIRECTED: Final = 421
_PORT = re.compile(r":[0-9]*$")


class Hosts:
    """A check of a :class:`Site` at ``address``; ``names``: what else it is called, or ``*``."""

    def __init__(self, address: Listen, names: Collection[str]) -> None:
        self._any = address.is_unix or "*" in names  # no browser reaches a unix socket
        self._names = {"localhost", *map(_folded, names)} | ({address.host.lower()} - {""})

    def __call__(self, request: Request) -> Response | None:
        host = request.fields.get(b"host", b"").decode("latin-1")
        if self._any or not host or self._answers_to(_folded(host)):  # browsers always send one
            return None
        return refusal(
            _MISDIRECTED,
            f"this is not {host}; use localhost, an IP address of loopback or a name that is listed in `hosts`",
        )

    def _answers_to(self, name: str) -> bool:
        return name in self._names or _is_loopback(name)


def _folded(host: str) -> str:
    """The name or address alone: without a port, brackets, the dot of the root, and in lower case."""
    if host.count(":") > 1 and not host.startswith("["):  # an IPv6 address, as a configuration may have it
        return host.lower()
    return _PORT.sub("", host).strip("[]").removesuffix(".").lower()


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
