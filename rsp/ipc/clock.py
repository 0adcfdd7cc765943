"""The clocks of entries in shared memory and of tokens.  The compiled twin (clock.pyx) is no call of Python: 25 ns
instead of 60."""

from time import monotonic
from time import time as wall

__all__ = ["monotonic", "wall"]
