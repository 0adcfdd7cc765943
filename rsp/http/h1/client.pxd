cimport cython

from rsp.http.h1.body cimport Decoder
from rsp.http.h1.codec cimport end_of_head, parse_response
from rsp.http.message cimport ResponseHead
from rsp.net.transport cimport Protocol, Transport
from rsp.exchange.forward.request cimport Asker
from rsp.exchange.forward.peer cimport Peer
from rsp.exchange.context cimport Plane
from rsp.exchange.limits cimport Terms
from rsp.http.h1.writing cimport write_message

cdef int _CHUNKED, _CHUNKS, _INTERIM
cdef double _NEVER
cdef list _NOTHING


cdef class Upstream(Protocol):
    cdef bytes _buffer
    cdef bint _chunked, _heard, _tunnel
    cdef double _end_delay
    cdef long long _sent_after
    cdef _hear(self)
    cdef Decoder _decoder
    cdef int _interim
    cdef Py_ssize_t _interim_size
    cdef ResponseHead _head
    cdef Plane _plane
    cdef Terms _terms
    cdef public double deadline, made
    cdef public Asker exchange
    cdef public Peer peer
    cdef bint _silent
    cdef public bint doubtful, connection_bound, reused, writing_paused
    cpdef data_received(self, bytes data)
    cpdef go_on(self)
    cpdef bint eof_received(self) except -1
    cpdef bint reads_on(self) except -1
    cpdef connection_lost(self, error)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef send_request(self, Asker exchange, bytes head, Py_ssize_t framing, list pieces, list trailers)
    cpdef send_body(self, list pieces, list trailers)
    cdef _send(self, bytes start, list pieces, list trailers)
    cpdef pause(self)
    cpdef resume(self)
    cpdef start_tunnel(self)
    cpdef send_raw(self, bytes data)
    cpdef release(self)
    cpdef put_back(self)
    cpdef abandon(self)
    cpdef bint is_due(self, double now)
    @cython.locals(head=ResponseHead, end=Py_ssize_t, searched=Py_ssize_t, start=Py_ssize_t)
    cdef _heads(self, Asker exchange, bytes data)
    cdef tuple _not_plain(self, bytes data, Py_ssize_t searched, bytes method)
    cdef _begin(self, Asker exchange, ResponseHead head, bytes data)
    cdef _body(self, Asker exchange, Decoder decoder, bytes data)
    cdef _finish(self, Asker exchange, ResponseHead head, list pieces, list trailers, bint reusable)
