"""Ranges, conditions, dates and codings against independent oracles: sets of bytes, and Werkzeug's readers of fields."""

import re
from calendar import timegm
from datetime import UTC, datetime
from email.utils import formatdate

from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header, parse_etags, parse_range_header
from werkzeug.http import parse_date as werkzeug_date

from rsp.http.dates import parse_date
from rsp.http.negotiation import choose
from rsp.http.preconditions import range_holds, status
from rsp.http.ranges import MOST, content_range, delimiters, ranges

# -- ranges

NUMBER = st.integers(0, 30) | st.sampled_from([10**17, 10**18, 10**40])
INT = st.tuples(NUMBER, st.none() | NUMBER)
SUFFIX = st.tuples(st.none(), NUMBER)
SPACE = st.text(" \t", max_size=2)
FIELD = re.compile(rb"(?i:bytes)=[ \t,]*SPEC(?:[ \t]*,[ \t,]*SPEC)*[ \t,]*".replace(b"SPEC", rb"(?:\d+-\d*|-\d+)"))


def bytes_of(spec, size):
    first, last = spec
    if first is None:
        return set(range(max(size - last, 0), size))
    return set(range(min(first, size), size if last is None else min(last + 1, size)))


def written(spec):
    first, last = spec
    return f"{'' if first is None else first}-{'' if last is None else last}"


@given(st.lists(INT | SUFFIX, min_size=1, max_size=20), st.integers(1, 40), st.data())
def test_parts_are_the_bytes_that_were_asked_for(specs, size, data):
    separators = [data.draw(SPACE) + "," + data.draw(SPACE) for _ in specs]
    text = "".join(written(spec) + separator for spec, separator in zip(specs, separators, strict=True))
    if data.draw(st.booleans()):
        text = text.rstrip(", \t")
    found = ranges(b"bytes=" + text.encode(), size)
    wanted = set().union(*(bytes_of(spec, size) for spec in specs))
    invalid = any(first is not None and last is not None and last < first for first, last in specs)
    if invalid:
        assert found is None
        return
    if found is None:
        assert len(specs) > MOST
        return
    sent = [at for start, length in found for at in range(start, start + length)]
    assert set(sent) == wanted
    assert len(sent) == len(wanted)  # no byte twice
    assert len(found) <= MOST
    # In the order in which they were asked for: a part is as early as the first specification in it.
    asked = [bytes_of(spec, size) for spec in specs]
    places = [
        min(n for n, one in enumerate(asked) if one and one <= set(range(start, start + length)))
        for start, length in found
    ]
    assert places == sorted(places)


@given(st.binary(max_size=20) | st.text("bytes=0123-, \t", max_size=30).map(str.encode), st.integers(0, 40))
@example(b"bytes=0-\x0b", 3)
@example(b"bytes=\xd9\xa1-", 3)
def test_what_is_no_range_is_ignored(value, size):
    if FIELD.fullmatch(value) is None:
        assert ranges(value, size) is None
    single = re.fullmatch(rb"(?i:bytes)=(\d+-\d*|-\d+)", value)
    if single is not None and size:
        theirs = parse_range_header("bytes=" + single[1].decode())
        part = theirs.range_for_length(size) if theirs is not None else None
        ours = ranges(value, size)
        assert (ours or None) == ([(part[0], part[1] - part[0])] if part is not None else None)


@given(st.lists(INT | SUFFIX, min_size=2, max_size=8), st.binary(min_size=20, max_size=60))
def test_a_client_reads_the_parts_out_of_a_multipart_message(specs, content):
    parts = ranges(b"bytes=" + ",".join(map(written, specs)).encode(), len(content))
    if not parts or len(parts) < 2:
        return
    before = delimiters(parts, len(content), b"text/plain", b"5e1f2b")
    body = b"".join(
        line + content[start : start + size] for line, (start, size) in zip(before, [*parts, (0, 0)], strict=True)
    )
    at, found = 0, []
    while not body.startswith(b"\r\n--5e1f2b--\r\n", at):
        head = re.compile(
            rb"(?:\r\n)?--5e1f2b\r\nContent-Type: text/plain\r\nContent-Range: bytes (\d+)-(\d+)/(\d+)\r\n\r\n"
        ).match(body, at)
        start, last, size = map(int, head.groups())
        assert size == len(content)
        assert body[head.end() : head.end() + last + 1 - start] == content[start : last + 1]
        at = head.end() + last + 1 - start
        found.append((start, last + 1 - start))
    assert found == parts
    assert body[at:] == b"\r\n--5e1f2b--\r\n"
    assert all(content_range(part, len(content)) in body for part in parts)


# -- dates

MOMENT = st.integers(0, timegm((2069, 1, 1, 0, 0, 0)))


