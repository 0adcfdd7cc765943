"""Listeners with ``redirect = "https"``."""

import re
from collections.abc import Iterable
from typing import Final

from rsp.config.answers import Redirect
from rsp.config.routes import Route
from rsp.config.schema import Listener
from rsp.exchange.exchange import Exchange
from rsp.exchange.filters.forwarded import name_of
from rsp.exchange.handlers.fixed import Fixed

# RFC 9110 section 7.2 lets Host have more; a URL with those is read in several ways.
_NAME: Final = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_\-]*(?:\.[A-Za-z0-9_\-]+)*\.?|\[[0-9A-Fa-f:.]+\]")
_HTTPS: Final = 443


class ToHttps(Fixed):
    """To the same URL with https://.  308: the client repeats the request as it was, its method and body included."""

    __slots__ = ()

    def __init__(self, listeners: Iterable[Listener]) -> None:
        port = port_for_https(listeners)
        where = "https://{host}" + (f":{port}" if port != _HTTPS else "") + "{path}"
        super().__init__(Route(redirect=Redirect(to=where, status=308)))

    def start(self, exchange: Exchange) -> None:
        if _NAME.fullmatch(name_of(exchange.head.host or exchange.stream.local_name())) is None:
            exchange.refuse(400, "Host is not a name")
        else:
            super().start(exchange)


def port_for_https(listeners: Iterable[Listener]) -> int:
    """443, unless all of rsp's listeners with TLS have other ports: then the first one's."""
    ports = [listener.address.port or _HTTPS for listener in listeners if listener.tls]
    return ports[0] if ports and _HTTPS not in ports else _HTTPS
