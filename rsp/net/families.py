"""Which of its two families of addresses a host's peers are of.

With both, a host would count twice.  So its peers are its IPv4 addresses, unless none of them accepts a connection and
one of its IPv6 addresses does: a development server on ``localhost``, for instance, may listen on ::1 only.  That is
remembered, until it is the other way round.
"""

import asyncio
from typing import Final

_AT_ONCE: Final = 16  # addresses that are tried; when so many do not answer, the others will not either
_PATIENCE: Final = 1.0  # seconds


class Families:
    """By host and port, for as long as the process lives."""

    def __init__(self) -> None:
        self._later: set[tuple[str, int]] = set()  # where IPv6 is in use

    def order(self, host: str, port: int) -> tuple[str, str]:
        """The kinds of records, first the one in use."""
        return ("AAAA", "A") if (host, port) in self._later else ("A", "AAAA")

    def use(self, host: str, port: int, kind: str) -> None:
        if kind == "AAAA":
            self._later.add((host, port))
        else:
            self._later.discard((host, port))


async def one_accepts(addresses: list[str], port: int) -> bool:
    """Whether one of ``addresses`` accepts a connection, which is closed at once."""
    attempts = [asyncio.ensure_future(_accepts(address, port)) for address in addresses[:_AT_ONCE]]
    try:
        for attempt in asyncio.as_completed(attempts):
            if await attempt:
                return True
        return False
    finally:
        for attempt in attempts:
            attempt.cancel()


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True
