# cython: boundscheck=False
cimport cython

from rsp.ipc.lock cimport Lock

ctypedef unsigned long long Word

cdef int _SHARDS, _CELL, _CELL_BYTES, _HEAD_ROOM, _TAIL_ROOM
cdef int _DIRTY, _FREE, _NEWEST, _OLDEST, _ENTRIES, _EVICTED, _USED, _BUCKETS
cdef int _STATE, _NEXT, _CHAIN, _NEWER, _OLDER, _HASH, _EXPIRES, _NUMBER
cdef int _IS_FREE, _IS_TAIL, _IS_HEAD, _TEXT, _FLOAT, _BOOL


cdef class Shard:
    cdef object _raw
    cdef Word[::1] _words
    cdef double[::1] _floats
    cdef Py_ssize_t _start, _cells, _buckets, _first
    cdef Lock _lock
    @cython.locals(cell=Word)
    cpdef get(self, bytes key, Word hashed)
    @cython.locals(cell=Word, kind=int)
    cpdef put(self, bytes key, Word hashed, object value, double ttl, bint only_new)
    @cython.locals(cell=Word, at=Py_ssize_t, total=double)
    cpdef incr(self, bytes key, Word hashed, double by, double first, double ttl)
    @cython.locals(cell=Word)
    cpdef delete(self, bytes key, Word hashed)
    @cython.locals(cell=Word, now=double, expected=double, early=double)
    cpdef double rate(self, bytes key, Word hashed, double interval, double burst, double cost) except? -1
    cdef _begin(self)
    cdef _end(self)
    cdef Py_ssize_t _at(self, Word cell)
    cdef int _kind(self, Word cell)
    cdef _set_kind(self, Word cell, int kind)
    cdef bint _expired(self, Word cell, double now)
    @cython.locals(cell=Word, at=Py_ssize_t, expires=double)
    cdef Word _live(self, bytes key, Word hashed) except? 0
    @cython.locals(at=Py_ssize_t, size=Py_ssize_t, begin=Py_ssize_t)
    cdef bytes _key(self, Word cell)
    cdef bytes _content(self, Word cell)
    cdef _value(self, Word cell)
    @cython.locals(at=Py_ssize_t, last=Py_ssize_t, begin=Py_ssize_t, cell=Word, tail=Word)
    cdef _insert(self, bytes key, Word hashed, int kind, bytes value, double number, double ttl)
    @cython.locals(cell=Word, start=Py_ssize_t)
    cdef Word _take(self) except? 0
    @cython.locals(at=Py_ssize_t)
    cdef _free(self, Word cell)
    @cython.locals(at=Py_ssize_t, bucket=Py_ssize_t, start=Py_ssize_t)
    cdef _link(self, Word cell)
    @cython.locals(at=Py_ssize_t, start=Py_ssize_t, newest=Word)
    cdef _link_newest(self, Word cell)
    @cython.locals(at=Py_ssize_t, start=Py_ssize_t, newer=Word, older=Word)
    cdef _unlink_age(self, Word cell)
    cdef _touch(self, Word cell)
    @cython.locals(at=Py_ssize_t, start=Py_ssize_t, bucket=Py_ssize_t, other=Py_ssize_t, following=Word)
    cdef _remove(self, Word cell)


cdef class Shared:
    cdef object _descriptor, _memory
    cdef list _shards
    @cython.locals(hashed=Word, shard=Shard)
    cpdef incr(self, bytes key, double by, double first, double ttl)
    @cython.locals(hashed=Word, shard=Shard)
    cpdef double rate(self, bytes key, double interval, double burst, double cost) except? -1
