"""Single fields in a block of field lines, each with its CRLF: read, dropped, listed, added.

Names are compared in any case.  The compiled twin is lines.pyx.
"""

from collections.abc import Collection

from rsp.http.names import fold, lines_without, split


def get(block: bytes, name: bytes) -> bytes | None:
    """The values of all fields ``name`` as one list (RFC 9110 section 5.3); of Set-Cookie, not a list, the first."""
    values = each(block, name)
    if not values:
        return None
    if len(values) == 1 or name.lower() == b"set-cookie":
        return values[0]
    return (b"; " if name.lower() == b"cookie" else b", ").join(values)


def each(block: bytes, name: bytes) -> list[bytes]:
    """The value of each field ``name``."""
    wanted = name.lower()
    found = []
    for line in block.split(b"\r\n"):
        key, colon, value = line.partition(b":")
        if colon and key.lower() == wanted:
            found.append(value.strip(b" \t"))
    return found


def which(block: bytes, names: tuple[bytes, ...]) -> int:
    """Which of ``names``, in lower case, it has a field of: bit n stands for ``names[n]``."""
    found = {line.partition(b":")[0].lower() for line in block.split(b"\r\n")}
    return sum(1 << number for number, name in enumerate(names) if name in found)


def drop(block: bytes, name: bytes) -> bytes:
    """The block without the fields ``name``, in every spelling that a backend may take for it (``names.fold``)."""
    return without(block, (fold(name),))


def without(block: bytes, names: Collection[bytes]) -> bytes:
    """The block without the fields of ``names``, which are folded, in any spelling."""
    return b"\r\n".join([*lines_without(split(block), names), b""])


def with_line(block: bytes, start: bytes, value: bytes) -> bytes:
    """The block, and a line behind it that begins with ``start``, the name and its colon."""
    return block + start + value + b"\r\n"


def one_line(value: bytes) -> bytes:
    """What of ``value`` may stand in a line: all but CR, LF and NUL."""
    return value.translate(None, b"\r\n\0")
