"""Request and response heads (RFC 9112 sections 2 to 6): strict in, clean out.

Rules of this room: a head arrives as one block of bytes that ends in an empty line.  One regular expression
decides whether the whole block is beyond doubt; only a block that fails is looked at again, slowly, for the
reason.  Then each field line is classified once by its name: most are forwarded as they stand, a few carry
framing or routing and are understood here, hop-by-hop ones are dropped.  Nothing is decoded to ``str``.  What a
block of request fields says is remembered, because clients repeat it.

This is the specification.  ``codec`` is what the proxy calls; its compiled twin understands plain heads by itself
and comes here with the rest.
"""

import re
from collections.abc import Collection
from typing import Final

from rsp.http1.errors import ProtocolError

# Framing of a body: a length in bytes (>= 0), or one of these.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_FIELDS = rb"((?:" + _TOKEN + rb"++:[\t -~\x80-\xff]*+\r\n)*+)\r\n"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"++) ([!-~]++) HTTP/1\.([01])")
_FIELD_BLOCK = re.compile(_FIELDS)
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*+))?\r\n" + _FIELDS)
_FIELD_LINE = re.compile(_TOKEN + rb"++:[\t -~\x80-\xff]*+")
_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_~!$&'()*+,;=%]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*+)([^#]*+)")
_ID = re.compile(rb"[A-Za-z0-9._:@/+=\-]{1,128}")
_NOT_PLAIN = re.compile(rb"%|//|/\.|\\")
_STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\x00")
# Schemes that authenticate a connection, not a request (RFC 4559 section 6): NTLM, Negotiate, Nego2.  A challenge may
# name several; the compiled codec comes here with credentials whose scheme begins with an N.
_BOUND_CREDENTIALS = re.compile(rb"[\t ]*(?:ntlm|nego)", re.IGNORECASE)
_BOUND_LINE = re.compile(rb"(?:\A|\n)(?:proxy-)?authorization:[\t ]*(?:ntlm|nego)", re.IGNORECASE)
_BOUND_CHALLENGE = re.compile(rb"(?:^|[\t ,])(?:ntlm|nego|true)", re.IGNORECASE)

# What a field means to a proxy.  Everything that is not named here is end-to-end and forwarded as it stands.
_PASS: Final = 0
_HOST_FIELD: Final = 1
_CONTENT_LENGTH: Final = 2
_TRANSFER_ENCODING: Final = 3
_CONNECTION: Final = 4
_HOP_BY_HOP: Final = 5
_UPGRADE: Final = 6
_EXPECT: Final = 7
_FORWARDED: Final = 8
_UNDERSCORE: Final = 9
_USER_AGENT: Final = 10
_REFERER: Final = 11
_TE: Final = 12
_REQUEST_ID: Final = 13
_CREDENTIALS: Final = 14
_CHALLENGE: Final = 15

_MEANING: Final = {
    b"host": _HOST_FIELD,
    b"content-length": _CONTENT_LENGTH,
    b"transfer-encoding": _TRANSFER_ENCODING,
    b"connection": _CONNECTION,
    b"proxy-connection": _HOP_BY_HOP,
    b"keep-alive": _HOP_BY_HOP,
    b"te": _TE,
    b"upgrade": _UPGRADE,
    b"expect": _EXPECT,
    b"forwarded": _FORWARDED,
    b"x-forwarded-for": _FORWARDED,
    b"x-forwarded-proto": _FORWARDED,
    b"x-forwarded-host": _FORWARDED,
    b"user-agent": _USER_AGENT,
    b"referer": _REFERER,
    b"x-request-id": _REQUEST_ID,
    b"authorization": _CREDENTIALS,
    b"proxy-authorization": _CREDENTIALS,
    b"www-authenticate": _CHALLENGE,
    b"proxy-authenticate": _CHALLENGE,
    b"persistent-auth": _CHALLENGE,
}
# Spelling as received -> meaning.  Learns the spellings that clients use, so that a name is lowered once.
_SPELLINGS: dict[bytes, int] = {}
_SPELLINGS_LIMIT: Final = 4096
# Connection options may not take these away: framing and routing are ours to write.
_PROTECTED: Final = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"te"))


