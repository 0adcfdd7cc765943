from rsp.net.poller cimport Poller, Watched
from rsp.net.transport cimport Transport


cdef class Connector(Watched):
    cdef object _done, _kind
    cdef Poller _poller
    cpdef ready(self, int events)
