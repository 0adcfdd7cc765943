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
from typing import Final

from rsp.http.credentials import BOUND_CHALLENGE, BOUND_CREDENTIALS
from rsp.http.errors import ProtocolError
from rsp.http.framing import framing_of
from rsp.http.h1.faults import explain
from rsp.http.lines import without
from rsp.http.message import UNTIL_CLOSE, RequestFields, RequestHead, ResponseHead
from rsp.http.values import SOUND_ID, is_authority

from rsp.http.names import (  # isort: skip
    CHALLENGE, CONNECTION, CONTENT_LENGTH, CREDENTIALS, EXPECT, FORWARDED, HOP_BY_HOP, HOST, ODD, PASS, PROTECTED,
    REFERER, REQUEST_ID, SHADOW, SPELLINGS, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT, fold, learn, refuse_shadows,
)  # fmt: skip

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_FIELDS = rb"((?:" + _TOKEN + rb"++:[\t -~\x80-\xff]*+\r\n)*+)\r\n"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"++) ([!-~]++) HTTP/1\.([01])")
_FIELD_BLOCK = re.compile(_FIELDS)
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*+))?\r\n" + _FIELDS)
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*+)([^#]*+)")
_NOT_PLAIN = re.compile(rb"%|//|/\.|\\")

# Options of Connection that take no field away.
_NO_FIELDS: Final = PROTECTED | {b"close", b""}
_ANY_NUMBER: Final = 1 << 30


def parse_request(block: bytes, limit: int = _ANY_NUMBER) -> RequestHead:
    """Understand one request head, from its first byte to its empty line (RFC 9112 sections 3 to 6).

    Raises :class:`ProtocolError` with 431 for more than ``limit`` fields, and with 400, 405 (CONNECT), 417, 501 or
    505 for whatever leaves a doubt.
    """
    if block.count(b"\n") - 2 > limit:
        raise ProtocolError("too many fields", 431)
    line, _, field_block = block.partition(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    fields = _understood.get(field_block) or _understand(field_block)
    if match is None or fields is None:
        raise explain(block, request=True)
    method, target, version = match.groups()
    head = RequestHead(method, target, version == b"1", fields)
    if fields.lengths or fields.codings:
        head.framing = framing_of(fields.lengths, fields.codings, head.minor)
    if fields.options:
        # HTTP/2 without us reading it would hide requests from us.
        hidden = b"h2c" in fields.upgrade.lower()
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
# others; so the work is done once.  Bounded by what an entry may take at most, a few times its block.
_understood: dict[bytes, RequestFields] = {}
_understood_size = 0
_UNDERSTOOD_LIMIT: Final = 4 << 20
_UNDERSTOOD_BLOCK: Final = 2048


def _understand(block: bytes) -> RequestFields | None:
    """What the fields in ``block``, which ends in an empty line, say; ``None`` for a block that is malformed."""
    match = _FIELD_BLOCK.fullmatch(block)
    if match is None:
        return None
    fields = _classify(match[1].split(b"\r\n"))
    if fields.hosts and not is_authority(fields.host):
        raise ProtocolError("invalid Host")
    if len(block) <= _UNDERSTOOD_BLOCK:
        _remember(block, fields)
    return fields


def _remember(block: bytes, fields: RequestFields) -> None:
    global _understood_size
    _understood_size += 1024 + 6 * len(block)
    if _understood_size > _UNDERSTOOD_LIMIT:
        _understood.clear()
        _understood_size = 0
    _understood[block] = fields


def _classify(lines: list[bytes]) -> RequestFields:  # noqa: C901 - one flat loop: it is the hot path
    """``lines``: without CRLF; the last one is what stands behind the last CRLF, nothing."""
    fields = RequestFields()
    fields.count = len(lines) - 1
    kept: list[bytes] = []
    odd = False
    spellings = SPELLINGS
    for line in lines:
        name, _, value = line.partition(b":")
        meaning = spellings.get(name)
        if meaning is None:
            meaning = learn(name)
        if meaning == PASS:
            kept.append(line)
        elif meaning == HOST:
            fields.hosts += 1
            fields.host = value.strip(b" \t")
        elif meaning == USER_AGENT:
            fields.user_agent = value.strip(b" \t")
            kept.append(line)
        elif meaning == REFERER:
            fields.referer = value.strip(b" \t")
            kept.append(line)
        elif meaning == CONNECTION:
            fields.options.append(value)
        elif meaning == CONTENT_LENGTH:
            fields.lengths.append(value.strip(b" \t"))
        elif meaning == TRANSFER_ENCODING:
            fields.codings.append(value.strip(b" \t"))
        elif meaning == UPGRADE:
            fields.upgrade = value.strip(b" \t")
        elif meaning == TE:
            fields.te_trailers = fields.te_trailers or b"trailers" in _members(value)
        elif meaning == REQUEST_ID:
            value = value.strip(b" \t")
            if SOUND_ID.fullmatch(value) is not None:
                fields.request_id = value
        elif meaning == FORWARDED:
            fields.forwarded.append(line)
        elif meaning == EXPECT:
            fields.expectation = value.strip(b" \t").lower() or b"(empty)"
        elif meaning == ODD:
            odd = True
            kept.append(line)
        elif meaning == CREDENTIALS:
            if BOUND_CREDENTIALS.match(value) is not None:
                fields.connection_bound = True
            kept.append(line)
        elif meaning == CHALLENGE:
            kept.append(line)
        elif meaning == SHADOW:
            raise ProtocolError("a field name with _ shadows one with -")
    if odd:
        refuse_shadows(lines)
    fields.kept = b"\r\n".join(kept)
    return fields


def parse_response(block: bytes, method: bytes, limit: int = _ANY_NUMBER) -> ResponseHead:
    """Understand one response head to a request of ``method`` (RFC 9112 sections 4 to 6).

    Raises :class:`ProtocolError`; the caller answers 502 whatever its status.  See also ``lenient.py``.
    """
    if block.count(b"\n") - 2 > limit:
        raise ProtocolError("too many fields")
    match = _RESPONSE.fullmatch(block)
    if match is None:
        raise explain(block, request=False)
    version, code, reason, fields = match.groups()
    head = ResponseHead(int(code), reason or b"", version == b"1")
    kept: list[bytes] = []
    lines = fields.split(b"\r\n")
    head.count = len(lines) - 1
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: list[bytes] = []
    upgrade = b""
    spellings = SPELLINGS
    for line in lines:
        name, _, value = line.partition(b":")
        meaning = spellings.get(name)
        if meaning is None:
            meaning = learn(name)
        if meaning == CONTENT_LENGTH:
            lengths.append(value.strip(b" \t"))
        elif meaning == TRANSFER_ENCODING:
            codings.append(value.strip(b" \t"))
        elif meaning == CONNECTION:
            options.append(value)
        elif meaning == UPGRADE:
            upgrade = value.strip(b" \t")
        elif meaning != HOP_BY_HOP:
            if meaning == CHALLENGE and BOUND_CHALLENGE.search(value) is not None:
                head.connection_bound = True
            kept.append(line)
    head.fields = b"\r\n".join(kept)
    if options:
        _connection_options(head, options, upgrade)
    _response_framing(head, method, lengths, codings)
    return head


def end_of_head(data: bytes, start: int) -> int:
    """The position behind the first empty line in ``data``, looked for from ``start`` on; -1 when there is none."""
    found = data.find(b"\r\n\r\n", start)
    return found + 4 if found >= 0 else -1


def _members(value: bytes) -> set[bytes]:
    """Of a list (RFC 9110 section 5.6.1), in lower case."""
    return {member.strip(b" \t") for member in value.lower().split(b",")}


def _response_framing(head: ResponseHead, method: bytes, lengths: list[bytes], codings: list[bytes]) -> None:
    """RFC 9112 section 6.3: what the status and the method say goes before the fields."""
    status = head.status
    if status < 200 or status == 204:
        if lengths not in ([], [b"0"]) or codings:
            raise ProtocolError(f"a body announced for status {status}")
        return
    framing = framing_of(lengths, codings, head.minor) if lengths or codings else UNTIL_CLOSE
    if method == b"HEAD" or status == 304:
        if framing >= 0:
            head.length_line = b"Content-Length: %d\r\n" % framing
        return
    head.framing = framing
    head.has_length = framing >= 0
    if framing == UNTIL_CLOSE:
        head.keep_alive = False


def _connection_options(head: RequestHead | ResponseHead, lines: list[bytes], upgrade: bytes) -> None:
    """Apply Connection (RFC 9110 section 7.6.1): persistence, Upgrade, and the fields that it takes away."""
    options = _members(b",".join(lines))
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    if upgrade and b"upgrade" in options and head.minor == 1:
        head.upgrade = upgrade
    nominated = {fold(option) for option in options} - _NO_FIELDS
    if nominated:
        head.barred = nominated
        head.fields = without(head.fields, nominated)


def _target(head: RequestHead, hosts: int) -> None:
    """Settle target and authority (RFC 9112 section 3.2 and 3.3)."""
    if hosts > 1:
        raise ProtocolError("more than one Host")
    if hosts == 0 and head.minor == 1:
        raise ProtocolError("no Host")
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
    if absolute is None or not is_authority(absolute[1]):
        raise ProtocolError("invalid request target")
    head.host = absolute[1]
    path = absolute[2]
    if not path and head.method == b"OPTIONS":
        head.target = b"*"
    else:
        head.target = path if path[:1] == b"/" else b"/" + path
