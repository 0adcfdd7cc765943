# What the other side's decoder is told.  Part of hpack.pyx.

cdef enum:
    CHAINS = 32
    RECENT = 64
    SHARE = 4
    LONGEST_KEY = 1024  # bytes: so much of the largest table is SHARE
    LONGEST_HEAD = 40  # bytes of a pseudo-field without its value, and of what changes the size of the table
    INDEXED = 0x80
    ADDED = 0x40
    NEVER_ADDED = 0x10
    CONTENT_LENGTH = 28  # in the static table
    MOST_DIGITS = 20
    NOT_ADDED = 0

cdef uint32_t LAST_MARK = 0xFFFFFFFFU  # a table that has had so many fields takes no more

assert NUMBERS[b"content-length"] == CONTENT_LENGTH
assert RECENT == indexing.RECENT and SHARE == indexing.SHARE and LONGEST_KEY * SHARE == TABLE_SIZE

# A field of the table; its key stands behind it.
cdef struct Known:
    uint32_t older  # the mark of the one before it in the same chain
    uint32_t hash
    uint16_t size, key_size

# A field's mark is one more than how many came before it.  Chains go from newer fields to older ones, so they end at the
# first that has left the table.
cdef struct Table:
    Known **ring
    Py_ssize_t room, count, size
    uint32_t added
    uint32_t newest[CHAINS]
    uint32_t recent[RECENT]
    uint32_t next_recent


cdef inline uint64_t mixed(uint64_t hash, uint64_t word) noexcept nogil:
    hash = (hash ^ word) * 0x9E3779B97F4A7C15U
    return hash ^ hash >> 29


cdef inline uint32_t hash_of(Text at, Py_ssize_t size) noexcept nogil:
    cdef uint64_t hash = <uint64_t>size, word = 0
    cdef Text last = at + size - 8
    if size < 8:
        memcpy(&word, at, size)
        return <uint32_t>(mixed(hash, word) >> 32) | 1
    while at < last:
        memcpy(&word, at, 8)
        hash = mixed(hash, word)
        at += 8
    memcpy(&word, last, 8)
    return <uint32_t>(mixed(hash, word) >> 32) | 1


cdef inline char *put_integer(char *at, int first, int bits, Py_ssize_t number) noexcept nogil:
    """Behind the flags in ``first``."""
    cdef Py_ssize_t most = (1 << bits) - 1
    if number < most:
        at[0] = <char>(first | number)
        return at + 1
    at[0] = <char>(first | most)
    at += 1
    number -= most
    while number > 0x7F:
        at[0] = <char>(0x80 | number & 0x7F)
        at += 1
        number >>= 7
    at[0] = <char>number
    return at + 1


cdef inline char *put_text(char *at, Text text, Py_ssize_t size) noexcept nogil:
    at = put_integer(at, 0, 7, size)
    memcpy(at, text, size)
    return at + size


cdef inline char *put_number(char *at, Py_ssize_t number) noexcept nogil:
    """As text."""
    cdef char digits[MOST_DIGITS]
    cdef char *first = digits + MOST_DIGITS
    while True:
        first -= 1
        first[0] = <char>(c"0" + number % 10)
        number //= 10
        if number == 0:
            return put_text(at, <Text>first, digits + MOST_DIGITS - first)


cdef inline char *put_name(char *at, int first, int number, Text name, Py_ssize_t size) noexcept nogil:
    """The beginning of a literal; ``number``: of the name in the static table, or 0."""
    cdef Py_ssize_t index
    at = put_integer(at, first, 6 if first == ADDED else 4, number)
    if number == 0:
        at = put_integer(at, 0, 7, size)
        for index in range(size):
            at[index] = <char>lower[name[index]]
        at += size
    return at


cdef inline Py_ssize_t index_of(Table *table, Text key, Py_ssize_t size, uint32_t hash) noexcept nogil:
    """Of a field in the table, or 0."""
    cdef uint32_t mark, gone
    cdef Known *known
    if table == NULL:
        return 0
    mark = table.newest[hash >> 8 & CHAINS - 1]
    gone = table.added - <uint32_t>table.count
    while mark > gone:
        known = table.ring[mark - 1 & table.room - 1]
        if known.hash == hash and known.key_size == size and memcmp(known + 1, key, size) == 0:
            return STATIC_COUNT + 1 + <Py_ssize_t>(table.added - mark)
        mark = known.older
    return 0


