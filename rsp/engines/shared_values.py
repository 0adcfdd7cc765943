"""How values of Lua stand in a store: as other programs would write them, where that is not ambiguous.

Numbers are decimal texts, so that INCR works on them; texts are what they are.  A text that would be read as a number,
or begins like a mark, is marked as a text; truth values are marked.  What other programs write is a number only if
Lua's numbers have it: not a code with leading zeros, nor an id of 64 bits.
"""

import math
import re
from typing import Final

Value = bytes | float | bool

_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,15})(?:(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?)")
_TEXT: Final = b"\1"
_TRUTH: Final = {True: b"\2true", False: b"\2false"}
_VALUES: Final = {data: value for value, data in _TRUTH.items()}
_EXACT: Final = 2**53  # integers up to here


def pack(value: Value) -> bytes:
    """``value`` is finite."""
    if isinstance(value, bool):
        return _TRUTH[value]
    if isinstance(value, bytes):
        return _TEXT + value if value[:1] in (_TEXT, b"\2") or _number(value) is not None else value
    return decimal(value)


def decimal(value: float) -> bytes:
    if value == int(value):
        return b"%d" % int(value) if -_EXACT <= value <= _EXACT else b"%.16e" % value
    return repr(float(value)).encode()


def _number(text: bytes) -> float | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    value = float(text)
    is_plain = found[1] is None and found[2] is None
    return value if math.isfinite(value) and (not is_plain or abs(int(text)) <= _EXACT) else None


def unpack(data: bytes) -> Value:
    """Whatever is there."""
    if data[:1] == _TEXT:
        return data[1:]
    number = _number(data)
    return number if number is not None else _VALUES.get(data, data)
