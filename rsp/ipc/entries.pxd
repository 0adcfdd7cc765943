# cython: boundscheck=False
cimport cython

from rsp.ipc.clock cimport monotonic
from rsp.ipc.lock cimport Lock

ctypedef unsigned long long Word

cdef int _CELL, _CELL_BYTES, _HEAD_ROOM, _HEAD_WORDS, _TAIL_ROOM
cdef int _DIRTY, _FREE, _NEWEST, _OLDEST, _ENTRIES, _EVICTED, _USED, _BUCKETS
cdef int _STATE, _NEXT, _CHAIN, _NEWER, _OLDER, _HASH, _EXPIRES, _NUMBER
cdef Word _COUNT
cdef int _IS_FREE, _IS_TAIL, _IS_HEAD, _TEXT, _FLOAT, _BOOL


cdef class Entries:
    cdef object _raw
    cdef Word[::1] _words
    cdef double[::1] _floats
    cdef Py_ssize_t _start, _cells, _buckets, _first
    cdef Py_ssize_t own, vacant
    cdef Lock _lock
    cdef int begin(self) except -1
    cdef int end(self) except -1
    cdef Py_ssize_t _at(self, Word cell) noexcept
    cdef bint is_text(self, Word cell) noexcept
    cdef bint is_number(self, Word cell) noexcept
    @cython.locals(found=double)
    cdef double number(self, Word cell) noexcept
    cdef void set_number(self, Word cell, double number) noexcept
    cdef void expire(self, Word cell, double moment) noexcept
    @cython.locals(at=Py_ssize_t, kind=int)
    cdef replace(self, Word cell, object value, double ttl)
    @cython.locals(expires=double)
    cdef bint expired(self, Word cell, double now) noexcept
    @cython.locals(cell=Word, at=Py_ssize_t, expires=double)
    cdef Word find(self, bytes key, Word hashed) except? 0xFFFFFFFFFFFFFFFF
    cdef bint _is_named(self, Word cell, bytes key) except -1
    @cython.locals(at=Py_ssize_t, size=Py_ssize_t, begin=Py_ssize_t)
    cdef bytes key(self, Word cell)
    cdef bytes _content(self, Word cell)
    cdef Py_ssize_t count_words(self, Word cell) noexcept
    cdef Word word(self, Word cell, Py_ssize_t index) noexcept
    cdef void set_word(self, Word cell, Py_ssize_t index, Word word) noexcept
    @cython.locals(first=Py_ssize_t, index=Py_ssize_t, count=Py_ssize_t, total=Word, word=Word)
    cdef Word tally(self, Word cell, Word owner) noexcept
    @cython.locals(found=double)
    cdef double real(self, Word cell, Py_ssize_t index) noexcept
    cdef void set_real(self, Word cell, Py_ssize_t index, double number) noexcept
    cdef Py_ssize_t _place(self, Word cell, Py_ssize_t index) noexcept
    @cython.locals(number=double)
    cdef value(self, Word cell)
    @cython.locals(at=Py_ssize_t, cell=Word, index=Py_ssize_t, size=Word)
    cdef int insert_words(self, Word hashed, Word word) except -1
    @cython.locals(at=Py_ssize_t, last=Py_ssize_t, begin=Py_ssize_t, cell=Word, tail=Word, content=bytes, number=double, kind=int)
    cdef insert(self, bytes key, Word hashed, object value, double ttl)
    @cython.locals(cell=Word, start=Py_ssize_t)
    cdef Word _take(self) except? 0
    @cython.locals(at=Py_ssize_t)
    cdef void _free(self, Word cell) noexcept
    @cython.locals(at=Py_ssize_t, bucket=Py_ssize_t, start=Py_ssize_t)
    cdef void _link(self, Word cell) noexcept
    @cython.locals(at=Py_ssize_t, start=Py_ssize_t, newest=Word)
    cdef void _link_newest(self, Word cell) noexcept
    @cython.locals(at=Py_ssize_t, start=Py_ssize_t, newer=Word, older=Word)
    cdef void _unlink_age(self, Word cell) noexcept
    cdef void touch(self, Word cell) noexcept
    @cython.locals(at=Py_ssize_t, start=Py_ssize_t, bucket=Py_ssize_t, other=Py_ssize_t, following=Word)
    cdef void remove(self, Word cell) noexcept
