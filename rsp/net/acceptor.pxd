from rsp.net.calls cimport accept
from rsp.net.poller cimport Poller, Watched
from rsp.net.transport cimport Transport


cdef class Acceptor(Watched):
    cdef object _sock
    cdef public object accepted, kind
    cdef bint _exhausted
    cdef Poller _poller
    cpdef ready(self, int events)
    cpdef Py_ssize_t take(self, Py_ssize_t most) except -1
