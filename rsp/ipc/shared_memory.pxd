cimport cython

from rsp.ipc.entries cimport Entries, Word

cdef int _SHARDS


cdef class Shard:
    cdef Entries _entries
    @cython.locals(entries=Entries, cell=Word)
    cpdef get(self, bytes key, Word hashed)
    @cython.locals(entries=Entries, cell=Word)
    cpdef put(self, bytes key, Word hashed, object value, double ttl, bint only_new)
    @cython.locals(entries=Entries, cell=Word, total=double)
    cpdef incr(self, bytes key, Word hashed, double by, double first, double ttl)
    @cython.locals(entries=Entries, cell=Word)
    cpdef delete(self, bytes key, Word hashed)
    @cython.locals(entries=Entries, cell=Word, now=double, expected=double, early=double)
    cpdef double rate(self, bytes key, Word hashed, double interval, double burst, double cost) except? -1


cdef class Shared:
    cdef object _descriptor, _memory
    cdef list _shards
    @cython.locals(hashed=Word, shard=Shard)
    cpdef incr(self, bytes key, double by, double first, double ttl)
    @cython.locals(hashed=Word, shard=Shard)
    cpdef double rate(self, bytes key, double interval, double burst, double cost) except? -1
