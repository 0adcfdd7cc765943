cimport cython

from rsp.exchange.forward.body cimport RequestBody
from rsp.exchange.forward.hold cimport Holder
from rsp.exchange.forward.retry cimport is_idempotent
from rsp.exchange.forward.upstream cimport Upstream
from rsp.http.message cimport ResponseHead
from rsp.http.peer_stream cimport PeerStream
from rsp.http.peer_stream cimport ResponseReceiver

cdef list _NOTHING


cdef class Relay(Holder):
    cdef public ResponseReceiver user
    cdef public Upstream upstream
    cdef public RequestBody body
    cdef public bint over, spent
    cpdef bint is_repeatable(self) except -1
    cpdef bint is_whole(self) except -1
    @cython.locals(body=RequestBody, pieces=list, trailers=list)
    cpdef send(self, PeerStream stream)
    @cython.locals(body=RequestBody, stream=PeerStream)
    cpdef request_body(self, list pieces, list trailers)
    cdef Py_ssize_t _most_kept(self) except -1
    cdef list _sound(self, list trailers)
    cpdef peer_full(self)
    cpdef peer_ready(self)
    cpdef interim(self, ResponseHead head)
    cpdef pause(self)
    cpdef resume(self)
    cpdef tunnel_up(self, bytes data)
    cpdef tunnel_down(self, bytes data)
