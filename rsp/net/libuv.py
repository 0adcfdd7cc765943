"""When uvloop's loop has something to do, asked of libuv, which turns it.  ``libuv.pyx`` is this module's twin.

So that the data plane's sockets need not wait in the loop like any other descriptor: see :mod:`rsp.net.poller`.
"""

import asyncio
from collections.abc import Callable


class Libuv:
    """Of one loop.  Raises :class:`NotImplementedError` where libuv cannot be asked: in pure Python, of another loop
    than uvloop's, of a libuv before 1.45.

    ``descriptor``: readable when one of the loop's descriptors is ready.
    """

    descriptor: int

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        raise NotImplementedError("in pure Python")

    def wait_by(self, callback: Callable[[], None]) -> None:
        """From now on, the loop never waits itself.  In each of its turns it calls ``callback``, which waits until
        ``descriptor`` is readable, or :meth:`idle_for` is over; then the loop looks at what it has, and turns again."""
        raise NotImplementedError

    def end(self) -> None:
        """From now on, the loop waits itself."""
        raise NotImplementedError

    def idle_for(self) -> int:
        """Milliseconds until the loop has something to do without a descriptor that is ready; 0: it has, -1: nothing
        is due."""
        raise NotImplementedError
