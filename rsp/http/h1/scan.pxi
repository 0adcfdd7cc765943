# Bytes of a head: what each may be part of, which field names mean something.  Part of codec.pyx.

# What a byte may be part of.
cdef enum:
    TOKEN = 1  # RFC 9110 section 5.6.2
    HOST = 2  # a name or an IPv4 address
    TARGET = 4  # the origin-form; no "#"
    ID = 8  # a request id
    PATH = 16  # a path that may be plain
    NAME = 32  # a field's name that no backend takes for another one

cdef unsigned char KINDS[256]


def _fill():
    cdef int byte
    for byte in range(256):
        KINDS[byte] = 0
    for byte in b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        KINDS[byte] |= TOKEN
    for byte in b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        KINDS[byte] |= NAME
    for byte in b".-_~!$&'()*+,;=%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        KINDS[byte] |= HOST
    for byte in range(0x21, 0x7F):
        if byte != c"#":
            KINDS[byte] |= TARGET
            if byte != c"?" and byte != c"%" and byte != c"\\":
                KINDS[byte] |= PATH
    for byte in b"._:@/+=-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        KINDS[byte] |= ID


_fill()

cdef struct Span:
    Text start
    Text end


cdef inline Span trimmed(Text start, Text end) noexcept nogil:
    cdef Span span
    while start < end and (start[0] == c" " or start[0] == c"\t"):
        start += 1
    while end > start and ((end - 1)[0] == c" " or (end - 1)[0] == c"\t"):
        end -= 1
    span.start = start
    span.end = end
    return span


cdef inline bint says(Text at, Py_ssize_t size, const char *name) noexcept nogil:
    """Whether ``size`` bytes at ``at`` are ``name``, which is lower case and as long, in any case."""
    cdef Py_ssize_t index
    for index in range(size):
        if (at[index] | 0x20) != <unsigned char>name[index]:
            return False
    return True


cdef inline bint value_says(Span span, const char *name, Py_ssize_t size) noexcept nogil:
    return span.end - span.start == size and says(span.start, size, name)


cdef inline Py_ssize_t number(Span span) noexcept nogil:
    """Of 1 to 18 digits; ``NO_LENGTH`` for anything else."""
    cdef Py_ssize_t value = 0
    if not 1 <= span.end - span.start <= 18:
        return NO_LENGTH
    while span.start < span.end:
        if not c"0" <= span.start[0] <= c"9":
            return NO_LENGTH
        value = value * 10 + (span.start[0] - c"0")
        span.start += 1
    return value


cdef inline bint is_host(Span span) noexcept nogil:
    """A name with or without a port; not an IPv6 address."""
    cdef Text at = span.start
    if span.end - at > 261:
        return False
    while KINDS[at[0]] & HOST:  # ends before the CR at the latest
        at += 1
    if at == span.start:
        return False
    if at[0] == c":" and at < span.end:
        at += 1
        if span.end - at > 5:
            return False
        while c"0" <= at[0] <= c"9":
            at += 1
    return at == span.end


cdef inline bint is_id(Span span) noexcept nogil:
    if not 1 <= span.end - span.start <= 128:
        return False
    while span.start < span.end:
        if not KINDS[span.start[0]] & ID:
            return False
        span.start += 1
    return True


cdef enum Meaning:
    PASS
    DROP
    HOST_FIELD
    AGENT
    REFERER
    CONNECTION
    LENGTH
    CODING
    REQUEST_ID
    FORWARDED
    CREDENTIALS
    TRANSFERS
    RARE

cdef enum:
    MOST_NAMES = 128
    MOST_PREFIXES = 8
    LONGEST_NAME = 31
    SLOTS = 1024


# A request's field names that mean something, by size, first and last letter: few plain names share a slot with one.
cdef struct Known:
    int size
    Meaning meaning
    int next
    char name[LONGEST_NAME + 1]

cdef Known known[MOST_NAMES]
cdef short slots[SLOTS]
cdef Known prefixes[MOST_PREFIXES]
cdef int prefix_count = 0


cdef inline int slot(Text name, Py_ssize_t size) noexcept nogil:
    return (name[0] & 31) << 5 ^ (name[size - 1] & 31) ^ <int>(size & 31) << 3


def _learn():
    """What names.py says."""
    global prefix_count
    cdef int number = 0, place
    cdef bytes name
    plain = {
        names.HOST: HOST_FIELD, names.USER_AGENT: AGENT, names.REFERER: REFERER, names.CONNECTION: CONNECTION,
        names.CONTENT_LENGTH: LENGTH, names.TRANSFER_ENCODING: CODING, names.REQUEST_ID: REQUEST_ID,
        names.FORWARDED: FORWARDED, names.HOP_BY_HOP: DROP, names.DROPPED: DROP, names.CREDENTIALS: CREDENTIALS,
        names.CHALLENGE: PASS, names.TE: TRANSFERS,
    }
    assert len(names.MEANING) < MOST_NAMES
    for name, meaning in names.MEANING.items():
        number += 1
        assert len(name) <= LONGEST_NAME
        place = slot(<Text>PyBytes_AS_STRING(name), len(name))
        known[number].size = len(name)
        known[number].meaning = plain.get(meaning, RARE)
        known[number].next = slots[place]
        memcpy(known[number].name, PyBytes_AS_STRING(name), len(name))
        slots[place] = number
    for name in names.TOLD_PREFIXES:
        assert name[:1] == b"x" and len(name) <= LONGEST_NAME and prefix_count < MOST_PREFIXES
        prefixes[prefix_count].size = len(name)
        memcpy(prefixes[prefix_count].name, PyBytes_AS_STRING(name), len(name))
        prefix_count += 1


_learn()


cdef inline Meaning request_meaning(Text name, Py_ssize_t size) noexcept nogil:
    """Of a name of letters, digits and ``-``."""
    cdef int number = slots[slot(name, size)]
    while number:
        if known[number].size == size and says(name, size, known[number].name):
            return known[number].meaning
        number = known[number].next
    if name[0] | 0x20 == c"x":
        for number in range(prefix_count):
            if size >= prefixes[number].size and says(name, prefixes[number].size, prefixes[number].name):
                return FORWARDED
    return PASS


cdef inline Meaning response_meaning(Text name, Py_ssize_t size) noexcept nogil:
    cdef unsigned char first = name[0] | 0x20
    if size == 14:
        return LENGTH if first == c"c" and says(name, 14, "content-length") else PASS
    if size == 10:
        if first == c"c" and says(name, 10, "connection"):
            return CONNECTION
        return DROP if first == c"k" and says(name, 10, "keep-alive") else PASS
    if size == 17:
        return CODING if first == c"t" and says(name, 17, "transfer-encoding") else PASS
    if size == 16:
        if first == c"w" and says(name, 16, "www-authenticate"):
            return RARE
        return DROP if first == c"p" and says(name, 16, "proxy-connection") else PASS
    if size == 7:
        return RARE if first == c"u" and says(name, 7, "upgrade") else PASS
    if size == 15:
        return RARE if first == c"p" and says(name, 15, "persistent-auth") else PASS
    if size == 18:
        return RARE if first == c"p" and says(name, 18, "proxy-authenticate") else PASS
    return PASS
