from rsp.http.message cimport RequestHead, ResponseHead
from rsp.exchange.forward.peer cimport Peer
from rsp.exchange.limits cimport Terms
from rsp.http.h1.client cimport Upstream


cdef class Asker:
    cdef public bint bound, request_done
    cdef public bytes client
    cdef public RequestHead head
    cdef public Peer only
    cdef public Terms terms
    cdef public object rest
    cdef public set tried
    cpdef connected(self, Upstream upstream)
    cpdef upstream_done(self)
    cpdef upstream_full(self)
    cpdef upstream_ready(self)
    cpdef interim(self, ResponseHead head)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef response_body(self, list pieces, list trailers)
    cpdef tunnel_down(self, bytes data)
