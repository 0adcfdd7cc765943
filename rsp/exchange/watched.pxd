cimport cython

from rsp.exchange.subject cimport Subject
from rsp.net.context cimport WorkerContext
from rsp.net.watcher cimport Watcher


cdef int TAP_DROPPED


cdef class Watched(Watcher):
    cdef WorkerContext _context
    cdef object _page, _tap
    cdef list _active
    cdef double _least
    cdef bint _traces
    @cython.locals(subject=Subject)
    cpdef see(self, object exchange, double ended)
