"""What answers the requests of a route."""

from typing import Any


class Handler:
    """Shared by all exchanges of a configuration."""

    __slots__ = ()

    def start(self, exchange: Any) -> None:
        """Answer, or begin to: ``exchange.answer(...)``, or ``exchange.responder`` is set to what will do so.

        ``exchange`` is an :class:`rsp.exchange.exchange.Exchange`, which is above this room.
        """
        raise NotImplementedError
