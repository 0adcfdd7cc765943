"""W3C Trace Context (level 2): what ``traceparent`` and ``tracestate`` say.

Rules of this room: bytes in, bytes out.  Everything comes from a client, so a value is either exactly what the
grammar has, or nothing; no work grows faster than a value's length.
"""

import re
from typing import Final, NamedTuple

_SAMPLED: Final = 1  # flags: spans of this trace are recorded
_RANDOM: Final = 2  # the last 7 bytes of the trace's id are random
_MOST_MEMBERS: Final = 32  # of tracestate

# Section 3.2.2.3: what may follow in a later version begins with a dash; version 00 has nothing behind the flags.
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
# Section 3.3.1.3.  The last character of a value is no space, because those around members do not count.
_MEMBER: Final = re.compile(rb"[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16


class TraceParent(NamedTuple):
    """``trace_id`` and ``span_id``: in base 16; the second is the caller's span.

    ``is_sampled``: the caller records the trace; ``is_random``: the last 7 bytes of its id are random.
    """

    trace_id: bytes
    span_id: bytes
    is_sampled: bool
    is_random: bool


def parse_traceparent(values: list[bytes]) -> TraceParent | None:
    """What the fields of that name say; ``None``: nothing valid, so that a trace begins here."""
    if len(values) != 1:
        return None
    found = _TRACEPARENT.fullmatch(values[0])
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more is not None) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    bits = int(flags, 16)  # further ones mean nothing yet
    return TraceParent(trace_id, span_id, bits & _SAMPLED != 0, bits & _RANDOM != 0)


def sound_tracestate(values: list[bytes]) -> bytes:
    """The fields of that name as one value; empty where one of its members is not valid, or there are too many.

    Empty members are left out (section 3.3.1.2 lets a proxy do so).
    """
    members = [member.strip(b" \t") for value in values for member in value.split(b",", 32 * _MOST_MEMBERS)]
    members = [member for member in members if member]
    if len(members) > _MOST_MEMBERS or any(_MEMBER.fullmatch(member) is None for member in members):
        return b""
    return b",".join(members)
