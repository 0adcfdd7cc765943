"""Which responses are compressed, and what their heads say of it (``compress``).

Rules of this room: it looks at heads, and at bodies that are whole already; others are ``coder.py``'s.  A response
that would be compressed for another client says so in Vary, whether this client gets it compressed or not.
"""

import re
from collections.abc import Iterable
from time import monotonic
from typing import Final

from rsp.coding.coding import CHUNK, Coding
from rsp.coding.codings import named
from rsp.config.content import Compress
from rsp.http.framing import has_content
from rsp.http.lines import drop, get, which, without
from rsp.http.message import RequestHead, ResponseHead
from rsp.http.negotiation import choose
from rsp.logs import log
from rsp.net.effort import Effort

_NOT_MODIFIED: Final = 304
_PARTIAL: Final = 206
_HEAD: Final = b"HEAD"
_TYPE: Final = b"content-type"
_ACCEPTED: Final = b"accept-encoding"
_CONTROL: Final = b"cache-control"
_VARIES_BY: Final = b"vary"
_TAG: Final = b"etag"
# What decides it; the bits that ``which`` has for them.
_ASKED: Final = (b"content-encoding", _CONTROL, _VARIES_BY, b"content-range")
_CODED: Final = 1
_CONTROLLED: Final = 2
_VARIES: Final = 4
_RANGE: Final = 8
# What is true of the content as it was, and of no other.
CHANGED: Final = (_TAG, b"accept-ranges", b"content-md5", b"digest", b"content-digest", b"repr-digest")
_TAGGED: Final = 1
_VARY: Final = b"Vary: Accept-Encoding\r\n"
_NO_TRANSFORM: Final = re.compile(rb"(?i)(?:^|[,\s])no-transform(?:$|[,\s])")
_NAMED: Final = re.compile(rb"(?i)(?:^|[,\s])(?:accept-encoding|\*)(?:$|[,\s])")
_NEVER: Final = b"application/grpc"
_KNOWN: Final = 1000  # types that are remembered
_LONGEST: Final = 200  # bytes of such a type


