"""Fields that make browsers careful, where a response does not have them.

Strict-Transport-Security is sent over TLS only, and a peer's own is dropped over plain HTTP (RFC 6797 section 7.2).
The setting ``hsts`` goes before: it has put its line into the response by then.
"""

from typing import Any, Final

from rsp.config.filters import SecurityHeaders
from rsp.exchange.filter import FieldRule
from rsp.exchange.filters.headers import hsts_line
from rsp.exchange.subject import Subject
from rsp.exchange.told import scheme_of
from rsp.http.lines import which, without
from rsp.http.message import ResponseHead
from rsp.http.pieces import joined

_HSTS: Final = b"strict-transport-security"
_HTTPS: Final = b"https"


class SecurityRule(FieldRule):
    """``names`` in lower case, each with its line; the last one is Strict-Transport-Security, if it is wanted."""

    __slots__ = ("_all", "_has_hsts", "_lines", "_names", "_plain", "_rests")

    def __init__(self, config: SecurityHeaders) -> None:
        fields = {
            "X-Content-Type-Options": config.content_type_options,
            "X-Frame-Options": config.frame_options,
            "Referrer-Policy": config.referrer_policy,
            "Content-Security-Policy": config.content_security_policy,
            "Permissions-Policy": config.permissions_policy,
            "Cross-Origin-Opener-Policy": config.opener_policy,
        }
        lines = {name.lower().encode(): f"{name}: {value}\r\n".encode() for name, value in fields.items() if value}
        self._plain = b"".join(lines.values())
        self._has_hsts = config.hsts is not False
        if self._has_hsts:
            lines[_HSTS] = hsts_line(config.hsts)
        self._names, self._lines = tuple(lines), tuple(lines.values())
        self._all = b"".join(lines.values())
        self._rests: dict[int, bytes] = {}  # what is left to say, by what is there

    def apply(self, exchange: Any, head: ResponseHead) -> None:
        subject: Subject = exchange
        secure = subject.session.scheme == _HTTPS
        if subject.head.forwarded:
            secure = scheme_of(subject) == _HTTPS
        there = which(head.fields, self._names)
        if there == 0:
            head.fields = joined(head.fields, self._all if secure else self._plain)
        else:
            self._complete(head, there, secure)

    def _complete(self, head: ResponseHead, there: int, secure: bool) -> None:
        """Those that it does not have; ``there``: by bits, those that it has."""
        if self._has_hsts and not secure:
            last = 1 << (len(self._names) - 1)
            if there & last:
                head.fields = without(head.fields, (_HSTS,))
            there |= last
        rest = self._rests.get(there)
        if rest is None:
            rest = b"".join([line for bit, line in enumerate(self._lines) if not there >> bit & 1])
            self._rests[there] = rest
        head.fields = joined(head.fields, rest)


def security_rules(*layers: bool | SecurityHeaders | None) -> tuple[FieldRule, ...]:
    """By the first of ``layers`` that says something."""
    said = next((layer for layer in layers if layer is not None), False)
    if said is False:
        return ()
    return (SecurityRule(said if isinstance(said, SecurityHeaders) else SecurityHeaders()),)
