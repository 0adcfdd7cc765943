"""URLs that rsp itself asks: of keys, of a collector of traces."""

import re
from typing import Final, NamedTuple

from rsp.config.units import Peer, show

_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_VISIBLE: Final = re.compile(r"[!-~]*")


class HttpUrl(NamedTuple):
    """``authority``: the host as a request names it."""

    is_secure: bool
    address: Peer
    authority: str
    target: str

    @classmethod
    def parse(cls, url: str, expected: str, credentials: str) -> "HttpUrl":
        """Raises :class:`ValueError` with what was ``expected``, or, where there are credentials, with that text; never
        with the credentials."""
        found = _URL.fullmatch(url)
        if found is None or _VISIBLE.fullmatch(url) is None:
            raise ValueError(f"expected {expected}, got {show(url.rpartition('@')[2])}")
        is_secure, authority, target = found[1].lower() == "https", found[2], found[3]
        if "@" in authority:
            raise ValueError(credentials)
        has_port = re.search(r":\d+$", authority) is not None
        address = Peer.parse(authority if has_port else f"{authority}:{443 if is_secure else 80}")
        if address.is_unix or address.is_srv:
            raise ValueError(f"expected {expected}, got {show(url)}")
        return cls(is_secure, address, authority, target if target[:1] == "/" else "/" + target)

    def __str__(self) -> str:
        """For messages: without a query, which may be a secret."""
        return f"{'https' if self.is_secure else 'http'}://{self.authority}{self.target.partition('?')[0]}"
