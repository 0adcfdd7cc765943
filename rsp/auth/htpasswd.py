"""An htpasswd file: its lines, and what is wrong with each."""

from collections.abc import Iterator

from rsp.auth import hashes


def lines(source: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, name and hash of each user; nginx takes what follows a second colon for a comment."""
    for number, line in enumerate(source.splitlines(), 1):
        line = line.strip()
        if line and not line.startswith(b"#"):
            name, _, rest = line.partition(b":")
            yield number, name, rest.partition(b":")[0]


def check(source: bytes) -> None:
    """Raises :class:`ValueError` for the first line that is not valid."""
    for number, wrong in mistakes(source):
        raise ValueError(f"line {number}: {wrong}")


def mistakes(source: bytes) -> Iterator[tuple[int, str]]:
    """Number and mistake of each line that is not valid, without what stands in it."""
    for number, name, hashed in lines(source):
        wrong = hashes.mistake(hashed) if name and hashed else f"expected NAME:HASH; {hashes.HOW}"
        if wrong:
            yield number, wrong
