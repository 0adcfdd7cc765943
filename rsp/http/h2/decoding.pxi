# What the other side's encoder says.  Part of hpack.pyx.

cdef enum:
    FEW = 16  # entries that a table begins with
    LONGEST_INTEGER = 28  # bits behind the first byte
    MOST_RESIZES = 2

cdef Entry spoken  # the last literal
cdef bytes NOTHING = b""
cdef str SOUND = ""
cdef str BAD_NAME = rules.BAD_NAME, BAD_VALUE = rules.BAD_VALUE, UNKNOWN_PSEUDO = rules.UNKNOWN_PSEUDO
cdef str CONNECTION_SPECIFIC = rules.CONNECTION_SPECIFIC, BAD_TE = rules.BAD_TE, BAD_LENGTH = rules.BAD_LENGTH
cdef str SECOND_LENGTH = rules.SECOND_LENGTH, SECOND_HOST = rules.SECOND_HOST, PSEUDO_TWICE = rules.PSEUDO_TWICE
cdef str PSEUDO_LATE = rules.PSEUDO_LATE, PSEUDO_IN_TRAILERS = rules.PSEUDO_IN_TRAILERS


cdef class Fields:
    def __cinit__(self):
        self.lines = NOTHING
        self.fault = SOUND
        self.length = self.urgency = -1


cdef int fail(str reason) except -1:
    raise Http2Error(COMPRESSION_ERROR, reason)


cdef inline Py_ssize_t integer(Text *at, Text end, int bits) except -1:
    """RFC 7541 section 5.1: the number; ``at`` is behind it then."""
    cdef Py_ssize_t most = (1 << bits) - 1, number
    if at[0] >= end:
        fail("a field block that ends too early")
    number = at[0][0] & most
    at[0] += 1
    return number if number < most else longer_integer(at, end, number)


cdef Py_ssize_t longer_integer(Text *at, Text end, Py_ssize_t number) except -1:
    cdef int shift = 0
    cdef unsigned char byte
    while shift < LONGEST_INTEGER:
        if at[0] >= end:
            fail("a field block that ends too early")
        byte = at[0][0]
        at[0] += 1
        number += <Py_ssize_t>(byte & 0x7F) << shift
        if byte < 0x80:
            return number
        shift += 7
    return fail("an integer that is too large")


cdef Py_ssize_t string(Text *at, Text end, Py_ssize_t offset) except -1:
    """RFC 7541 section 5.2: its bytes from ``offset`` of ``literal`` on, with room for four more; returns the size."""
    cdef Py_ssize_t size
    cdef bint coded
    if at[0] >= end:
        fail("a field block that ends too early")
    coded = at[0][0] & 0x80
    size = integer(at, end, 7)
    if size > end - at[0]:
        fail("a field block that ends too early")
    have_room(&literal, offset + 2 * size + LINE_OVERHEAD)
    at[0] += size
    if coded:
        return unpack(at[0] - size, size, literal.start + offset)
    memcpy(literal.start + offset, at[0] - size, size)
    return size


cdef inline bytes text_of(Entry *entry):
    """The value, made once for an entry of a table."""
    if entry.text == NULL:
        value = PyBytes_FromStringAndSize(entry.line + entry.name + 2, entry.value)
        Py_INCREF(value)
        entry.text = <void *>value
    return <bytes>entry.text