def _meaning(name: bytes) -> int:
    lowered = name.lower()
    meaning = _UNDERSCORE if b"_" in lowered else _MEANING.get(lowered, _PASS)
    if len(_SPELLINGS) < _SPELLINGS_LIMIT:
        _SPELLINGS[name] = meaning
    return meaning


class _Fields:
    """What a block of request fields says, whatever the request line is.  Shared between requests: never changed."""

    # fmt: off
    __slots__ = (
        "codings", "connection_bound", "count", "expectation", "forwarded", "host", "hosts", "kept", "lengths",
        "options", "referer", "request_id", "te_trailers", "upgrade", "user_agent",
    )
    # fmt: on

    def __init__(self) -> None:
        self.kept = b""
        self.count = 0
        self.hosts = 0
        self.host = b""
        self.lengths: bytes | None = None
        self.codings: bytes | None = None
        self.options: bytes | None = None
        self.expectation = b""
        self.te_trailers = False
        self.connection_bound = False
        self.upgrade = b""
        self.forwarded: list[bytes] = []
        self.request_id = b""
        self.user_agent = b""
        self.referer = b""


class RequestHead:
    r"""What a proxy needs to know of a request; the rest stays the bytes that they were.

    ``fields``       the field lines to forward, each with its CRLF; never Host, framing, hop-by-hop or forwarded ones
    ``count``        how many field lines there were in all
    ``target``       origin-form or ``*``, as received (absolute-form is taken apart)
    ``path``         the target without its query; ``/`` for ``*``, which asks about the host as a whole
    ``plain``        whether the path can only be read as it is written: no ``%``, ``\``, ``//`` or ``/.`` in it
    ``host``         the authority that the request is for, without doubt; empty only in HTTP/1.0
    ``framing``      body length in bytes, or ``CHUNKED``
    ``keep_alive``   whether the client lets us keep the connection
    ``forwarded``    the lines that say whom another proxy forwarded for
    ``request_id``   X-Request-Id, if it is sound; else empty
    ``upgrade``      value of Upgrade, when Connection names it; else empty
    ``connection_bound``  its credentials authenticate the connection that it is sent on (NTLM, Negotiate)

    ``forwarded`` may be shared with other requests: it is not to be changed.
    """

    # fmt: off
    __slots__ = (
        "connection_bound", "count", "expect_continue", "fields", "forwarded", "framing", "host", "keep_alive",
        "method", "minor", "path", "plain", "referer", "request_id", "target", "te_trailers", "upgrade", "user_agent",
    )
    # fmt: on

    def __init__(self, method: bytes, target: bytes, minor: int, fields: _Fields) -> None:
        self.method = method
        self.target = target
        self.path = b""
        self.plain = True
        self.minor = minor
        self.host = fields.host
        self.fields = fields.kept
        self.count = fields.count
        self.framing = 0
        self.keep_alive = minor == 1
        self.expect_continue = False
        self.te_trailers = fields.te_trailers
        self.connection_bound = fields.connection_bound
        self.upgrade = b""
        self.forwarded = fields.forwarded
        self.request_id = fields.request_id
        self.user_agent = fields.user_agent
        self.referer = fields.referer


class ResponseHead:
    """A response head: ``fields`` and ``count`` as in :class:`RequestHead`; ``framing`` may also be ``UNTIL_CLOSE``.

    ``length_line`` is the Content-Length line of a response that has no body on the wire but names the length
    that a GET would have (HEAD, 304).  ``connection_bound``: it asks for credentials that authenticate the connection.
    """

    # fmt: off
    __slots__ = (
        "connection_bound", "count", "fields", "framing", "has_length", "keep_alive", "length_line", "minor", "reason",
        "status", "upgrade",
    )
    # fmt: on

    def __init__(self, status: int, reason: bytes, minor: int) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.fields = b""
        self.count = 0
        self.framing = 0
        self.length_line = b""
        self.has_length = False  # Content-Length: 0 was said, not implied
        self.keep_alive = minor == 1
        self.connection_bound = False
        self.upgrade = b""


