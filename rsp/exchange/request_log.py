"""The interface of what logs requests; ``log_lines.py`` and ``field_log.py`` implement it."""

from typing import Any


class RequestLog:
    __slots__ = ()

    def write(self, exchange: Any, ended: float) -> None:
        """``exchange``, a :class:`Subject`, is over since ``ended``, by the clock of its context."""
        raise NotImplementedError
