"""The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B)."""

from typing import Final

from rsp.http.h2.errors import Http2Error
from rsp.http.h2.frames import COMPRESSION_ERROR

# Bits of the code of each byte, and of EOS.  The code is canonical: the lengths say it all.
LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
)  # fmt: skip
EOS: Final = 256


def _codes() -> list[int]:
    """The code of each symbol: shorter ones first, those of one length in the order of the symbols."""
    codes = [0] * len(LENGTHS)
    code = previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(LENGTHS)):
        code <<= length - previous
        codes[symbol] = code
        code, previous = code + 1, length
    return codes


CODES: Final = tuple(_codes())
_SHORTEST: Final = min(LENGTHS)
# With a bit 1 in front of each code, so that its length is part of it.
_SYMBOLS: Final = {1 << length | code: symbol for symbol, (code, length) in enumerate(zip(CODES, LENGTHS, strict=True))}


def decode(data: bytes) -> bytes:
    """Raises :class:`Http2Error` for EOS, and for padding that is longer than 7 bits or not all ones."""
    text = bytearray()
    code = 1
    for byte in data:
        for shift in (7, 6, 5, 4, 3, 2, 1, 0):
            code = code << 1 | byte >> shift & 1
            symbol = _SYMBOLS.get(code)
            if symbol is not None:
                if symbol == EOS:
                    raise Http2Error(COMPRESSION_ERROR, "EOS in a Huffman code")
                text.append(symbol)
                code = 1
    if code & code + 1 or code > 0xFF:
        raise Http2Error(COMPRESSION_ERROR, "an invalid padding of a Huffman code")
    return bytes(text)
