cimport cython

from rsp.exchange.filter cimport Notes
from rsp.ipc.clock cimport monotonic

cdef double _CREDIT, _SLICE, _NOW
cdef Py_ssize_t _MOST


cdef class Row:
    cpdef double reserve(self, double seconds) except? -1


cdef class Pace(Notes):
    cdef object _exchange, _pieces, _timer
    cdef Row _row
    cdef double _begins, _rate
    cdef bint _blocked, _closed, _full, _upward
    cdef list _ready, _trailers
    cdef _wait(self, list part, double seconds)
    cdef _add(self, list pieces)
    cpdef set_up(self, exchange, Row row, double rate, bint upward)
    @cython.locals(seconds=double, now=double, begins=double)
    cdef double _reserve(self, Py_ssize_t size) except? -1
    cpdef charge(self, Py_ssize_t size)
    @cython.locals(first=list, piece=bytes, size=Py_ssize_t, wait=double)
    cpdef tuple begin(self, list pieces, list trailers)
    cpdef take(self, list pieces, list trailers)
    cpdef blocked(self)
    cpdef unblocked(self)
    @cython.locals(last=bint, trailers=list, due=list)
    cdef _release(self)
    @cython.locals(due=list, part=bytes, wait=double)
    cdef list _due(self)
    @cython.locals(size=Py_ssize_t, piece=bytes)
    cdef bytes _cut(self, waiting)
    cpdef _expired(self)
    cdef _hold_source(self)
    cdef _ask_source(self)
    cdef _pass_on(self, list pieces, list trailers)
