"""Which file has answered a request, as ``rsp explain`` says it."""

from typing import Any, Final

from rsp.exchange.handlers.files import Files

_WITH_FILE: Final = (200, 206, 304)


def served_file(exchange: Any) -> str:
    """``exchange``: one that is over.  Empty: something else than a file has."""
    handler = exchange.route.handler if exchange.route is not None else None
    if not isinstance(handler, Files) or exchange.own or exchange.upstream is not None:
        return ""
    return handler.file_of(exchange) if exchange.status in _WITH_FILE else ""