cdef class Decoder:
    def __cinit__(self, Py_ssize_t capacity=TABLE_SIZE):
        self._capacity = capacity
        self._most = min(capacity, TABLE_SIZE)

    def __dealloc__(self):
        self._evict(-1)
        free(self._ring)

    cpdef Fields decode(self, bytes block, Py_ssize_t limit, bint trailers):
        cdef Text at = <Text>PyBytes_AS_STRING(block)
        cdef Text end = at + PyBytes_GET_SIZE(block)
        cdef Fields fields = Fields.__new__(Fields)
        cdef Section section
        cdef Entry *entry
        cdef Py_ssize_t size
        cdef int resizes = 0
        cdef unsigned char first
        section.limit = limit
        section.count = section.size = section.used = section.cookies = 0
        section.place = -1
        section.trailers = trailers
        section.regular = section.stopped = False
        section.seen = 0
        while at < end:
            first = at[0]
            if first & 0x80:
                entry = self._entry(integer(&at, end, 7))
            elif first & 0x40:
                entry = self._insert(self._literal(&at, end, 6))
            elif first & 0x20:
                size = integer(&at, end, 5)
                resizes += 1
                if section.count or resizes > MOST_RESIZES:
                    fail("a table size update in the wrong place")
                if size > self._capacity:
                    fail("a table size above what SETTINGS allow")
                self._most = size
                self._evict(size)
                continue
            else:
                entry = self._literal(&at, end, 4)
            size = entry.name + entry.value
            section.count += 1
            section.size += size + FIELD_OVERHEAD
            if section.size > limit:
                section.stopped = fields.too_large = True
            if section.stopped:
                continue
            if entry.plain:
                section.regular = True
                have_room(&lines, section.used + size + LINE_OVERHEAD)
                memcpy(lines.start + section.used, entry.line, size + LINE_OVERHEAD)
                section.used += size + LINE_OVERHEAD
            else:
                fields.fault = take(fields, &section, entry)
                section.stopped = fields.fault is not SOUND
        fields.count = section.count
        fields.size = section.size
        fields.lines = lines_of(&section)
        return fields

    cdef Entry *_literal(self, Text *at, Text end, int bits) except NULL:
        """A field that is written out; valid until the next one."""
        cdef Py_ssize_t index = integer(at, end, bits), size
        cdef Entry *known
        if index:
            known = self._entry(index)
            size = known.name
            have_room(&literal, size + LINE_OVERHEAD)
            memcpy(literal.start, known.line, size)
            spoken.kind = known.kind
        else:
            size = string(at, end, 0)
            spoken.kind = kind_of(<Text>literal.start, size)
        spoken.name = size
        literal.start[size] = c":"
        literal.start[size + 1] = c" "
        size += 2
        spoken.value = string(at, end, size)
        spoken.line = literal.start
        size += spoken.value
        literal.start[size] = c"\r"
        literal.start[size + 1] = c"\n"
        Py_XDECREF(<PyObject *>spoken.text)
        judge(&spoken)
        return &spoken

    cdef Entry *_entry(self, Py_ssize_t index) except NULL:
        if index <= STATIC_COUNT:
            if index == 0:
                fail("an index that is not in the table")
            return &static_fields[index]
        index -= STATIC_COUNT
        if index > self._count:
            fail("an index that is not in the table")
        return self._ring[self._added - index & self._room - 1]

    cdef Entry *_insert(self, Entry *given) except NULL:
        """Returns the entry of the table, or ``given`` if the table is too small for it."""
        cdef Py_ssize_t bytes_ = given.name + given.value + LINE_OVERHEAD
        cdef Py_ssize_t size = bytes_ - LINE_OVERHEAD + FIELD_OVERHEAD
        cdef Entry *entry
        self._evict(self._most - size)
        if size > self._most:
            return given
        if self._count == self._room:
            self._grow()
        entry = <Entry *>malloc(sizeof(Entry) + bytes_)
        if entry == NULL:
            raise MemoryError
        entry[0] = given[0]
        entry.line = <char *>(entry + 1)
        memcpy(entry.line, given.line, bytes_)
        self._ring[self._added & self._room - 1] = entry
        self._added += 1
        self._count += 1
        self._size += size
        return entry

    cdef int _grow(self) except -1:
        cdef Py_ssize_t room = 2 * self._room if self._room else FEW
        cdef Entry **ring = <Entry **>malloc(room * sizeof(Entry *))
        cdef size_t number
        if ring == NULL:
            raise MemoryError
        for number in range(self._added - self._count, self._added):
            ring[number & room - 1] = self._ring[number & self._room - 1]
        free(self._ring)
        self._ring = ring
        self._room = room
        return 0

    cdef void _evict(self, Py_ssize_t size) noexcept:
        """Entries until the table has at most ``size`` bytes, or none."""
        cdef Entry *entry
        while self._count and self._size > size:
            entry = self._ring[self._added - self._count & self._room - 1]
            self._count -= 1
            self._size -= entry.name + entry.value + FIELD_OVERHEAD
            Py_XDECREF(<PyObject *>entry.text)
            free(entry)


