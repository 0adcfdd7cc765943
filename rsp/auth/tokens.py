"""Signed tokens (JWT, RFC 7519) of one issuer: whether one is valid, and which were found to be.

Rules of this room: only the configuration says which algorithms are accepted, all of them asymmetric, and a key is used
with its own alone (RFC 8725 sections 3.1 and 3.2).  Nothing that a token says is followed: no `jku`, no `jwk`, no
`x5u`.  What is wrong is told in words of our own, never with what the token has.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from rsp.auth.key_sets import KeySet
from rsp.http.pieces import part

LONGEST: Final = 16 << 10  # bytes of a token
_MOST: Final = 4096  # tokens that are remembered,
_MOST_BYTES: Final = 4 << 20  # and what they have together
_TRIES: Final = 8  # keys for one token
_DRIFT: Final = 10.0  # seconds that the issuer's clock may be ahead: tokens are used as soon as they are made
_LATEST: Final = 1 << 40  # seconds since the epoch: the year 36812
_TAIL: Final = 32  # characters of the signature, by which a token is looked up
_LONGEST_SUBJECT: Final = 256  # characters; what is longer, or has control characters, goes nowhere
_SCHEME: Final = b"bearer "
_FORM: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7515 section 7.1
_LISTS_IN_TEXT: Final = ("scope", "scp")  # RFC 6749 section 3.3: words with spaces between them

_known: "WeakValueDictionary[tuple[str, bytes], Tokens]" = WeakValueDictionary()

Claim = str | int | bool | tuple[str, ...]


class Rules(NamedTuple):
    """What a token has to be like.  ``claims``: names and what is wanted of each.

    ``leeway``: seconds that clocks may differ, for all of `exp`, `nbf` and `iat`.
    """

    algorithms: tuple[str, ...]
    issuer: str | None
    audience: tuple[str, ...]
    claims: tuple[tuple[str, Claim], ...]
    leeway: float


class Refused(Exception):
    """Why a token is not accepted: a clause.  ``error``: as RFC 6750 section 3.1 calls it, or empty.

    ``unknown_key``: another set of keys might say something else.
    """

    def __init__(self, status: int, error: str, reason: str, *, unknown_key: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason
        self.unknown_key = unknown_key


class Valid:
    """A token that was found to be valid: the whole ``value`` of `Authorization`."""

    __slots__ = ("subject", "until", "value")

    def __init__(self, value: bytes, until: float, subject: bytes) -> None:
        self.value = value
        self.until = until
        self.subject = subject


class Tokens:
    """``keys``: the issuer's, as ``key_sets.reduced`` leaves them; empty: none are known.  Raises :class:`ValueError`.

    A token that was valid is remembered until it expires, for as long as the keys stay the same: with other keys there
    are other :class:`Tokens`.
    """

    def __init__(self, rules: Rules, keys: bytes) -> None:
        import jwt  # noqa: F401 - not while requests wait

        self._rules = rules
        self._keys = KeySet(keys) if keys else None
        self._valid: dict[bytes, Valid] = {}
        self._size = 0

    @classmethod
    def of(cls, rules: Rules, keys: bytes) -> "Tokens":
        """The same object for the same content, so that routes share it and a reload forgets nothing."""
        key = repr(rules), keys  # its text, because 1 equals True
        found = _known.get(key)
        if found is None:
            found = _known[key] = cls(rules, keys)
        return found

    @property
    def has_keys(self) -> bool:
        return self._keys is not None

    # -- what was valid

    def recall(self, value: bytes, now: float) -> bytes | None:
        """The subject of the token in ``value``, of `Authorization`, if it was found to be valid; may be empty.

        The end of a signature is as good a key as a hash: only valid tokens get here, and all of it is compared then.
        """
        size = len(value)
        known = self._valid.get(part(value, size - _TAIL, size)) if size > _TAIL else None
        if known is None or known.value != value or known.until <= now:
            return None
        return known.subject

    def _remember(self, value: bytes, until: float, subject: bytes) -> None:
        while self._valid and (len(self._valid) >= _MOST or self._size + len(value) > _MOST_BYTES):
            self._forget(next(iter(self._valid)))
        self._forget(value[-_TAIL:])
        self._valid[value[-_TAIL:]] = Valid(value, until, subject)
        self._size += len(value)

    def _forget(self, tail: bytes) -> None:
        known = self._valid.pop(tail, None)
        if known is not None:
            self._size -= len(known.value)

    # -- what is not known yet

    def check(self, value: bytes | None, now: float) -> bytes:
        """The subject of the token in ``value``, of `Authorization`; may be empty.  Raises :class:`Refused`."""
        if value is None or value[: len(_SCHEME)].lower() != _SCHEME:
            raise Refused(401, "", "a token is required (Authorization: Bearer)")
        if self._keys is None:
            raise Refused(503, "", "the keys of the issuer are not known yet", unknown_key=True)
        token = value[len(_SCHEME) :].strip(b" ")
        if len(token) > LONGEST or _FORM.fullmatch(token) is None:
            raise _invalid("the token is not valid")
        claims = self._verified(token, self._keys)
        until = _end(claims["exp"])
        if until + self._rules.leeway <= now:
            raise _invalid("the token has expired")
        for name, wanted in self._rules.claims:
            if not satisfies(claims, name, wanted):
                raise Refused(403, "insufficient_scope", "the token does not have the claims that are required")
        subject = _subject(claims)
        if until > now:
            self._remember(value, until, subject)
        return subject

    def _verified(self, token: bytes, keys: KeySet) -> dict[str, Any]:
        """Its claims.  Raises :class:`Refused`."""
        try:
            return self._decoded(token, keys)
        except Refused:
            raise
        except Exception:  # whatever the libraries make of it
            raise _invalid("the token is not valid") from None

    def _decoded(self, token: bytes, keys: KeySet) -> dict[str, Any]:
        import jwt

        head = jwt.get_unverified_header(token)
        algorithm, identifier = head.get("alg"), head.get("kid")
        if algorithm not in self._rules.algorithms:
            raise _invalid("the token has an algorithm that is not accepted")
        if "crit" in head or head.get("b64", True) is not True:  # RFC 7515 section 4.1.11: none is known here
            raise _invalid("the token has an extension that is not known")
        if identifier is not None and not keys.knows(identifier):
            raise Refused(401, "invalid_token", "the token is signed with a key that is not known", unknown_key=True)
        for key in islice(keys.find(identifier, algorithm), _TRIES):
            try:
                return self._claims(token, algorithm, key.public)
            except jwt.InvalidSignatureError:
                continue
        raise _invalid("the signature of the token is not valid")

    def _claims(self, token: bytes, algorithm: str, key: Any) -> dict[str, Any]:
        """Raises :class:`Refused` and ``jwt.InvalidSignatureError``."""
        import jwt

        rules = self._rules
        options: Any = {  # `exp` is compared with the caller's clock
            "require": ["exp"], "verify_exp": False, "verify_aud": bool(rules.audience), "verify_sub": False,
        }  # fmt: skip
        try:
            return jwt.decode(
                token, key, [algorithm], options, audience=rules.audience or None, issuer=rules.issuer,
                leeway=max(rules.leeway, _DRIFT),
            )  # fmt: skip
        except jwt.InvalidSignatureError:
            raise
        except jwt.ImmatureSignatureError:
            raise _invalid("the token is not valid yet") from None
        except jwt.InvalidAudienceError:
            raise _invalid("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _invalid("the token is from another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise _invalid(f"the token has no {error.claim}") from None


def _invalid(reason: str) -> Refused:
    return Refused(401, "invalid_token", reason)


def _end(expires: Any) -> float:
    """RFC 7519 section 2: a number of seconds.  Raises :class:`Refused`."""
    if not isinstance(expires, int | float) or isinstance(expires, bool) or not 0 <= expires <= _LATEST:
        raise _invalid("the token has no valid exp")
    return float(expires)


def _subject(claims: Mapping[str, Any]) -> bytes:
    subject = claims.get("sub")
    sound = isinstance(subject, str) and subject.isprintable() and len(subject) <= _LONGEST_SUBJECT
    return str(subject).encode() if sound else b""


def satisfies(claims: Mapping[str, Any], name: str, wanted: Claim) -> bool:
    """Whether the claim ``name`` is what is ``wanted``, or has it; of several that are wanted, one."""
    found = _found(claims, name)
    if name in _LISTS_IN_TEXT and isinstance(found, str):
        found = found.split(" ")
    has: Sequence[Any] = found if isinstance(found, list) else (found,)
    return any(_same(each, one) for one in (wanted if isinstance(wanted, tuple) else (wanted,)) for each in has)


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """A dot may be part of a name (`https://example.com/roles`), or lead into a table."""
    if name in claims:
        return claims[name]
    first, dot, rest = name.partition(".")
    inner = claims.get(first) if dot else None
    return _found(inner, rest) if isinstance(inner, dict) else None


def _same(found: Any, wanted: str | int | bool) -> bool:
    """True is not 1, and "1" is neither."""
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
