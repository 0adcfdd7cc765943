cimport cython

from rsp.ipc.clock cimport monotonic
from rsp.ipc.entries cimport Entries, Word

cdef int _SHARDS
cdef Word _BITS, _COUNT


cpdef Word hash_of(bytes key) except? 0


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
    cpdef double draw(self, Word hashed, double interval, double burst, double cost) except? -1
    @cython.locals(entries=Entries, cell=Word, now=double, begins=double)
    cpdef double reserve(self, Word hashed, double seconds, double credit) except? -1
    @cython.locals(entries=Entries)
    cdef _set_time(self, Word hashed, Word cell, double moment, double now)
    @cython.locals(entries=Entries, cell=Word)
    cpdef bint hold(self, Word hashed, Word owner, Word most) except -1
    cdef _enlarge(self, Word cell, Word hashed, Word owner)
    @cython.locals(entries=Entries, cell=Word, word=Word, held=Word)
    cpdef let_go(self, Word hashed, Word owner)
    @cython.locals(entries=Entries, cell=Word, word=Word, index=Py_ssize_t)
    cpdef bint void(self, Word hashed, set alive) except -1
    cdef Entries entries(self)


cdef class Shared:
    cdef object _descriptor, _memory
    cdef list _shards
    cpdef Shard shard(self, Word hashed)
    @cython.locals(hashed=Word, shard=Shard)
    cpdef incr(self, bytes key, double by, double first, double ttl)
    @cython.locals(full=double)
    cpdef double rate(self, bytes key, double interval, double burst, double cost) except? -1
    @cython.locals(hashed=Word, shard=Shard)
    cpdef double draw(self, bytes key, double interval, double burst, double cost) except? -1
    @cython.locals(hashed=Word, shard=Shard)
    cpdef bint hold(self, bytes key, Word owner, Word most) except -1
    @cython.locals(hashed=Word, shard=Shard)
    cpdef let_go(self, bytes key, Word owner)
    @cython.locals(hashed=Word, shard=Shard)
    cpdef bint void(self, bytes key, set alive) except -1
    @cython.locals(shard=Shard)
    cdef Entries entries_of(self, Word hashed)
