"""Which content coding a response gets (RFC 9110 section 12.5.3).

Rules of this room: a client that does not say what it takes gets no coding, and neither does one that says so in a way
that cannot be understood.  What a value means is remembered: browsers send a handful of them.
"""

import re
from typing import Final

_IDENTITY: Final = b"identity"
_ALIASES: Final = {b"x-gzip": b"gzip"}  # section 8.4.1.3
_ELEMENT: Final = re.compile(
    rb"[\t ]*(?:(?P<coding>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)"
    rb"(?:[\t ]*;[\t ]*[Qq]=(?P<weight>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[\t ]*)?"
)
_LEAST: Final = 0.0001  # what is not mentioned is still better than nothing
_LONGEST: Final = 200  # bytes of a value that is remembered
_MOST: Final = 500  # values
_ELEMENTS: Final = 100  # of one value that are looked at

_chosen: Final[dict[tuple[bytes, tuple[bytes, ...]], bytes]] = {}


def choose(accept: bytes | None, offered: tuple[bytes, ...]) -> bytes:
    """The one of the codings ``offered`` that ``accept``, the value of Accept-Encoding, wants most; empty: none.

    Where it wants several equally, the first offered one.  A client that refuses even what has no coding gets that:
    it can be read at least.
    """
    if not accept:
        return b""
    key = (accept, offered)
    coding = _chosen.get(key)
    if coding is None:
        coding = _choose(accept, offered)
        if len(accept) <= _LONGEST:
            if len(_chosen) >= _MOST:
                _chosen.clear()
            _chosen[key] = coding
    return coding


def _choose(accept: bytes, offered: tuple[bytes, ...]) -> bytes:
    weights = _weights(accept)
    others = weights.get(b"*")
    best, most = b"", weights.get(_IDENTITY, _LEAST if others is None else others)
    for coding in offered:
        weight = weights.get(coding, others or 0.0)
        if weight > 0.0 and (weight > most or (weight == most and not best)):
            best, most = coding, weight
    return best


def _weights(accept: bytes) -> dict[bytes, float]:
    """By coding, in lower case.  An element that is written wrongly says nothing."""
    weights: dict[bytes, float] = {}
    for element in accept.split(b",", _ELEMENTS)[:_ELEMENTS]:
        found = _ELEMENT.fullmatch(element)
        if found is not None and found["coding"] is not None:
            coding = found["coding"].lower()
            weight = 1.0 if found["weight"] is None else float(found["weight"])
            weights[_ALIASES.get(coding, coding)] = weight
    return weights
