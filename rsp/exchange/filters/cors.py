"""What pages of other origins may do (the Fetch standard: CORS protocol): preflights answered, every response marked.

``CorsFilter`` answers preflights, which never reach the peer; ``CorsRule`` marks all responses of the route, errors
included, because a page may read no status and no body of one that is not marked.  What a peer says of that itself is
dropped: browsers refuse two Access-Control-Allow-Origin, even where they agree.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from rsp.config.filters import Cors
from rsp.exchange.filter import DONE, PASS, FieldRule, Filter
from rsp.exchange.subject import Subject
from rsp.http.lines import get, which, without
from rsp.http.message import ResponseHead
from rsp.http.pieces import joined

_WRITTEN: Final = (
    b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-expose-headers",
)  # fmt: skip
_ORIGIN: Final = b"origin"
_METHOD: Final = b"access-control-request-method"
_HEADERS: Final = b"access-control-request-headers"
_OPTIONS: Final = b"OPTIONS"
_VARY: Final = b"Vary: Origin\r\n"
_SAFE: Final = "GET, HEAD, POST"  # which need no permission
_NAMES: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z, \t]*")
_LABELS: Final = re.compile(rb"[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*")
_KNOWN: Final = 1024  # origins of patterns that are remembered
_LONGEST: Final = 300  # bytes: a name has 253


class Origins:
    """``"*"``, origins as browsers send them, and patterns such as ``"https://*.example.org"``."""

    __slots__ = ("_known", "_patterns", "any")

    def __init__(self, origins: Iterable[str]) -> None:
        texts = [origin.lower().encode() for origin in origins]
        self.any = b"*" in texts
        self._known = {text: True for text in texts if b"*" not in text}
        self._patterns = [text.split(b"*", 1) for text in texts if text != b"*" and b"*" in text]

    def have(self, origin: bytes) -> bool:
        """Whether pages of ``origin`` are meant."""
        known = self._known.get(origin)
        if known is not None:
            return known
        if self.any or len(origin) > _LONGEST:
            return self.any
        found = False
        for before, after in self._patterns:
            found = found or _fits(origin, before, after)
        if self._patterns and len(self._known) < _KNOWN:
            self._known[origin] = found
        return found


def _fits(origin: bytes, before: bytes, after: bytes) -> bool:
    if not (origin.startswith(before) and origin.endswith(after)):
        return False
    return _LABELS.fullmatch(origin[len(before) : len(origin) - len(after)]) is not None


class CorsRule(FieldRule):
    """What every response says."""

    __slots__ = ("_after", "_for_all", "_last", "_lines", "_origins", "_told")

    def __init__(self, cors: Cors, origins: Origins) -> None:
        expose = f"Access-Control-Expose-Headers: {', '.join(cors.expose)}\r\n" if cors.expose else ""
        credentials = "Access-Control-Allow-Credentials: true\r\n" if cors.credentials else ""
        self._origins = origins
        self._after = f"\r\n{credentials}{expose}".encode()
        # The same for all, so that caches need not tell them apart.
        self._for_all = b"Access-Control-Allow-Origin: *" + self._after if origins.any and not cors.credentials else b""
        self._lines: dict[bytes | None, bytes] = {None: _VARY}  # by origin
        self._last: bytes | None = None  # most sites have one origin: without a hash, where it comes again
        self._told = _VARY

    def apply(self, exchange: Any, head: ResponseHead) -> None:
        subject: Subject = exchange
        if which(head.fields, _WRITTEN):
            head.fields = without(head.fields, _WRITTEN)
        if self._for_all:
            head.fields = joined(head.fields, self._for_all)
            return
        origin = get(subject.head.fields, _ORIGIN)
        if origin != self._last:
            lines = self._lines.get(origin)
            self._told = self._make_lines(origin or b"") if lines is None else lines
            self._last = origin
        head.fields = joined(head.fields, self._told)

    def _make_lines(self, origin: bytes) -> bytes:
        lines = _VARY
        if self._origins.have(origin):
            lines += b"Access-Control-Allow-Origin: " + origin + self._after
        if len(self._lines) < _KNOWN and len(origin) <= _LONGEST:
            self._lines[origin] = lines
        return lines


class CorsFilter(Filter):
    """Answers preflights: 204 to those of allowed origins, which say what is allowed; 403 to others."""

    __slots__ = ("_any_header", "_any_method", "_headers", "_lines", "_origins")

    def __init__(self, cors: Cors, origins: Origins) -> None:
        self._origins = origins
        methods = ", ".join(cors.methods) or _SAFE
        # With credentials "*" is a name like any other, and Authorization is never meant by it.
        self._any_method, self._any_header = "*" in cors.methods, "*" in cors.headers
        self._headers = ", ".join(cors.headers).encode()
        allowed = "" if self._any_method else f"Access-Control-Allow-Methods: {methods}\r\n"
        self._lines = f"{allowed}Access-Control-Max-Age: {int(cors.max_age)}\r\n".encode()

    def is_light(self) -> bool:
        return True

    def request(self, exchange: Any) -> int:
        subject: Subject = exchange
        if subject.head.method != _OPTIONS:
            return PASS
        return self._answer(exchange)

    def _answer(self, exchange: Any) -> int:
        fields = exchange.head.fields
        origin, method = get(fields, _ORIGIN), get(fields, _METHOD)
        if origin is None or method is None:  # a request like any other
            return PASS
        if not self._origins.have(origin):
            exchange.refuse(HTTPStatus.FORBIDDEN, "this origin is not allowed by cors")
            return DONE
        lines = self._lines + b"Vary: Access-Control-Request-Method, Access-Control-Request-Headers\r\n"
        if self._any_method and _NAMES.fullmatch(method):
            lines += b"Access-Control-Allow-Methods: %b\r\n" % method
        headers = get(fields, _HEADERS) if self._any_header else self._headers
        if headers and _NAMES.fullmatch(headers):
            lines += b"Access-Control-Allow-Headers: %b\r\n" % headers
        exchange.answer((HTTPStatus.NO_CONTENT, b"", lines, b""))
        return DONE


def cors_filter(cors: Cors) -> CorsFilter:
    return CorsFilter(cors, Origins(cors.origins))


def cors_rule(cors: Cors) -> CorsRule:
    return CorsRule(cors, Origins(cors.origins))
