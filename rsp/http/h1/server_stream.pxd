from rsp.http.h1.body cimport Decoder, LengthDecoder
from rsp.http.h1.codec cimport response_head
from rsp.http.h1.writing cimport write_message
from rsp.http.limits cimport Limits
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.stream cimport ClientEvents, ClientSession, ClientStream
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Protocol

cdef int BODY, TUNNEL, WAIT, _CHUNKS
cdef double _NEVER
cdef list _NOTHING


cdef class StreamOwner(Protocol):
    cdef public WorkerContext context
    cdef public unsigned char eof, reading_paused
    cpdef bytes take_rest(self)
    cpdef put_back(self, bytes rest)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cpdef stop(self, int status, reason)
    cpdef finish(self, ServerStream stream, bint keep_alive)


cdef class ServerStream(ClientStream):
    cdef bint _chunked, _has_room, _switched
    cdef double _body_from, _paused_at
    cdef Py_ssize_t _taken
    cdef Decoder _decoder
    cdef StreamOwner _connection
    cdef public int state
    cdef public bint until_close
    cdef public double deadline, request_deadline
    cdef public ClientEvents events
    cdef public Limits limits
    cdef public RequestHead head
    cpdef set_up(self, StreamOwner connection, ClientSession session, RequestHead head)
    cpdef whole_body(self, bytes piece)
    cpdef begin_body(self, Py_ssize_t framing)
    cpdef body_received(self, bytes data)
    cdef _pass_body(self, list pieces, list trailers)
    cdef _expect_body(self, Py_ssize_t size)
    cdef bytes _head(self, ResponseHead head)
    cdef _send(self, bytes start, list pieces, list trailers)
    cdef _begin_tunnel(self)
    cdef _extend_tunnel(self)
    cpdef tunnel_received(self, bytes data)
    cpdef may_have_left(self)
    cpdef bint is_due(self, double now)
