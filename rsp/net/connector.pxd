from rsp.net.poller cimport Poller, Watched


cdef class Connector(Watched):
    cdef object _done
    cdef Poller _poller
    cpdef ready(self, int events)
