"""RESP as bytes: replies whole whatever the pieces they come in, and bounds of what a server may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsp.engines.resp import MOST_ELEMENTS, NOTHING, ErrorReply, Malformed, Parser, encode

LIMIT = 1 << 16
_LEAVES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=300),
    st.text("ABCxyz 019.:-", max_size=20).map(lambda text: ("status", text)),
)
REPLIES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=5), max_leaves=20)


def written(reply: object) -> bytes:
    """As a server writes it; independent of the parser."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return f":{reply}\r\n".encode()
    if isinstance(reply, bytes):
        return b"$" + str(len(reply)).encode() + b"\r\n" + reply + b"\r\n"
    if isinstance(reply, tuple):
        return b"+" + reply[1].encode() + b"\r\n"
    assert isinstance(reply, list)
    return b"*" + str(len(reply)).encode() + b"\r\n" + b"".join(map(written, reply))


def read(reply: object) -> object:
    """What a caller gets."""
    if isinstance(reply, tuple):
        return reply[1].encode()
    return list(map(read, reply)) if isinstance(reply, list) else reply


def depth(reply: object) -> int:
    return 1 + max(map(depth, reply), default=0) if isinstance(reply, list) else 0


def parse(data: bytes, cuts: list[int] = [], share: int = 10**6) -> list[object]:  # noqa: B006
    parser, found, last = Parser(LIMIT), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        parser.feed(data[last:cut])
        last = cut
        parser.share = share
        while (reply := parser.next()) is not NOTHING:
            found.append(reply)
            parser.share = share
    return found


@given(
    st.lists(REPLIES.filter(lambda reply: depth(reply) <= 8), max_size=4), st.lists(st.integers(0, 10**6), max_size=12)
)
def test_replies_are_the_same_in_whatever_pieces_they_come(replies, cuts):
    data = b"".join(map(written, replies))
    assert parse(data, cuts) == list(map(read, replies))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_give_replies_or_malformed(data, cuts):
    try:
        whole = parse(data)
    except Malformed:
        return
    for one, other in zip(whole, parse(data, cuts), strict=True):
        assert str(one) == str(other)


@given(
    st.lists(
        st.one_of(st.binary(max_size=50), st.text(max_size=20), st.integers(), st.floats(allow_nan=False)), min_size=1
    )
)
def test_commands_are_lists_of_texts(given_):
    expected = [item if isinstance(item, bytes) else str(item).encode() for item in given_]
    assert parse(encode(tuple(given_))) == [expected]


@pytest.mark.parametrize(
    "data",
    [
        b"$%d\r\n" % (LIMIT + 1),
        b"$999999999999999999999999\r\n",
        b"*%d\r\n" % (MOST_ELEMENTS + 1),
        b"*4294967295\r\n",
        b"*1\r\n" * 9,
        b"*-\r\n",
        b"$ 5\r\nhello\r\n",
        b"$1_0\r\n" + b"x" * 10 + b"\r\n",
        b"$3\r\nabcde\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b">2\r\n+a\r\n+b\r\n",
        b"+" + b"x" * 5000,
        b":1.5\r\n",
        b"\r\n",
    ],
    ids=lambda data: data[:20].decode(),
)
def test_what_no_server_may_send_is_malformed(data):
    with pytest.raises(Malformed):
        parse(data)


def test_bounds_hold_for_a_reply_not_for_what_is_announced():
    small = written([b"x" * 6000] * 12)  # no text is too large, all of them are
    with pytest.raises(Malformed):
        parse(small)
    nested = written([[1] * 5000] * 5)
    with pytest.raises(Malformed):
        parse(nested)
    assert len(parse(written([b"x" * 6000] * 9) * 5)) == 5  # each for itself


def test_a_turn_reads_no_more_than_its_share():
    parser = Parser(LIMIT)
    parser.feed(written([1] * 100))
    turns = 0
    while True:
        parser.share = 10
        turns += 1
        if parser.next() is not NOTHING:
            break
        assert parser.share == 0
    assert turns == 11


def test_errors_do_not_repeat_what_was_sent():
    line = b"ERR unknown command 'AUTH', with args beginning with: 'rsp' 'hunter2' "
    error = parse(b"-" + line + b"\r\n")[0]
    assert isinstance(error, ErrorReply)
    assert (str(error), error.code) == ("ERR unknown command 'AUTH'", "ERR")
    loud = parse(b"-ERR \x1b[31mred\x07" + b"x" * 1000 + b"\r\n")[0]
    assert len(str(loud)) <= 200
    assert str(loud).isprintable()
