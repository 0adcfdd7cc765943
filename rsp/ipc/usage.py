"""What clients use at the moment, over all workers: for the limits of routes.

Beside the memory of hooks, so that a flood of clients pushes nothing out of that; and slots apart from rates, because
buckets may be forgotten, the oldest first, and slots may not: they are taken out when they are given back, so there are
never more of them than requests that run.
"""

from rsp.ipc.shared_memory import Shared

_LEAST = 1 << 20


class Usage:
    """Create it before forking.  ``rates``: buckets of requests and of bytes; ``slots``: requests that run.

    ``size``: of all in bytes; only what is used exists.  A bucket takes 128 of them, and as many a key that has slots.
    """

    __slots__ = ("rates", "slots")

    def __init__(self, size: int = _LEAST) -> None:
        self.rates = Shared(size // 4 * 3)
        self.slots = Shared(size // 4)
