from rsp.http1.head cimport ResponseHead
from rsp.proxy.asker cimport Asker
from rsp.proxy.peer cimport Peer
from rsp.proxy.upstream cimport Upstream


cdef class Rival(Asker):
    cdef bint _holds
    cdef object _original
    cdef Upstream _upstream
    cdef public double ended, started
    cdef public Peer peer
    cpdef connected(self, Upstream upstream)
    cpdef upstream_done(self)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
