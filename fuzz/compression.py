"""Fuzzing of HTTP/2's compressed heads: no input makes anything but a typed error, and all decoders read the same.

    python fuzz/compression.py            until interrupted
    python fuzz/compression.py 20000      so many inputs, from a fixed seed

Inputs are mutations of ``fuzz/compressed``; one that fails is written there, to be kept.  An input is several blocks of
one connection, each behind two bytes with its size.
"""

import hashlib
import importlib.util
import itertools
import random
import re
import sys
from pathlib import Path

from rsp.http.h2 import hpack
from rsp.http.h2.errors import Http2Error
from rsp.http.h2.frames import COMPRESSION_ERROR

CORPUS = Path(__file__).parent / "compressed"
LIMIT = 4096
_SAID = (
    "method", "scheme", "authority", "path", "protocol", "status", "host", "lines", "count", "size", "length", "urgency", "fault", "too_large",
)  # fmt: skip
_LINES = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9a-z]+: (?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?\r\n)*")
_TOKENS = (
    b"\x80", b"\x82", b"\x88", b"\xbe", b"\xbf", b"\xff\x00", b"\x40\x01a\x01b", b"\x40\x82\x1f\x1f\x01b", b"\x00\x05:path\x01/",
    b"\x00\x04host\x01a", b"\x60\x03a=b", b"\x20", b"\x3f\xe1\x1f", b"\x3f\x21", b"\x7f", b"\xff\xff\xff\xff\x0f", b"\x00\x01a\x81\xff",
    b"\x5c\x02 1", b"\x5c\x0217", b"\x00\x02te\x08trailers", b"\x00\x0aconnection\x05close", b"\x7e\x01z", b"\r\n", b"\x00", b"\x1f\x0f",
)  # fmt: skip


def _specification():
    """The Python source, whatever is compiled."""
    path = Path(__file__).parents[1] / "rsp" / "http" / "h2" / "hpack.py"
    spec = importlib.util.spec_from_file_location("specification_hpack", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


own = _specification()


def blocks_of(data: bytes) -> list[bytes]:
    blocks = []
    while data:
        size = int.from_bytes(data[:2], "big")
        blocks.append(data[2 : 2 + size])
        data = data[2 + size :]
    return blocks


def input_of(blocks: list[bytes]) -> bytes:
    return b"".join(len(block).to_bytes(2, "big") + block for block in blocks)


def _understood(decoder, block: bytes, trailers: bool) -> object:
    try:
        fields = decoder.decode(block, LIMIT, trailers)
    except Http2Error as error:
        assert error.code == COMPRESSION_ERROR and str(error)
        return str(error)
    return {name: getattr(fields, name) for name in _SAID}


def check(data: bytes) -> None:
    """Raises whatever is wrong; returns for every input that the decoder handles as it should."""
    decoder, twin, encoder = hpack.Decoder(), own.Decoder(), hpack.Encoder()
    for number, block in enumerate(blocks_of(data)):
        said = _understood(decoder, block, number % 4 == 3)
        assert said == _understood(twin, block, number % 4 == 3), (said, block)
        if isinstance(said, str):
            return
        assert _LINES.fullmatch(said["lines"]) and len(said["lines"]) <= LIMIT
        assert said["too_large"] == (said["size"] > LIMIT)
        again = hpack.Decoder().decode(hpack.Encoder().response(200, said["lines"], -1), 1 << 20, False)
        assert (again.lines, again.length) == (said["lines"], said["length"] if not said["fault"] else again.length)
        assert encoder.response(200, said["lines"], number)


def mutate(rng: random.Random, seeds: list[bytes]) -> bytes:
    blocks = [bytearray(block) for block in blocks_of(rng.choice(seeds))] or [bytearray()]
    for _ in range(rng.randint(1, 6)):
        block = rng.choice(blocks)
        place = rng.randrange(len(block) + 1)
        match rng.randrange(7):
            case 0 | 1:
                block[place:place] = rng.choice(_TOKENS)
            case 2:
                del block[place : place + rng.randint(1, 8)]
            case 3:
                block[place:place] = bytes([rng.randrange(256)])
            case 4 if block:
                block[place % len(block)] = rng.randrange(256)
            case 5:
                blocks.insert(rng.randrange(len(blocks) + 1), bytearray(rng.choice(blocks)))
            case _:
                block[place:place] = block[place : place + rng.randint(1, 30)] * rng.randint(1, 5)
    return input_of([bytes(block[:2000]) for block in blocks[:8]])


def main(arguments: list[str]) -> int:
    seeds = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    for seed in seeds:
        check(seed)
    rng = random.Random(1 if arguments else None)
    for count in range(int(arguments[0])) if arguments else itertools.count():
        data = mutate(rng, seeds)
        try:
            check(data)
        except Exception:
            path = CORPUS / hashlib.sha256(data).hexdigest()[:16]
            path.write_bytes(data)
            print(f"input {count} fails, kept as {path}")
            raise
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0)
