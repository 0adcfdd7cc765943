"""Single fields in a block of field lines, each with its CRLF, for hooks: read, dropped, listed.

Names are compared in any case.  The compiled twin is lines.pyx.
"""

from rsp.http.names import fold, without


def get(block: bytes, name: bytes) -> bytes | None:
    """The values of all fields ``name`` as one list (RFC 9110 section 5.3); of Set-Cookie, which is none, the first."""
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


def drop(block: bytes, name: bytes) -> bytes:
    """The block without the fields ``name``, in every spelling that a backend may take for it (``names.fold``)."""
    return without(block, (fold(name),))
