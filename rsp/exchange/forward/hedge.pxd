from rsp.exchange.forward.hold cimport Holder
from rsp.http.message cimport ResponseHead
from rsp.http.peer_stream cimport PeerStream


cdef class Hedge(Holder):
    cdef object _original
    cpdef connected(self, PeerStream stream)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
