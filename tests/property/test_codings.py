"""Content codings: whatever is fed in whatever pieces, a client decodes it, and all of it after each flush."""

import http.client
import inspect
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rsp.coding import gzip
from rsp.coding.coding import CHUNK
from rsp.coding.codings import named
from tests.soak import examples


class FromBrotli:
    def __init__(self):
        self._made = brotli.Decompressor()

    def decompress(self, data):
        """The binding gives what its last block does not hold only when it is asked again."""
        found = self._made.process(data)
        while more := self._made.process(b""):
            found += more
        return found

    @property
    def eof(self):
        return self._made.is_finished()


DECODERS = {
    "gzip": lambda: zlib.decompressobj(31),
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 17).decompressobj(),
    "br": FromBrotli,
}
WORDS = (b"the ", b"quick ", b"<b>", b"\n", b'{"id": ', b"\x00\xff", b"0123456789")
texts = st.lists(st.sampled_from(WORDS), max_size=200).map(b"".join)
repeated = st.builds(lambda piece, times: piece * times, st.binary(min_size=1, max_size=20), st.integers(1, 20_000))
pieces = st.one_of(st.binary(max_size=100), texts, repeated)
steps = st.lists(st.one_of(st.none(), pieces), max_size=12)  # None: a flush
levels = st.integers(1, 9)


@pytest.fixture(params=["gzip", "gzip without isal", "zstd", "br"])
def name(request, monkeypatch):
    name, _, without = request.param.partition(" ")
    if without:
        monkeypatch.setattr(gzip, "_isal", None)
    return name


@pytest.fixture
def check(name):
    """A property of the coding, as hypothesis wants no fixtures."""
    return named(name), DECODERS[name]


def decoded(decoder, data):
    made = decoder()
    return made.decompress(data), made.eof


def test_streams(check):
    coding, decoder = check

    @examples(100)
    @given(steps, levels, levels)
    def run(steps, level, other):
        stream, neighbour, client = coding.stream(level), coding.stream(other), decoder()
        fed = received = b""
        for step in steps:
            neighbour.feed(b"something else")
            if step is None:
                received += client.decompress(stream.flush())
                assert received == fed
            else:
                fed += step
                received += client.decompress(stream.feed(step))
        assert not client.eof
        received += client.decompress(stream.end())
        assert received == fed and client.eof

    run()


def test_whole_bodies(check):
    coding, decoder = check

    @examples(100)
    @given(pieces, levels, pieces)
    def run(body, level, other):
        body = body[:CHUNK]
        stream = coding.stream(level)
        begun = stream.feed(other)
        assert decoded(decoder, coding.whole(body, level)) == (body, True)
        assert decoded(decoder, begun + stream.end()) == (other, True)

    run()


def test_higher_levels_are_smaller(check):
    coding, _ = check
    body = inspect.getsource(http.client).encode()[: 48 << 10]
    sizes = [len(coding.whole(body, level)) for level in range(1, 10)]
    assert sizes[8] < sizes[3] <= sizes[0] < 0.4 * len(body)


def test_what_a_level_means_is_known_for_all_of_them(check):
    coding, decoder = check
    for level in range(1, 10):
        assert decoded(decoder, coding.whole(b"x" * 1000, level)) == (b"x" * 1000, True)
