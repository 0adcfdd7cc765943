"""What a test of HAProxy asks of a field, a parameter or a cookie: ``-m beg -i a b``.

``hdr`` looks at the parts of a field between its commas, which rsp does only where a regular expression says so.
"""

import re
from typing import Final

from msgspec.structs import replace

from rsp.importing.ordered.value import Inexpressible, Value, Wanted, escaped, regular

_BEGIN, _END = r"(?:^|,)[ \t]*", r"[ \t]*(?:,|$)"  # of a part
_KEYS: Final = {"beg": "prefix", "end": "suffix", "sub": "contains"}
_FRAMES: Final = {"str": ("^", "$"), "beg": ("^", ""), "end": ("", "$"), "sub": ("", "")}
# What a regular expression is made of that matches neither a comma nor a blank, and leaves anchors where they are.
_NO_COMMA: Final = re.compile(
    r"\\[dwbB]|\\[^\w\s,]|\[(?:[A-Za-z]-[A-Za-z]|[0-9]-[0-9]|[A-Za-z0-9_.])+-?\]|\(\?(?:i\)|:)|\((?!\?)|[^\\\[(\s,.^$]"
)
_AROUND: Final = re.compile(r"^\^?\.\*|(?<!\\)\.\*\$?$")


def of_whole(way: str, fold: bool, values: list[str]) -> Wanted:
    """Raises :class:`Inexpressible`."""
    way = way or "str"
    if way not in _FRAMES and way != "reg":
        raise Inexpressible(f"rsp does not compare values by -m {way}")
    if "" in values:
        raise Inexpressible("no text is named")
    if way == "reg":
        return Value(regex=tuple(regular(f"(?i){value}" if fold else value) for value in values))
    if fold:
        return Value(regex=(f"(?i){_framed(*_FRAMES[way], values)}",))
    if way == "str":
        return values[0] if len(values) == 1 else tuple(values)
    return replace(Value(), **{_KEYS[way]: tuple(values)})


def of_parts(way: str, fold: bool, values: list[str]) -> Wanted | None:
    """``None``: it cannot be told from a comparison of the whole.  Raises :class:`Inexpressible`."""
    way = way or "str"
    if way == "reg":
        found = [_by_parts(value) for value in values]
        return None if None in found else of_whole("reg", fold, [text for text in found if text is not None])
    if any("," in value or value != value.strip() for value in values):
        raise Inexpressible("HAProxy compares what stands between commas, without blanks around it")
    if way == "sub":
        return of_whole(way, fold, values)
    of_whole(way, fold, values)
    begin, end = _FRAMES[way]
    return Value(regex=("(?i)" * fold + _framed(_BEGIN * bool(begin), _END * bool(end), values),))


def _framed(begin: str, end: str, values: list[str]) -> str:
    texts = "|".join(map(escaped, values))
    return f"{begin}(?:{texts}){end}" if len(values) > 1 and (begin or end) else f"{begin}{texts}{end}"


def _by_parts(pattern: str) -> str | None:
    rest = pattern if "|" in pattern else _AROUND.sub("", pattern)
    found: list[str] = []
    at = 0
    while at < len(rest):
        if rest[at] in "^$":
            found.append(_BEGIN if rest[at] == "^" else _END)
            at += 1
            continue
        match = _NO_COMMA.match(rest, at)
        if match is None:
            return None
        found.append(match[0])
        at = match.end()
    return "".join(found) or None
