"""Values out of a block of field lines; most requests are never looked at this way."""

from rsp.http.names import split


def field(fields: bytes, name: bytes) -> bytes | None:
    """The value of the first field ``name`` (lower case)."""
    for line in split(fields):
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip(b" \t")
    return None


def flat(fields: bytes) -> list[bytes]:
    """All names and values in turn."""
    found: list[bytes] = []
    for line in split(fields):
        name, colon, value = line.partition(b":")
        if colon:
            found += (name, value.strip(b" \t"))
    return found


def cookies(fields: bytes, name: bytes) -> list[bytes]:
    """The values of all cookies ``name``."""
    found: list[bytes] = []
    for line in split(fields):
        key, _, value = line.partition(b":")
        if key.lower() == b"cookie":
            for pair in value.split(b";"):
                given, equals, content = pair.partition(b"=")
                if equals and given.strip(b" \t") == name:
                    found.append(content.strip(b' \t"'))
    return found


def cookie(fields: bytes, name: bytes) -> bytes | None:
    """The value of the first cookie ``name`` (RFC 6265 section 4.2.1)."""
    found = cookies(fields, name)
    return found[0] if found else None
