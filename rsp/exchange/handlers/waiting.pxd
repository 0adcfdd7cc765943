from rsp.exchange.exchange cimport Exchange
from rsp.http.peer_stream cimport Responder

cdef Responder NO_RESPONDER


cdef class Waiting(Responder):
    cdef public Exchange exchange
    cdef public object cancel
    cpdef hold(self, Exchange exchange)
    cpdef bint let_go(self) except -1
