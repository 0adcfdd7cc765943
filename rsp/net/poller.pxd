cimport cython

from rsp.net.calls cimport Epoll

cdef int _AT_ONCE


cdef class Watched:
    cdef public int descriptor, events
    cpdef ready(self, int events)
    cpdef turn(self)
    cpdef closed(self)


cdef class Poller:
    cdef object _loop
    cdef Epoll _epoll
    cdef list _watched, _closing
    cdef dict _again
    cdef bint _closing_due
    cdef public object relieve
    cdef public long long looks
    cpdef want(self, Watched watched, int events)
    cpdef forget(self, Watched watched)
    cpdef again(self, Watched watched)
    cpdef close_later(self, Watched watched)
    @cython.locals(at=Py_ssize_t, by_descriptor=list, found=list, watched=Watched)
    cpdef look(self)
    @cython.locals(watched=Watched)
    cpdef _close_due(self)
