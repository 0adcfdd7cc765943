"""Routes with ``client_ca``: only clients whose handshake was made under the rules that hold for them get an answer.

Rules of this room: a handshake is asked for by one name, and a request names another, so what the handshake has
verified is compared for each request, with what its route requires in its own configuration.  Nothing that a client
or a proxy before rsp *says* is looked at.
"""

from http import HTTPStatus
from typing import Any

from rsp.exchange.filter import DONE, PASS, Filter
from rsp.exchange.tls import requirement_of


class ClientCertificateFilter(Filter):
    """The first filter of such a route: hooks of the route may answer, and do not change which route it is."""

    __slots__ = ()

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        requirement, tls = requirement_of(exchange), exchange.session.tls
        if requirement is None or (tls is None and not requirement.required):
            return PASS
        if tls is None:
            return _refuse(exchange, HTTPStatus.FORBIDDEN, "a client certificate is required; use https")
        met = requirement.is_met(tls)
        if met and (tls.verified or not requirement.required):
            return PASS
        exchange.head.keep_alive = False  # a client that asks again makes a new handshake
        if met:  # the certificate of a session that was resumed has expired since
            return _refuse(exchange, HTTPStatus.FORBIDDEN, "a client certificate that is valid now is required")
        return _refuse(  # RFC 9110 section 15.5.20
            exchange, HTTPStatus.MISDIRECTED_REQUEST,
            "this connection does not meet the rules for client certificates of this host; open a new connection",
        )  # fmt: skip


def _refuse(exchange: Any, status: int, reason: str) -> int:
    exchange.refuse(status, reason)
    return DONE
