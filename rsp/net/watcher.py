"""What looks at requests, while an operator wants to see some of them."""

from typing import Any


class Watcher:
    """An interface."""

    __slots__ = ()

    def begin(self, head: Any) -> Any:
        """A request begins: where to note what happens to it (``exchange/forward/journal.py``), or ``None``."""
        raise NotImplementedError

    def see(self, exchange: Any, ended: float) -> None:
        """``exchange`` has ended, at ``ended`` by the worker's clock."""
        raise NotImplementedError