cdef bytes lines_of(Section *section):
    cdef Py_ssize_t place = section.place
    cdef bytes made
    cdef char *at
    if place < 0:
        return PyBytes_FromStringAndSize(lines.start, section.used)
    made = PyBytes_FromStringAndSize(NULL, section.used + section.cookies + 10)
    at = PyBytes_AS_STRING(made)
    memcpy(at, lines.start, place)
    at += place
    memcpy(at, b"cookie: ", 8)
    memcpy(at + 8, cookies.start, section.cookies)
    at += 8 + section.cookies
    memcpy(at, b"\r\n", 2)
    memcpy(at + 2, lines.start + place, section.used - place)
    return made


cdef str take(Fields fields, Section *section, Entry *entry):
    """A field that is not plain; returns what is wrong with it."""
    cdef Kind kind = <Kind>entry.kind
    cdef Text value = <Text>entry.line + entry.name + 2
    cdef Py_ssize_t size = entry.value
    if kind == INVALID:
        return BAD_NAME
    if kind == UNKNOWN:
        return UNKNOWN_PSEUDO
    if kind == CONNECTION:
        return CONNECTION_SPECIFIC
    if not entry.sound:
        return BAD_VALUE
    if kind <= STATUS:
        return take_pseudo(fields, section, entry)
    section.regular = True
    if kind == HOST:
        if fields.host is not None:
            return SECOND_HOST
        fields.host = text_of(entry)
        return SOUND
    if kind == COOKIE:
        return take_cookie(section, value, size)
    if kind == LENGTH:
        if fields.length >= 0:
            return SECOND_LENGTH
        fields.length = number_of(value, size)
        if fields.length < 0:
            return BAD_LENGTH
    elif kind == PRIORITY:
        if fields.urgency < 0 and size > 2 and value[0] == c"u" and value[1] == c"=" and c"0" <= value[2] <= c"7":
            fields.urgency = value[2] - c"0"
    elif kind == TE and (size != 8 or not alike(value, b"trailers", 8)):
        return BAD_TE
    size += entry.name + LINE_OVERHEAD
    have_room(&lines, section.used + size)
    memcpy(lines.start + section.used, entry.line, size)
    section.used += size
    return SOUND


cdef str take_pseudo(Fields fields, Section *section, Entry *entry):
    cdef Kind kind = <Kind>entry.kind
    cdef bytes value
    if section.trailers:
        return PSEUDO_IN_TRAILERS
    if section.regular:
        return PSEUDO_LATE
    if section.seen & 1 << kind:
        return PSEUDO_TWICE
    section.seen |= 1 << kind
    value = text_of(entry)
    if kind == METHOD:
        fields.method = value
    elif kind == SCHEME:
        fields.scheme = value
    elif kind == AUTHORITY:
        fields.authority = value
    elif kind == PATH:
        fields.path = value
    elif kind == PROTOCOL:
        fields.protocol = value
    else:
        fields.status = value
    return SOUND


cdef str take_cookie(Section *section, Text value, Py_ssize_t size):
    have_room(&cookies, section.cookies + size + 2)
    if section.place < 0:
        section.place = section.used
    if size and section.cookies:
        memcpy(cookies.start + section.cookies, b"; ", 2)
        section.cookies += 2
    memcpy(cookies.start + section.cookies, value, size)
    section.cookies += size
    return SOUND


cdef Py_ssize_t number_of(Text at, Py_ssize_t size) noexcept nogil:
    """Of digits; -1: it is no number, or too long."""
    cdef Py_ssize_t number = 0, index
    if size == 0 or size > LONGEST_LENGTH:
        return -1
    for index in range(size):
        if at[index] < c"0" or at[index] > c"9":
            return -1
        number = 10 * number + at[index] - c"0"
    return number


cdef bint alike(Text at, const char *name, Py_ssize_t size) noexcept nogil:
    """Whether ``size`` bytes are ``name``, which is in lower case, in any case."""
    cdef Py_ssize_t index
    for index in range(size):
        if lower[at[index]] != <uint8_t>name[index]:
            return False
    return True
