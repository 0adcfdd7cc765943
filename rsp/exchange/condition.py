"""A condition (``config/predicate.py``) on exchanges that are over: for access logs and watches."""

from rsp.config.predicate import Predicate
from rsp.exchange.fields import reader
from rsp.exchange.subject import Subject


class Condition:
    """Raises :class:`ValueError` for an invalid text."""

    __slots__ = ("_ended", "_exchange", "_matches", "_readers")

    def __init__(self, text: str) -> None:
        predicate = Predicate.parse(text)
        self._matches = predicate.matches
        self._readers = {name: reader(name, raw=True) for name in predicate.fields}
        self._exchange: Subject | None = None
        self._ended = 0.0

    def holds(self, exchange: Subject, ended: float) -> bool:
        """``ended``: by the clock of the exchange's context."""
        self._exchange = exchange
        self._ended = ended
        try:
            return self._matches(self._read)
        finally:
            self._exchange = None

    def _read(self, name: str) -> object:
        exchange = self._exchange
        return None if exchange is None else self._readers[name](exchange, self._ended)
