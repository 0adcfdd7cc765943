# What other compiled modules call without going through Python; hpack.py says what it means.

cdef class Fields:
    cdef public bytes method, scheme, authority, path, protocol, status, host, lines
    cdef public str fault
    cdef public Py_ssize_t count, size, length
    cdef public int urgency
    cdef public bint too_large


cdef struct Entry:
    char *line  # "name: value" and CRLF
    void *text  # the value as a bytes object, or NULL
    unsigned int name, value  # sizes
    unsigned char kind  # of the name
    unsigned char sound  # whether the value is
    unsigned char plain  # whether it is nothing but a line


cdef struct Section:
    Py_ssize_t limit, count, size
    Py_ssize_t used  # bytes of lines
    Py_ssize_t cookies  # bytes of values of Cookie
    Py_ssize_t place  # of Cookie in the lines; -1: there is none
    unsigned int seen  # pseudo-fields, a bit each
    bint trailers, regular, stopped


cdef class Decoder:
    cdef Entry **_ring
    cdef Py_ssize_t _capacity, _most, _size, _count, _room
    cdef size_t _added
    cpdef Fields decode(self, bytes block, Py_ssize_t limit, bint trailers)
    cdef Entry *_literal(self, const unsigned char **at, const unsigned char *end, int bits) except NULL
    cdef Entry *_entry(self, Py_ssize_t index) except NULL
    cdef Entry *_insert(self, Entry *given) except NULL
    cdef int _grow(self) except -1
    cdef void _evict(self, Py_ssize_t size) noexcept


cdef struct Table


cdef class Encoder:
    cdef Table *_table
    cdef Py_ssize_t _capacity, _lowest
    cdef bint _resized
    cpdef resize(self, Py_ssize_t capacity)
    cpdef bytes response(self, int status, bytes fields, Py_ssize_t length)
    cpdef bytes request(
        self, bytes method, bytes scheme, bytes authority, bytes path, bytes protocol, bytes fields, bytes extra
    )
    cpdef bytes trailers(self, list lines)
    cdef char *_begin(self, Py_ssize_t size) except NULL
    cdef char *_pseudo(self, char *at, int number, bytes value) except NULL
    cdef char *_lines(self, char *at, bytes lines) except NULL
    cdef char *_line(self, char *at, const unsigned char *line, Py_ssize_t size) except NULL
    cdef bytes _made(self, char *end)
    cdef char *_put(
        self, char *at, const unsigned char *key, Py_ssize_t key_size, unsigned int hash,
        int number, const unsigned char *name, Py_ssize_t name_size, const unsigned char *value, Py_ssize_t size,
    ) except NULL
    cdef int _add(self, const unsigned char *key, Py_ssize_t key_size, unsigned int hash, Py_ssize_t size) except -1
    cdef bint _repeats(self, unsigned int hash) except -1
    cdef void _evict(self, Py_ssize_t size) noexcept
