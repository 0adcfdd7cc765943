"""A condition (``config/predicate.py``) on exchanges that are over: for access logs and watches."""

from rsp.config.predicate import Predicate
from rsp.exchange.fields import reader
from rsp.exchange.subject import Subject


class Condition:
    """Raises :class:`ValueError` for a text that is none."""

    __slots__ = ("_matches", "_readers")

    def __init__(self, text: str) -> None:
        predicate = Predicate.parse(text)
        self._matches = predicate.matches
        self._readers = {name: reader(name, raw=True) for name in predicate.fields}

    def holds(self, exchange: Subject, ended: float) -> bool:
        """``ended``: by the clock of the exchange's context."""
        readers = self._readers
        return self._matches(lambda name: readers[name](exchange, ended))
