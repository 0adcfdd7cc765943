"""Whether a text may have a secret in a query: a quick look, because most have none.

``suspicion.pyx`` is the compiled twin of this file.
"""

import re
from collections.abc import Iterable
from typing import Final

_WIDTH: Final = 8  # bytes of the table for each first letter: a bit for each length
_LONGEST: Final = 63
_KEY: Final = re.compile(rb"(?:[?&;#]|%(?:3[bf]|2[36]))((?:[^?&;#=%]|%(?!3[bf]|2[36]))*)=", re.IGNORECASE)
_ODD: Final = re.compile(rb"[%+.\[\0\t ]")  # in a key that may be another one for a program


def table(keys: Iterable[bytes]) -> bytes:
    """For :func:`is_suspect`: which lengths there are of keys, in lower case, that begin with each letter."""
    lengths = [0] * 256
    for key in keys:
        for first in {key[0], key[:1].upper()[0]}:
            lengths[first] |= 1 << min(len(key), _LONGEST)
    return b"".join(bits.to_bytes(_WIDTH, "little") for bits in lengths)


def has_at(text: bytes) -> bool:
    """Whether there is an ``@`` in it, as behind a user's password, or one that is escaped."""
    return b"@" in text or b"%40" in text or b"%25" in text


def is_suspect(text: bytes, lengths: bytes) -> bool:
    """False: no query in ``text`` has one of the keys, nor one that is written in an odd way, nor an escaped ``=``."""
    if b"%3d" in text or b"%3D" in text or b"%25" in text:
        return True
    for match in _KEY.finditer(text):
        key = match[1]
        if _ODD.search(key) is not None:
            return True
        bits = int.from_bytes(lengths[key[0] * _WIDTH : key[0] * _WIDTH + _WIDTH], "little") if key else 0
        if bits >> min(len(key), _LONGEST) & 1:
            return True
    return False
