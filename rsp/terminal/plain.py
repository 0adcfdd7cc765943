"""Text from clients and peers, fit for a terminal: it shows what there is and obeys none of it.

A control character, an escape sequence, a change of direction, a character without width or glyph: each is written as
an escape, and so is the backslash that would make one look like another.
"""

import unicodedata
from typing import Final

_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_CUT: Final = "..."
# Control, format (as those that turn the direction), surrogate, private, unassigned; separators of lines; combining.
UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"})


def plain(value: object, longest: int = 4000) -> str:
    """``value`` as text on one line of at most about ``longest`` characters."""
    text = str(value)
    cut = len(text) > longest
    text = text[:longest]
    if not (text.isascii() and text.isprintable() and "\\" not in text):
        text = "".join(map(_safe, text))
    return text + _CUT if cut else text


def _safe(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if unicodedata.category(letter) not in UNSAFE:
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
