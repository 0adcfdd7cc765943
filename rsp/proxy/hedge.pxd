from rsp.http1.head cimport ResponseHead
from rsp.proxy.exchange cimport Exchange
from rsp.proxy.peer cimport Peer
from rsp.proxy.upstream cimport Upstream


cdef class Rival(Exchange):
    cdef public double ended, started
    cdef public Exchange original
    cdef public Peer peer
    cpdef connected(self, Upstream upstream)
    cpdef upstream_done(self)
    cpdef interim(self, ResponseHead head)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