class Compression:
    """Of a route.  Raises :class:`ImportError` where a library is missing."""

    __slots__ = ("_codings", "_kinds", "_level", "_min_size", "_offered", "_types", "effort")

    def __init__(self, config: Compress, effort: Effort) -> None:
        self.effort = effort
        self._offered = tuple(name.encode() for name in config.algorithms)
        self._codings = {name.encode(): named(name) for name in config.algorithms}
        self._types = _pattern(config.types)
        self._kinds: dict[bytes, bool] = {}
        self._min_size = int(config.min_size)
        self._level = config.level

    def begin(
        self, request: RequestHead, head: ResponseHead, pieces: list[bytes], whole: bool
    ) -> tuple[list[bytes], Coding | None]:
        """What is to be sent in the place of ``pieces``; or what they and all that follow are to be coded with.

        ``whole``: nothing follows.  ``head`` is changed to what is sent.
        """
        if head.status == _NOT_MODIFIED:
            self._renew(request, head)
            return pieces, None
        is_head = request.method == _HEAD
        if head.framing == 0 and not is_head:
            return pieces, None
        coding = self._choose(request, head, _size(head, pieces, whole))
        if coding is not None and is_head:
            mark(head, coding)
            head.has_length, head.length_line = False, b""
            return pieces, None
        if coding is None or not whole or not self.effort.has_time():
            return pieces, coding
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return (pieces, coding) if len(body) > CHUNK else ([self._code(head, coding, body)], None)

    def _choose(self, request: RequestHead, head: ResponseHead, size: int) -> Coding | None:
        """``None``: nothing is compressed.  ``size``: of the body, below 0 where that is not known."""
        kind = get(head.fields, _TYPE)
        if kind is None or request.grpc or not has_content(head.status) or not self._is_wanted(kind):
            return None
        there = which(head.fields, _ASKED)
        if there & _CODED or (there & _CONTROLLED and _NO_TRANSFORM.search(get(head.fields, _CONTROL) or b"")):
            return None
        partial = head.status == _PARTIAL or there & _RANGE
        if 0 <= size < self._min_size and not partial:
            return None
        if not there & _VARIES or not _NAMED.search(get(head.fields, _VARIES_BY) or b""):
            head.fields += _VARY
        if partial:
            return None
        chosen = choose(get(request.fields, _ACCEPTED), self._offered)
        if not chosen or _NO_TRANSFORM.search(get(request.fields, _CONTROL) or b""):
            return None
        return self._codings[chosen]

    def _code(self, head: ResponseHead, coding: Coding, body: bytes) -> bytes:
        """``body`` coded, or as it is if that is no larger, or not possible."""
        began = monotonic()
        try:
            coded = coding.whole(body, self.level())
        except Exception as error:
            complain(error, "is not compressed")
            return body
        self.effort.spend(monotonic() - began)
        if len(coded) >= len(body):
            return body
        self.effort.count(len(body), len(coded))
        mark(head, coding)
        head.framing, head.has_length, head.length_line = len(coded), True, b""
        return coded

    def level(self) -> int:
        """For a body that begins now."""
        return self.effort.level(self._level)

    def _is_wanted(self, kind: bytes) -> bool:
        wanted = self._kinds.get(kind)
        if wanted is None:
            media = kind.partition(b";")[0].strip().lower()
            wanted = self._types.fullmatch(media) is not None and not media.startswith(_NEVER)
            if len(self._kinds) < _KNOWN and len(kind) <= _LONGEST:
                self._kinds[kind] = wanted
        return wanted

    def unchanged(self, request: RequestHead, head: ResponseHead, fields: bytes, size: int) -> None:
        """``head`` is a 304 in the place of a 200 with these ``fields`` and so many bytes: it says of these what the
        200 would have said (RFC 9110 section 15.4.5)."""
        full = ResponseHead(200, b"OK", 1)
        full.fields = fields
        coding = self._choose(request, full, size)
        if len(full.fields) != len(fields):
            head.fields += _VARY
        tag = get(head.fields, _TAG)
        if coding is not None and tag is not None:
            head.fields = without(head.fields, (_TAG,)) + b"ETag: %b\r\n" % _weak(tag)

    def _renew(self, request: RequestHead, head: ResponseHead) -> None:
        """A client that has it compressed knows it by the weak form of its ETag, and updates nothing that has another
        one (RFC 9111 section 4.3.4)."""
        tag = get(head.fields, _TAG)
        known = get(request.fields, b"if-none-match")
        if tag is None or known is None or tag[:1] != b'"' or b"W/" + tag not in known:
            return
        head.fields = without(head.fields, (_TAG,)) + b"ETag: %b\r\n" % _weak(tag)
        if not _NAMED.search(get(head.fields, _VARIES_BY) or b""):
            head.fields += _VARY


def _size(head: ResponseHead, pieces: list[bytes], whole: bool) -> int:
    """Of the body that a GET gets, below 0 where that is not known."""
    if head.length_line:
        return int(head.length_line[len(b"Content-Length:") :])
    if whole and pieces:
        return sum(map(len, pieces))
    return head.framing or -1


def mark(head: ResponseHead, coding: Coding) -> None:
    """The body is coded.  Its length is for the caller to say."""
    fields = head.fields
    there = which(fields, CHANGED)
    tag = get(fields, _TAG) if there & _TAGGED else None
    for number, name in enumerate(CHANGED):
        if there >> number & 1:
            fields = drop(fields, name)
    if tag is not None:
        fields += b"ETag: %b\r\n" % _weak(tag)
    head.fields = fields + coding.line


def _weak(tag: bytes) -> bytes:
    return tag if tag.startswith(b"W/") else b"W/" + tag


def complain(error: Exception, what: str) -> None:
    log.once_a_second("compress", f"compress: a response {what}: {str(error) or type(error).__name__}", log.ERROR)


def _pattern(types: Iterable[str]) -> re.Pattern[bytes]:
    each = (b".*".join(re.escape(part) for part in kind.lower().encode().split(b"*")) for kind in types)
    return re.compile(b"|".join(each))
