from rsp.net.context cimport WorkerContext
from rsp.net.poller cimport Watched


cdef class Neighbours(Watched):
    cdef WorkerContext _context
    cdef object _accepting, _inbox, _loads
    cdef bint _full
    cdef int _gifts, _looks, _slot
    cdef Py_ssize_t _turn
    cdef long long _version
    cdef dict _seen, _unseen
    cdef list _siblings
    cdef int _take(self) except -1
    cdef bint _has_room(self) except -1
    cpdef bint takes(self, int descriptor, bytes client, object listener) except -1
