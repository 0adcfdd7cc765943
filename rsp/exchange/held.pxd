from rsp.exchange.filter cimport Filter
from rsp.http.message cimport ResponseHead
from rsp.http.peer_stream cimport Responder


cdef class HeldResponse:
    cdef public ResponseHead head
    cdef public list body_filters, pieces, trailers
    cdef public bint changed
    cdef public object length
    cdef Responder _responder
    cdef object _limit, _wanted
    cpdef set_up(self, ResponseHead head, list pieces, list trailers, Responder responder)
    cpdef add(self, list pieces, list trailers)
    cpdef filter_body(self, Filter by)
