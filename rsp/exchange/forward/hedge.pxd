from rsp.http.message cimport ResponseHead
from rsp.exchange.forward.request cimport Asker
from rsp.exchange.forward.peer cimport Peer
from rsp.http.h1.client cimport Upstream


cdef class Rival(Asker):
    cdef bint _holds
    cdef object _original
    cdef Upstream _upstream
    cdef public double ended, started
    cdef public Peer peer
    cpdef connected(self, Upstream upstream)
    cpdef upstream_done(self)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
