"""Fuzzing of the HTTP/1 codec: no input makes anything but a typed protocol error, and splits change nothing.

    python fuzz/http1.py            until interrupted (make fuzz)
    python fuzz/http1.py 20000      so many inputs, from a fixed seed

Inputs are mutations of ``fuzz/corpus``; one that fails is written there, to be kept.
"""

import hashlib
import itertools
import random
import sys
from pathlib import Path

from rsp.http.errors import ProtocolError
from rsp.http.h1.body import ChunkedDecoder, CloseDecoder, LengthDecoder
from rsp.http.h1.codec import parse_request, parse_response, request_head, response_head
from rsp.http.message import CHUNKED, UNTIL_CLOSE

CORPUS = Path(__file__).parent / "corpus"
_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"chunked", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"0\r\n\r\n",
    b"HTTP/1.1", b"Host: h\r\n", b"Connection: ", b"\xff", b"5\r\nhello\r\n", b";", b",", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n",
)  # fmt: skip


def _decode(decoder: LengthDecoder | ChunkedDecoder | CloseDecoder, data: bytes, step: int) -> object:
    """What a body decoder makes of ``data`` in pieces of ``step`` bytes."""
    pieces: list[bytes] = []
    rest = b""
    try:
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            if decoder.done:
                rest += piece
            else:
                pieces += decoder.feed(piece)
                rest = decoder.rest
    except ProtocolError:
        return "error"
    return b"".join(pieces), decoder.done, rest if decoder.done else None, decoder.trailers


def check(data: bytes) -> None:
    """Raises whatever is wrong; returns for every input that the codec handles as it should."""
    block, end, body = data.partition(b"\r\n\r\n")
    for method in (None, b"GET", b"HEAD"):
        try:
            head = parse_request(block + end) if method is None else parse_response(block + end, method)
        except ProtocolError as error:
            assert 400 <= error.status <= 505 and str(error)
            continue
        if method is None:
            again = parse_request(request_head(head, head.target, head.host or b"h", head.fields, b"", b""))
            assert (again.method, again.target, again.framing) == (head.method, head.target, head.framing)
        else:
            written = response_head(head, head.fields, max(head.framing, CHUNKED), b"")
            assert written.count(b"\r\n\r\n") == 1 and written.endswith(b"\r\n\r\n")
        if head.framing == 0:
            continue
        kind = {CHUNKED: ChunkedDecoder, UNTIL_CLOSE: CloseDecoder}.get(head.framing)
        decoders = [kind() if kind else LengthDecoder(head.framing) for _ in range(3)]
        outcomes = [
            _decode(decoder, body, step) for decoder, step in zip(decoders, (1, 7, len(body) or 1), strict=True)
        ]
        assert outcomes[0] == outcomes[1] == outcomes[2], outcomes


def mutate(rng: random.Random, seeds: list[bytes]) -> bytes:
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[place:place] = rng.choice(_TOKENS)
            case 1:
                del data[place : place + rng.randint(1, 8)]
            case 2:
                data[place:place] = bytes([rng.randrange(256)])
            case 3 if data:
                data[place % len(data)] = rng.randrange(256)
            case 4:
                other = rng.choice(seeds)
                cut = rng.randrange(len(other) + 1)
                data[place:] = other[cut:]
            case _:
                data[place:place] = data[place : place + rng.randint(1, 30)]
    return bytes(data[:20000])


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
