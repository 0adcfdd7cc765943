cimport cython

from rsp.net.calls cimport accept
from rsp.net.neighbours cimport Neighbours
from rsp.net.poller cimport Poller, Watched
from rsp.net.transport cimport Transport

cdef Py_ssize_t _AT_ONCE, _MOST_QUEUED
cdef int _MOST_PATIENCE


cdef class Acceptor(Watched):
    cdef object _listener, _sock
    cdef public object accepted
    cdef public type kind
    cdef public Neighbours neighbours
    cdef bint _exhausted
    cdef int _full, _patience
    cdef Py_ssize_t _expected
    cdef Poller _poller
    @cython.locals(count=Py_ssize_t)
    cpdef ready(self, int events)
    @cython.locals(count=Py_ssize_t, found=tuple, kind=type, transport=Transport)
    cpdef Py_ssize_t take(self, Py_ssize_t most) except -1