@given(MOMENT)
def test_three_forms_of_a_date(moment):
    date = datetime.fromtimestamp(moment, UTC)
    assert parse_date(formatdate(moment, usegmt=True).encode()) == moment
    assert (
        parse_date(date.strftime("%a %b ").encode() + b"%2d" % date.day + date.strftime(" %H:%M:%S %Y").encode())
        == moment
    )
    if abs(date.year - datetime.now(UTC).year) < 40:
        assert parse_date(date.strftime("%A, %d-%b-%y %H:%M:%S GMT").encode()) == moment


@given(MOMENT, st.integers(0, 28), st.text(max_size=2))
def test_what_is_no_date_is_none(moment, place, change):
    text = formatdate(moment, usegmt=True)
    text = text[:place] + change + text[place + len(change) :]
    found = parse_date(text.encode("utf-8", "surrogatepass"))
    if found is not None:
        theirs = werkzeug_date(text)
        assert theirs is not None
        assert found == int(theirs.timestamp())


# -- conditions

TAG = st.text("abc,*/W", min_size=1, max_size=3).map(lambda text: f'"{text}"')
TAGS = st.lists(st.tuples(st.sampled_from(["", "W/"]), TAG).map("".join), min_size=1, max_size=4).map(", ".join)
DATES = st.integers(1000, 1003).map(lambda moment: formatdate(moment, usegmt=True))


def expected(fields, etag, modified):
    """Section 13.2.2, step by step."""
    if "If-Match" in fields:
        if fields["If-Match"] != "*" and not parse_etags(fields["If-Match"]).contains(etag[1:-1]):
            return 412
    elif "If-Unmodified-Since" in fields and modified > werkzeug_date(fields["If-Unmodified-Since"]).timestamp():
        return 412
    if "If-None-Match" in fields:
        value = fields["If-None-Match"]
        return 304 if value == "*" or parse_etags(value).contains_weak(etag[1:-1]) else 0
    if "If-Modified-Since" in fields and modified <= werkzeug_date(fields["If-Modified-Since"]).timestamp():
        return 304
    return 0


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "If-Match": TAGS | st.just("*"),
            "If-None-Match": TAGS | st.just("*"),
            "If-Modified-Since": DATES,
            "If-Unmodified-Since": DATES,
        },
    ),
    TAG,
    st.integers(1000, 1003),
)
def test_conditions_in_their_order(fields, etag, modified):
    block = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    assert status(block, etag.encode(), modified) == expected(fields, etag, modified)


@given(TAGS | DATES | st.just("*"), TAG, st.integers(1000, 1003))
def test_if_range_holds_for_the_very_same_representation(value, etag, modified):
    same = value in (etag, formatdate(modified, usegmt=True))
    assert range_holds(f"Range: bytes=0-0\r\nIf-Range: {value}\r\n".encode(), etag.encode(), modified, 1e9) is same


@given(st.binary(max_size=30).filter(lambda value: not re.search(rb"[\r\n\0]", value)))
def test_no_value_breaks_anything(value):
    value = value.strip(b" \t")
    for name in (b"If-Match", b"If-None-Match", b"If-Modified-Since", b"If-Unmodified-Since"):
        assert status(name + b": " + value + b"\r\n", b'"x"', 1000) in (0, 304, 412)
    range_holds(b"If-Range: " + value + b"\r\n", b'"x"', 1000, 1e9)
    assert choose(value, (b"br", b"gzip")) in (b"", b"br", b"gzip")


# -- codings

WEIGHT = st.sampled_from(["", ";q=0", ";q=0.1", ";q=0.5", ";q=0.25", ";q=1", ";q=1.0", "; q=0.9"])
CODING = st.sampled_from(["gzip", "br", "zstd", "identity", "*", "deflate"])
OFFERED = st.permutations(["gzip", "br", "zstd"]).flatmap(lambda all_: st.integers(0, 3).map(lambda n: all_[:n]))


@given(st.dictionaries(CODING, WEIGHT, min_size=1).map(lambda all_: ", ".join(map("".join, all_.items()))), OFFERED)
def test_codings(accept, offered):
    weights = parse_accept_header(accept, Accept)
    chosen = choose(accept.encode(), tuple(map(str.encode, offered))).decode()
    qualities = [quality_of(weights, coding) for coding in offered]
    best = max(qualities, default=0.0)
    named = any(coding in ("identity", "*") for coding, _ in weights)
    if best == 0.0 or (named and quality_of(weights, "identity") > best):
        assert chosen == ""
    else:
        assert chosen == offered[qualities.index(best)]


def quality_of(weights, coding):
    """Werkzeug lets ``*`` win where it is better than what names the coding; the RFC does not."""
    exact = [quality for name, quality in weights if name == coding]
    return exact[0] if exact else next((quality for name, quality in weights if name == "*"), 0.0)
