cimport cython

from rsp.http.h2.output cimport Output
from rsp.http.h2.stream cimport Stream
from rsp.http.limits cimport Limits
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.stream cimport ClientEvents, ClientSession, ClientStream

cdef int BODY, CANCEL, HTTP_1_1_REQUIRED, INTERNAL_ERROR, NO_ERROR, TUNNEL, WAIT, _UNAUTHORIZED
cdef double _END_SECONDS, _NEVER


@cython.locals(fields=bytes, length=Py_ssize_t)
cpdef respond(Output connection, Stream stream, ResponseHead head, list pieces, list trailers)


cdef class ServerLane(Stream):
    cdef public H2ServerStream user
    cdef public Py_ssize_t mark
    cdef public double end_by
    cpdef serve(self, H2ServerStream user)
    cpdef note_wait(self, double now, double seconds)
    cpdef bint is_due(self, double now) except -1
    cpdef expire(self, double now, Limits limits)


cdef class H2ServerStream(ClientStream):
    cdef Output _connection
    cdef Py_ssize_t _taken
    cdef double _body_from, _paused_at
    cdef public int state
    cdef public double deadline, request_deadline
    cdef public ClientEvents events
    cdef public Limits limits
    cdef public RequestHead head
    cdef public ServerLane lane
    @cython.locals(lane=ServerLane)
    cpdef set_up(self, Output connection, ClientSession session, RequestHead head, long long number, bint whole)
    @cython.locals(piece=bytes)
    cpdef body_arrived(self, list pieces, list trailers)
    cdef _expect_body(self, double since)
    cdef _extend_tunnel(self)
    cpdef bint is_due(self, double now) except -1
    cpdef expire(self, double now)
    cpdef stop(self, int status, reason, int code)
