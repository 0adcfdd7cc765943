cimport cython

from rsp.ipc.clock cimport monotonic
from rsp.ipc.entries cimport Entries, Word
from rsp.ipc.shared_memory cimport Shared, hash_of

cdef int PASS, PASS_AND_ASK, REFUSE, REFUSE_AND_ASK, ASK
cdef int _LEFT, _UNTIL, _EMPTY, _ASK_AT, _FULL, _SEEN, _SINCE, _DEMAND
cdef double HOLDS, _AHEAD, _PACE, _SLOWEST, _FAST, _BUSY, _SAMPLE
cdef Word _OTHER


cdef class Leases:
    cdef Shared _rates
    cdef public bint is_new, local
    cdef public double need, seconds, want
    @cython.locals(hashed=Word, entries=Entries, cell=Word, now=double, left=double)
    cpdef int draw(self, bytes key, double interval, double cost) except -1
    @cython.locals(full=double)
    cdef int _take(self, Entries entries, Word cell, double now, double interval, double left) except -1
    @cython.locals(since=double, wait=double)
    cdef int _do_without(self, Entries entries, Word cell, double now, double interval, double cost) except -1
    @cython.locals(hashed=Word, entries=Entries, cell=Word, now=double, left=double, pause=double)
    cpdef told(self, bytes key, double more, double wait, double full)
    @cython.locals(hashed=Word, entries=Entries, cell=Word, left=double, holds=double)
    cpdef double unused(self, bytes key) except? -1
    @cython.locals(before=double, pause=double)
    cdef double _back_off(self, Entries entries, Word cell) except? -1
    @cython.locals(cell=Word)
    cdef Word _new(self, Entries entries, Word hashed, double now) except 0
    @cython.locals(seen=double, past=double, demand=double)
    cdef _reckon(self, Entries entries, Word cell, double now)
