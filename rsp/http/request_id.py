"""Request ids.  ``request_id.pyx`` is the compiled twin of this file."""

from typing import Final

_WORD: Final = 2**64 - 1


def make_id(prefix: bytes, number: int) -> bytes:
    """A request id: ``prefix``, which is the process's own, and a number in base 16."""
    return b"%b-%x" % (prefix, number & _WORD)
