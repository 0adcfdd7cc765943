"""Parts of a representation (RFC 9110 section 14): which bytes a request's Range asks for, and how several are framed.

Rules of this room: ``Range`` is a wish.  One that is not understood, is written wrongly, or asks for more parts than
anything needs is as if it were not there, which the RFC allows; one that asks only for bytes that are not there is
refused.  Parts keep the order in which they were asked for, because a client may want the end of a file first; parts
that overlap become one, so no byte is sent twice.
"""

from typing import Final

Part = tuple[int, int]  # where it starts, its size

MOST: Final = 16  # parts of one response
_MOST_WRITTEN: Final = 256  # specifications in one field, merged or not
_UNIT: Final = b"bytes="
_DIGITS: Final = 100  # no file is that large
_HUGE: Final = 10**_DIGITS


def ranges(value: bytes, size: int) -> list[Part] | None:
    """The parts of a representation of ``size`` bytes that ``value`` of Range asks for.

    ``None``: the field is to be ignored.  Empty: nothing that it asks for is there (416).
    """
    if value[: len(_UNIT)].lower() != _UNIT or value.count(b",") >= _MOST_WRITTEN:
        return None
    parts: list[Part] = []
    some = False
    for spec in value[len(_UNIT) :].split(b","):
        spec = spec.strip(b" \t")
        if not spec:
            continue  # section 5.6.1.2
        part = _part(spec, size)
        if part is None:
            return None
        if not size and not part[0]:
            return None  # from the beginning of nothing on: some clients ask so for everything
        some = True
        if part[1]:
            parts.append(part)
    if not some:
        return None
    parts = _merged(parts) if len(parts) > 1 else parts
    return parts if len(parts) <= MOST else None


def _part(spec: bytes, size: int) -> Part | None:
    """``None``: it is written wrongly.  A size of 0: it is of bytes that are not there."""
    first, dash, last = spec.partition(b"-")
    if not dash or (first and not first.isdigit()) or (last and not last.isdigit()):
        return None
    if not first:
        return _last(_number(last), size) if last else None
    start = _number(first)
    if not last:
        return start, max(size - start, 0)
    end = _number(last)
    if end < start:
        return None
    return start, max(min(end + 1, size) - start, 0)


def _last(count: int, size: int) -> Part:
    count = min(count, size)
    return size - count, count


def _number(digits: bytes) -> int:
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _DIGITS else _HUGE


def _merged(parts: list[Part]) -> list[Part]:
    """Those that overlap as one, in the place of the first of them that was asked for."""
    merged: list[tuple[int, int, int]] = []  # place in the order, start, end
    for start, place, length in sorted((start, place, length) for place, (start, length) in enumerate(parts)):
        if merged and start < merged[-1][2]:
            before = merged.pop()
            merged.append((min(before[0], place), before[1], max(before[2], start + length)))
        else:
            merged.append((place, start, start + length))
    return [(start, end - start) for _, start, end in sorted(merged)]


def content_range(part: Part, size: int) -> bytes:
    """The line Content-Range of a 206, or of one of its parts."""
    start, length = part
    return b"Content-Range: bytes %d-%d/%d\r\n" % (start, start + length - 1, size)


def unsatisfied(size: int) -> bytes:
    """The line Content-Range of a 416."""
    return b"Content-Range: bytes */%d\r\n" % size


def delimiters(parts: list[Part], size: int, media: bytes, boundary: bytes) -> list[bytes]:
    """What stands before each of several parts, and behind the last one (section 14.6; RFC 2046 section 5.1.1).

    ``media``: Content-Type of the representation, empty if it has none; ``boundary``: not to be quoted, because some
    clients do not expect that.
    """
    kind = b"Content-Type: %b\r\n" % media if media else b""
    before = [b"\r\n--%b\r\n%b%b\r\n" % (boundary, kind, content_range(part, size)) for part in parts]
    before[0] = before[0][2:]
    return [*before, b"\r\n--%b--\r\n" % boundary]