def parse_request(block: bytes) -> RequestHead:
    """Understand one request head, from its first byte to its empty line (RFC 9112 sections 3 to 6).

    Raises :class:`ProtocolError` with 400, 405 (CONNECT), 417, 501 or 505 for whatever leaves a doubt.
    """
    line, _, field_block = block.partition(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    fields = _understood.get(field_block) or _understand(field_block)
    if match is None or fields is None:
        raise _explain(block, request=True)
    method, target, version = match.groups()
    head = RequestHead(method, target, version == b"1", fields)
    if fields.lengths is not None or fields.codings is not None:
        head.framing = _framing(fields.lengths, fields.codings, head.minor)
    if fields.options is not None:
        # A body before the switch, or HTTP/2 without us reading it, would hide requests from us.
        hidden = head.framing != 0 or b"h2c" in fields.upgrade.lower()
        _connection_options(head, fields.options, b"" if hidden else fields.upgrade)
    if fields.expectation:
        if fields.expectation != b"100-continue":
            raise ProtocolError("unknown expectation", 417)
        head.expect_continue = head.minor == 1
    _target(head, fields.hosts)
    end = head.target.find(b"?")
    head.path = b"/" if head.target == b"*" else head.target if end < 0 else head.target[:end]
    head.plain = _NOT_PLAIN.search(head.path) is None
    return head


# Field block -> what it says.  A client sends the same fields with every request of a page, but for the cookie jars of
# others; so the work is done once.  Bounded by the number and the size of the blocks.
_understood: dict[bytes, _Fields] = {}
_UNDERSTOOD_LIMIT: Final = 1024
_UNDERSTOOD_SIZE: Final = 2048


def _understand(block: bytes) -> _Fields | None:  # noqa: C901 - one flat loop: it is the hot path
    """What the fields in ``block``, which ends in an empty line, say; ``None`` for a block that is malformed."""
    match = _FIELD_BLOCK.fullmatch(block)
    if match is None:
        return None
    fields = _Fields()
    kept: list[bytes] = []
    given = match[1].split(b"\r\n")
    fields.count = len(given) - 1  # the last one is what stands behind the last CRLF
    spellings = _SPELLINGS
    for line in given:
        name, _, value = line.partition(b":")
        meaning = spellings.get(name)
        if meaning is None:
            meaning = _meaning(name)
        if meaning == _PASS:
            kept.append(line)
        elif meaning == _HOST_FIELD:
            fields.hosts += 1
            fields.host = value.strip(b" \t")
        elif meaning == _USER_AGENT:
            fields.user_agent = value.strip(b" \t")
            kept.append(line)
        elif meaning == _REFERER:
            fields.referer = value.strip(b" \t")
            kept.append(line)
        elif meaning == _CONNECTION:
            fields.options = _more(fields.options, value)
        elif meaning == _CONTENT_LENGTH:
            fields.lengths = _more(fields.lengths, value)
        elif meaning == _TRANSFER_ENCODING:
            fields.codings = _more(fields.codings, value)
        elif meaning == _UPGRADE:
            fields.upgrade = value.strip(b" \t")
        elif meaning == _TE:
            fields.te_trailers = b"trailers" in value.lower()
        elif meaning == _REQUEST_ID:
            value = value.strip(b" \t")
            if _ID.fullmatch(value) is not None:
                fields.request_id = value
        elif meaning == _FORWARDED:
            fields.forwarded.append(line)
        elif meaning == _EXPECT:
            fields.expectation = value.strip(b" \t").lower() or b"(empty)"
        elif meaning == _UNDERSCORE:
            _refuse_shadow(name, block)
            kept.append(line)
        elif meaning == _CREDENTIALS:
            if _BOUND_CREDENTIALS.match(value) is not None:
                fields.connection_bound = True
            kept.append(line)
        elif meaning == _CHALLENGE:
            kept.append(line)
    fields.kept = b"\r\n".join(kept)
    if fields.hosts and _HOST.fullmatch(fields.host) is None:
        raise ProtocolError("invalid Host")
    if len(block) <= _UNDERSTOOD_SIZE:
        if len(_understood) >= _UNDERSTOOD_LIMIT:
            _understood.clear()
        _understood[block] = fields
    return fields


def parse_response(block: bytes, method: bytes) -> ResponseHead:
    """Understand one response head to a request of ``method`` (RFC 9112 sections 4 to 6).

    Raises :class:`ProtocolError`; the caller answers 502 whatever its status.
    """
    match = _RESPONSE.fullmatch(block)
    if match is None:
        raise _explain(block, request=False)
    version, code, reason, fields = match.groups()
    head = ResponseHead(int(code), reason or b"", version == b"1")
    kept: list[bytes] = []
    given = fields.split(b"\r\n")
    head.count = len(given) - 1
    spellings = _SPELLINGS
    lengths = codings = options = None
    upgrade = b""
    for line in given:
        name, _, value = line.partition(b":")
        meaning = spellings.get(name)
        if meaning is None:
            meaning = _meaning(name)
        if meaning == _CONTENT_LENGTH:
            lengths = _more(lengths, value)
        elif meaning == _TRANSFER_ENCODING:
            codings = _more(codings, value)
        elif meaning == _CONNECTION:
            options = _more(options, value)
        elif meaning == _UPGRADE:
            upgrade = value.strip(b" \t")
        elif meaning != _HOP_BY_HOP:
            if meaning == _CHALLENGE and _BOUND_CHALLENGE.search(value) is not None:
                head.connection_bound = True
            kept.append(line)
    head.fields = b"\r\n".join(kept)
    if options is not None:
        _connection_options(head, options, upgrade)
    _response_framing(head, method, lengths, codings)
    return head


def binds_connection(fields: bytes) -> bool:
    """Whether a block of request fields has credentials that authenticate the connection that they are sent on."""
    return _BOUND_LINE.search(fields) is not None


def split(fields: bytes) -> list[bytes]:
    """The lines of a block of fields, without their CRLF."""
    return fields.split(b"\r\n")[:-1]


def without(fields: bytes, names: Collection[bytes]) -> bytes:
    """A block of fields without those of ``names``, which are in lower case."""
    kept = [line for line in split(fields) if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join([*kept, b""])


def end_of_head(data: bytes, start: int) -> int:
    """The position behind the first empty line in ``data``, looked for from ``start`` on; -1 when there is none."""
    found = data.find(b"\r\n\r\n", start)
    return found + 4 if found >= 0 else -1


def check_size(data: bytes, line_limit: int, head_limit: int) -> None:
    """Raises :class:`ProtocolError` with 414 or 431 for a head, or the beginning of one, that is too long."""
    line = data.find(b"\r\n")
    if (line if line >= 0 else len(data)) > line_limit:
        raise ProtocolError("the request line is too long", 414)
    if len(data) > head_limit:
        raise ProtocolError("the head is too large", 431)


def is_authority(host: bytes) -> bool:
    """Whether ``host`` can be the value of Host (RFC 9110 section 7.2)."""
    return _HOST.fullmatch(host) is not None


def find_stray(data: bytes | bytearray, start: int) -> bool:
    """Whether ``data`` from ``start`` on, an unfinished head, holds a bare CR, a bare LF or a NUL already."""
    return _STRAY.search(data, start) is not None


def _more(seen: bytes | None, value: bytes) -> bytes:
    """Several field lines of one name are one list (RFC 9110 section 5.3)."""
    value = value.strip(b" \t")
    return value if seen is None else seen + b"," + value


def _framing(lengths: bytes | None, codings: bytes | None, minor: int) -> int:
    """Body framing from the two fields that decide it (RFC 9112 section 6), refusing every doubt."""
    if codings is None:
        if lengths is None or not lengths.isdigit() or len(lengths) > 18:
            raise ProtocolError("invalid Content-Length")
        return int(lengths)
    if lengths is not None:
        raise ProtocolError("both Content-Length and Transfer-Encoding")
    if minor == 0:
        raise ProtocolError("Transfer-Encoding in HTTP/1.0")
    if codings.lower() != b"chunked":
        # 501 is for codings that we do not know, but only where the end of the message is beyond doubt.
        unknown = codings.lower().endswith((b", chunked", b",chunked")) and b"chunked" not in codings[:-7].lower()
        raise ProtocolError("unsupported Transfer-Encoding", 501 if unknown else 400)
    return CHUNKED


def _response_framing(head: ResponseHead, method: bytes, lengths: bytes | None, codings: bytes | None) -> None:
    """RFC 9112 section 6.3: what the status and the method say goes before the fields."""
    status = head.status
    if status < 200 or status == 204:
        if lengths not in (None, b"0") or codings is not None:
            raise ProtocolError(f"a body announced for status {status}")
        return
    framing = _framing(lengths, codings, head.minor) if lengths is not None or codings is not None else UNTIL_CLOSE
    if method == b"HEAD" or status == 304:
        if framing >= 0:
            head.length_line = b"Content-Length: %d\r\n" % framing
        return
    head.framing = framing
    head.has_length = framing >= 0
    if framing == UNTIL_CLOSE:
        head.keep_alive = False


def _connection_options(head: RequestHead | ResponseHead, options: bytes, upgrade: bytes) -> None:
    """Apply Connection (RFC 9110 section 7.6.1): persistence, Upgrade, and the fields that it takes away."""
    if options == b"keep-alive" or options == b"Keep-Alive":
        head.keep_alive = True
        return
    names = {option.strip(b" \t") for option in options.lower().split(b",")}
    if b"close" in names:
        head.keep_alive = False
    elif b"keep-alive" in names:
        head.keep_alive = True
    if upgrade and b"upgrade" in names and head.minor == 1:
        head.upgrade = upgrade
    names -= _PROTECTED
    names -= {b"close", b"keep-alive", b"upgrade", b""}
    if names:
        head.fields = without(head.fields, names)


def _target(head: RequestHead, hosts: int) -> None:
    """Settle target and authority (RFC 9112 section 3.2 and 3.3)."""
    if hosts > 1:
        raise ProtocolError("more than one Host")
    if hosts == 0 and head.minor == 1:
        raise ProtocolError("no Host")
    if hosts and _HOST.fullmatch(head.host) is None:
        raise ProtocolError("invalid Host")
    if head.method == b"CONNECT":
        raise ProtocolError("CONNECT is not for a reverse proxy", 405)
    target = head.target
    if target[0] == 47:  # "/", origin-form
        if b"#" in target:
            raise ProtocolError("fragment in the request target")
        return
    if target == b"*" and head.method == b"OPTIONS":
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or _HOST.fullmatch(absolute[1]) is None:
        raise ProtocolError("invalid request target")
    head.host = absolute[1]
    path = absolute[2]
    if not path and head.method == b"OPTIONS":
        head.target = b"*"
    else:
        head.target = path if path[:1] == b"/" else b"/" + path


def _refuse_shadow(name: bytes, fields: bytes) -> None:
    """A name with ``_`` is refused where CGI-like backends would take it for its twin with ``-``."""
    twin = name.lower().replace(b"_", b"-")
    if twin in _MEANING or (b"\r\n" + fields.lower()).find(b"\r\n" + twin + b":") >= 0:
        raise ProtocolError("a field name with _ shadows one with -")


def _explain(block: bytes, *, request: bool) -> ProtocolError:
    """Say what is wrong with a head that the strict expression refused."""
    if find_stray(block, 0):
        return ProtocolError("bare CR, bare LF or NUL in the head")
    start, _, fields = block.partition(b"\r\n")
    for line in fields.split(b"\r\n")[:-2]:
        if line[:1] in (b" ", b"\t"):
            return ProtocolError("obsolete line folding")
        if _FIELD_LINE.fullmatch(line) is None:
            return ProtocolError("malformed field line")
    if request:
        version = start.rpartition(b" ")[2]
        if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version) and version[:7] != b"HTTP/0.":
            known = version in (b"HTTP/1.0", b"HTTP/1.1")
            return ProtocolError("malformed request line", 400) if known else ProtocolError("HTTP version", 505)
        return ProtocolError("malformed request line")
    return ProtocolError("malformed status line")
