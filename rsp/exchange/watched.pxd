cimport cython

from rsp.exchange.condition cimport Condition
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
    @cython.locals(subject=Subject, active=Active)
    cpdef see(self, object exchange, double ended)


cdef class Share:
    cdef double _rate, _burst, _room, _at
    cpdef bint take(self, double now)


cdef class Active:
    cdef readonly object watch
    cdef readonly long left
    cdef WorkerContext _context
    cdef object _tap
    cdef Condition _condition
    cdef Share _share
    cdef long _dropped, _size
    cdef double _sent, _slower
    cdef list _held
    cpdef see(self, Subject exchange, double ended)
    cpdef _show(self, Subject exchange, double ended)
    cpdef _send(self, double now)
    cpdef _drop(self, long count)
