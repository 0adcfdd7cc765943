"""What is agreed on leases of limits (``leases.py``).  Plain numbers, and no .pxd beside it: compiled modules import
them and declare them as C's."""

from typing import Final

# The decision on a request.
PASS: Final = 0
PASS_AND_ASK: Final = 1  # and a lease is to be asked for in the background
REFUSE: Final = 2
REFUSE_AND_ASK: Final = 3
ASK: Final = 4  # the store decides

HOLDS: Final = 0.25  # seconds that a lease holds
SHARE: Final = 4  # of what is in a bucket, one lease takes at most this part
