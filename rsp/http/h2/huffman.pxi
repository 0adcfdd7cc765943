# The Huffman code of HPACK.  Part of hpack.pyx.

cdef enum:
    FAST = 10  # bits of codes that one look finds
    LONGEST_CODE = 30
    EOS = 256

cdef uint16_t fast[1 << FAST]  # what a code begins with -> its length and symbol, or 0
# Longer codes, by length: the first one and the first that is larger than all, both moved to the left of 32 bits, and
# where their symbols begin.
cdef uint64_t first_code[LONGEST_CODE + 1]
cdef uint64_t behind_codes[LONGEST_CODE + 1]
cdef int first_symbol[LONGEST_CODE + 1]
cdef uint16_t symbols[EOS + 1]


def _learn_code():
    cdef int place = 0, length, symbol, rest
    cdef uint64_t code
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(huffman.LENGTHS)):
        code = huffman.CODES[symbol]
        if length <= FAST:
            for rest in range(1 << FAST - length):
                fast[code << FAST - length | rest] = length << 8 | symbol
        if behind_codes[length] == 0:
            first_code[length] = code << 32 - length
            first_symbol[length] = place
        behind_codes[length] = code + 1 << 32 - length
        symbols[place] = symbol
        place += 1


_learn_code()


cdef inline uint64_t four_bytes(Text at) noexcept nogil:
    return <uint64_t>at[0] << 24 | <uint64_t>at[1] << 16 | <uint64_t>at[2] << 8 | at[3]


cdef Py_ssize_t unpack(Text at, Py_ssize_t size, char *out) except -1:
    """Decode ``size`` bytes to ``out``, where there is room for 8/5 of them; returns how many there are."""
    cdef Text end = at + size
    cdef char *start = out
    cdef uint64_t bits = 0, known  # bits: the next ones on the left
    cdef int have = 0, length, symbol
    while True:
        if have < 32:
            if end - at >= 4:
                bits |= four_bytes(at) << 32 - have
                at += 4
                have += 32
            else:
                while at < end:
                    bits |= <uint64_t>at[0] << 56 - have
                    at += 1
                    have += 8
        known = fast[bits >> 64 - FAST]
        length = <int>(known >> 8)
        if length == 0:
            length = FAST + 1
            while behind_codes[length] <= bits >> 32:
                length += 1
            symbol = symbols[first_symbol[length] + <int>((bits >> 32) - first_code[length] >> 32 - length)]
        else:
            symbol = known & 0xFF
        if length > have:
            break
        if symbol == EOS:
            raise Http2Error(COMPRESSION_ERROR, "EOS in a Huffman code")
        out[0] = <char>symbol
        out += 1
        bits <<= length
        have -= length
    if have > 7 or (have and bits >> 64 - have != (1 << have) - 1):
        raise Http2Error(COMPRESSION_ERROR, "an invalid padding of a Huffman code")
    return out - start
