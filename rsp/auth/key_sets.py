"""Sets of an issuer's public keys (JWKS, RFC 7517): which of them can verify signatures, and with which algorithms.

What an issuer publishes comes from the network.  It is reduced to what is needed once, by the process that has fetched
it; what cannot be used is left out: symmetric and private parts, keys for encryption, RSA with fewer than 2048 bits,
which RFC 7518 section 3.3 forbids.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

LARGEST: Final = 256 << 10  # bytes of a set, as it is published
_MOST: Final = 100  # keys
_LEAST_BITS: Final = 2048  # of RSA
_MOST_BITS: Final = 8192  # a signature takes 0.3 ms to verify
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
_EDWARDS: Final = ("Ed25519", "Ed448")
_KEPT: Final[tuple[str, ...]] = ("alg", "crv", "e", "kid", "kty", "n", "x", "y")


class Key(NamedTuple):
    """``identifier``: what tokens call it (`kid`), if it has a name; ``public``: as the library takes it."""

    identifier: str | None
    algorithms: tuple[str, ...]
    public: Any


class KeySet:
    """``source``: as :func:`reduced` leaves it.  Raises :class:`ValueError`."""

    def __init__(self, source: bytes) -> None:
        self._keys = [_key(each) for each in _listed(source)]

    def find(self, identifier: str | None, algorithm: str) -> Iterator[Key]:
        """Those that can have signed a token that calls its key so; where one of them has no name, it may be any."""
        for key in self._keys:
            if algorithm in key.algorithms and (identifier is None or key.identifier in (None, identifier)):
                yield key

    def knows(self, identifier: str) -> bool:
        """Whether there is a key that may have that name."""
        return any(key.identifier in (None, identifier) for key in self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def reduced(source: bytes) -> bytes:
    """The same set with nothing in it but what verifies, in an order that depends on nothing else.

    Raises :class:`ValueError` with a clause where nothing is left.
    """
    kept: list[dict[str, str]] = []
    refused: list[str] = []
    for each in _listed(source):
        try:
            _key(each)
        except ValueError as error:
            refused.append(str(error))
        else:
            kept.append({name: each[name] for name in _KEPT if name in each})
    if not kept:
        why = f" ({'; '.join(dict.fromkeys(refused))})" if refused else ""
        raise ValueError(f"it has no key that verifies signatures{why[:300]}")
    return msgspec.json.encode({"keys": sorted(kept, key=lambda key: sorted(key.items()))})


def _listed(source: bytes) -> list[dict[str, Any]]:
    if len(source) > LARGEST:
        raise ValueError(f"it has more than {LARGEST >> 10} KB")
    try:
        listed = msgspec.json.decode(source, type=dict[str, Any])["keys"]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, KeyError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError('it is not a set of keys, {"keys": [...]}')
    if len(listed) > _MOST:
        raise ValueError(f"it has more than {_MOST} keys")
    return listed


def _key(given: dict[str, Any]) -> Key:
    """Raises :class:`ValueError` with a clause, which repeats nothing but names."""
    if any(not isinstance(given.get(name, ""), str) for name in _KEPT):
        raise ValueError("a key with a value that is not a string")
    if given.get("use", "sig") != "sig":
        raise ValueError("a key that is not for signatures")
    operations = given.get("key_ops")
    if isinstance(operations, list) and "verify" not in operations:
        raise ValueError("a key that is not for signatures")
    possible, public = _public(given)
    algorithm = given.get("alg")
    algorithms = tuple(each for each in possible if algorithm in (None, each))
    if not algorithms:
        raise ValueError("a key with an algorithm that does not fit it")
    return Key(given.get("kid"), algorithms, public)


def _public(given: dict[str, Any]) -> tuple[tuple[str, ...], Any]:
    """The algorithms of such a key, and the key."""
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

    kind, curve = given.get("kty"), given.get("crv")
    plain = {name: given[name] for name in _KEPT if name in given}  # without private parts
    try:
        if kind == "RSA":
            public = RSAAlgorithm.from_jwk(plain)
            if not _LEAST_BITS <= public.key_size <= _MOST_BITS:
                raise ValueError(f"an RSA key of {public.key_size} bits, expected {_LEAST_BITS} to {_MOST_BITS}")
            return _RSA, public
        if kind == "EC" and curve in _CURVES:
            return _CURVES[curve], ECAlgorithm.from_jwk(plain)
        if kind == "OKP" and curve in _EDWARDS:
            return ("EdDSA",), OKPAlgorithm.from_jwk(plain)
    except ValueError as error:
        bits = str(error)
        raise ValueError(bits if bits.startswith("an RSA key of ") else f"a damaged {kind} key") from None
    except Exception:  # whatever the libraries make of it
        raise ValueError(f"a damaged {kind} key") from None
    if kind == "oct":
        raise ValueError("a secret key")
    raise ValueError("a key of a kind that is not supported")
