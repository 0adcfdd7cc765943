from rsp.http.limits cimport Limits
from rsp.http.message cimport OutgoingHead, RequestHead, ResponseHead


cdef class Failure:
    cdef public str reason
    cdef public bint counts, timed_out, untouched


cdef class PeerStream:
    cpdef bint is_full(self) except -1
    cpdef bint is_bound(self) except -1
    cpdef bint is_doubtful(self) except -1
    cpdef bint is_stale(self) except -1
    cpdef send_request(self, OutgoingHead head, list pieces, list trailers)
    cpdef send_body(self, list pieces, list trailers)
    cpdef pause(self)
    cpdef resume(self)
    cpdef send_raw(self, bytes data)


cdef class ResponseReceiver:
    cdef public bint response_started
    cpdef OutgoingHead outgoing_head(self)
    cpdef bytes placeholder(self, str name)
    cpdef list outgoing_trailers(self, list trailers)
    cpdef interim(self, ResponseHead head)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef response_body(self, list pieces, list trailers)
    cpdef source_full(self)
    cpdef source_ready(self)
    cpdef tunnel_down(self, bytes data)


cdef class Responder:
    cdef public bytes last_lines, peers_tried
    cdef public double begun, connect_seconds, ended, first_byte, seconds, started
    cdef public Py_ssize_t tries
    cpdef forget(self)
    cpdef request_body(self, list pieces, list trailers)
    cpdef pause(self)
    cpdef resume(self)
    cpdef abort(self, reason)
    cpdef tunnel_up(self, bytes data)


cdef class PeerRequest(Responder):
    cdef public RequestHead head
    cdef public Limits limits
    cdef public bytes client
    cdef public bint bound, request_done
    cdef public set tried
    cdef public object only, rest
    cpdef bint is_repeatable(self) except -1
    cpdef connected(self, PeerStream stream)
    cpdef peer_done(self)
    cpdef peer_full(self)
    cpdef peer_ready(self)
    cpdef interim(self, ResponseHead head)
    cpdef response(self, ResponseHead head, list pieces, list trailers)
    cpdef response_body(self, list pieces, list trailers)
    cpdef tunnel_down(self, bytes data)
