"""Which ciphers of TLS 1.2 HTTP/2 may be used with: RFC 9113 section 9.2.2 and appendix A.

Those of the profiles are all among them, and so are all of TLS 1.3.  A list of the operator's own may have others:
over HTTP/2 they come last, and a client without a better cipher gets HTTP/1.1.
"""

import ssl
from functools import lru_cache
from typing import Final

import msgspec

_KEYS: Final = {"auth-rsa": "rsa", "auth-ecdsa": "ecdsa"}  # OpenSSL's word, and that of certificates
_MOST_KNOWN: Final = 8


class Suites(msgspec.Struct, frozen=True):
    """``good``: as a hello has them, two bytes each, by the kind of key that the server needs; ``bad``: their names."""

    good: dict[str, frozenset[bytes]]
    bad: tuple[str, ...]

    def find(self, offered: bytes, kinds: set[str]) -> bool:
        """Whether there is a good one among ``offered`` for a certificate of one of ``kinds``."""
        pairs = {offered[at : at + 2] for at in range(0, len(offered), 2)}
        return any(not pairs.isdisjoint(self.good.get(kind, ())) for kind in kinds)


@lru_cache(_MOST_KNOWN)
def suites_of(ciphers: str) -> Suites:
    """``ciphers``: a list as OpenSSL writes it.  Raises :class:`ssl.SSLError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    good: dict[str, frozenset[bytes]] = {}
    bad = []
    for cipher in context.get_ciphers():
        kind = _KEYS.get(cipher["auth"])
        if cipher["protocol"] == "TLSv1.3":
            continue
        if cipher["aead"] and cipher["kea"] == "kx-ecdhe" and kind:  # rsp has no parameters for DHE
            good[kind] = good.get(kind, frozenset()) | {(cipher["id"] & 0xFFFF).to_bytes(2)}
        else:
            bad.append(cipher["name"])
    return Suites(good, tuple(bad))


def bad_ones_last(ciphers: str) -> str:
    """The same list for a context over which HTTP/2 may be agreed on.  Raises :class:`ssl.SSLError`."""
    return ":".join((ciphers, *(f"+{name}" for name in suites_of(ciphers).bad)))