cdef class Encoder:
    def __cinit__(self):
        self._capacity = TABLE_SIZE

    def __dealloc__(self):
        if self._table != NULL:
            self._evict(-1)
            free(self._table.ring)
            free(self._table)

    cpdef resize(self, Py_ssize_t capacity):
        capacity = min(capacity, TABLE_SIZE)
        if capacity == self._capacity:
            return
        self._lowest = min(self._lowest, capacity) if self._resized else capacity
        self._resized = True
        self._capacity = capacity
        if self._table != NULL:
            self._evict(capacity)

    cpdef bytes response(self, int status, bytes fields, Py_ssize_t length):
        cdef char *at = self._begin(LONGEST_HEAD + PyBytes_GET_SIZE(fields))
        if status == 200:
            at[0] = <char>(INDEXED | 8)
            at += 1
        else:
            at = self._pseudo(at, 8, b"%d" % status)
        at = self._lines(at, fields)
        if length >= 0:
            at = put_number(put_integer(at, NOT_ADDED, 4, CONTENT_LENGTH), length)
        return self._made(at)

    cpdef bytes request(
        self, bytes method, bytes scheme, bytes authority, bytes path, bytes protocol, bytes fields, bytes extra
    ):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(method) + PyBytes_GET_SIZE(scheme) + PyBytes_GET_SIZE(authority)
        size += PyBytes_GET_SIZE(path) + PyBytes_GET_SIZE(protocol) + 5 * LONGEST_HEAD
        cdef char *at = self._begin(size + PyBytes_GET_SIZE(fields) + PyBytes_GET_SIZE(extra))
        at = self._pseudo(at, 2, method)
        at = self._pseudo(at, 6, scheme)
        if PyBytes_GET_SIZE(authority):
            at = self._pseudo(at, 1, authority)
        at = self._pseudo(at, 4, path)
        if PyBytes_GET_SIZE(protocol):
            at = put_name(at, NOT_ADDED, 0, <Text>b":protocol", 9)
            at = put_text(at, <Text>PyBytes_AS_STRING(protocol), PyBytes_GET_SIZE(protocol))
        return self._made(self._lines(self._lines(at, fields), extra))

    cpdef bytes trailers(self, list lines):
        cdef Py_ssize_t size = 0
        cdef bytes line
        cdef char *at
        for line in lines:
            size += PyBytes_GET_SIZE(line) + LINE_OVERHEAD
        at = self._begin(size)
        for line in lines:
            at = self._line(at, <Text>PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line))
        return self._made(at)

    cdef bytes _made(self, char *end):
        return PyBytes_FromStringAndSize(written.start, end - written.start)

    cdef char *_begin(self, Py_ssize_t size) except NULL:
        """Where to write fields of ``size`` bytes: a field of n bytes is never more than twice as long when written."""
        cdef char *at
        have_room(&written, 2 * size + LONGEST_HEAD)
        at = written.start
        if self._resized:
            if self._lowest < self._capacity:
                at = put_integer(at, 0x20, 5, self._lowest)
            at = put_integer(at, 0x20, 5, self._capacity)
            self._resized = False
        return at

    cdef char *_lines(self, char *at, bytes lines) except NULL:
        cdef Text line = <Text>PyBytes_AS_STRING(lines)
        cdef Text end = line + PyBytes_GET_SIZE(lines)
        cdef Text stop = line
        while stop < end:
            stop = <Text>memchr(stop, c"\r", end - stop)
            if stop == NULL:
                stop = end
            elif stop[1] != c"\n":
                stop += 1
                continue
            at = self._line(at, line, stop - line)
            line = stop = stop + 2
        return at

    cdef char *_line(self, char *at, Text line, Py_ssize_t size) except NULL:
        cdef uint32_t hash = hash_of(line, size)
        cdef Py_ssize_t index = index_of(self._table, line, size, hash), name_size
        cdef Text value, end = line + size
        cdef Name *known
        cdef int number = 0
        if index:
            return put_integer(at, INDEXED, 7, index)
        value = <Text>memchr(line, c":", size)
        if value == NULL:
            return at
        name_size = value - line
        value += 1
        while value < end and (value[0] == c" " or value[0] == c"\t"):
            value += 1
        while end > value and ((end - 1)[0] == c" " or (end - 1)[0] == c"\t"):
            end -= 1
        known = known_name(line, name_size)
        if known == NULL:
            return self._put(at, line, size, hash, 0, line, name_size, value, end - value)
        number = known.number
        if known.kind == CONNECTION or (known.kind == TE and (end - value != 8 or not alike(value, b"trailers", 8))):
            return at
        if known.treatment == SECRET or (known.kind == COOKIE and end - value < SHORT_COOKIE):
            return put_text(put_name(at, NEVER_ADDED, number, line, name_size), value, end - value)
        if known.treatment == PASSING:
            return put_text(put_name(at, NOT_ADDED, number, line, name_size), value, end - value)
        return self._put(at, line, size, hash, number, line, name_size, value, end - value)

    cdef char *_pseudo(self, char *at, int number, bytes value) except NULL:
        """``number``: of its name in the static table."""
        cdef char key[LONGEST_KEY]
        cdef Text text = <Text>PyBytes_AS_STRING(value)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(value), index
        cdef Entry *entry = &static_fields[number]
        cdef unsigned char kind = entry.kind
        cdef uint32_t hash
        while entry.kind == kind:
            if entry.value == size and size and memcmp(entry.line + entry.name + 2, text, size) == 0:
                return put_integer(at, INDEXED, 7, entry - static_fields)
            entry += 1
        if size >= LONGEST_KEY:
            return put_text(put_name(at, NOT_ADDED, number, NULL, 0), text, size)
        key[0] = <char>number
        memcpy(key + 1, text, size)
        hash = hash_of(<Text>key, size + 1)
        index = index_of(self._table, <Text>key, size + 1, hash)
        if index:
            return put_integer(at, INDEXED, 7, index)
        return self._put(at, <Text>key, size + 1, hash, number, NULL, static_fields[number].name, text, size)

    cdef char *_put(
        self, char *at, Text key, Py_ssize_t key_size, uint32_t hash,
        int number, Text name, Py_ssize_t name_size, Text value, Py_ssize_t size,
    ) except NULL:
        """A field that is not in the table and may go into it."""
        cdef int first = NOT_ADDED
        if (key_size + FIELD_OVERHEAD) * SHARE <= self._capacity and self._repeats(hash):
            self._add(key, key_size, hash, name_size + size + FIELD_OVERHEAD)
            first = ADDED
        return put_text(put_name(at, first, number, name, name_size), value, size)

    cdef bint _repeats(self, uint32_t hash) except -1:
        """Whether a field came a short time ago; if not, it is remembered."""
        cdef Table *table = self._table
        cdef bint found = False
        cdef int index
        if table == NULL:
            table = self._table = <Table *>calloc(1, sizeof(Table))
            if table == NULL:
                raise MemoryError
        for index in range(RECENT):
            found |= table.recent[index] == hash
        if table.added == LAST_MARK:
            return False
        if not found:
            table.recent[table.next_recent] = hash
            table.next_recent = table.next_recent + 1 & RECENT - 1
        return found

    cdef int _add(self, Text key, Py_ssize_t key_size, uint32_t hash, Py_ssize_t size) except -1:
        cdef Table *table = self._table
        cdef uint32_t *newest = &table.newest[hash >> 8 & CHAINS - 1]
        cdef Known *known
        self._evict(self._capacity - size)
        if table.count == table.room:
            grow(table)
        known = <Known *>malloc(sizeof(Known) + key_size)
        if known == NULL:
            raise MemoryError
        known.older = newest[0]
        known.hash = hash
        known.size = <uint16_t>size
        known.key_size = <uint16_t>key_size
        memcpy(known + 1, key, key_size)
        table.ring[table.added & table.room - 1] = known
        table.added += 1
        table.count += 1
        table.size += size
        newest[0] = table.added
        return 0

    cdef void _evict(self, Py_ssize_t size) noexcept:
        cdef Table *table = self._table
        cdef Known *known
        while table.count and table.size > size:
            known = table.ring[table.added - table.count & table.room - 1]
            table.count -= 1
            table.size -= known.size
            free(known)


cdef int grow(Table *table) except -1:
    cdef Py_ssize_t room = 2 * table.room if table.room else FEW
    cdef Known **ring = <Known **>malloc(room * sizeof(Known *))
    cdef uint32_t number
    if ring == NULL:
        raise MemoryError
    for number in range(table.added - <uint32_t>table.count, table.added):
        ring[number & room - 1] = table.ring[number & table.room - 1]
    free(table.ring)
    table.ring = ring
    table.room = room
    return 0
