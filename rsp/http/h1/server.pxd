cimport cython

from rsp.http.h1.codec cimport end_of_head, request_in, response_head
from rsp.http.h1.server_stream cimport ServerStream, StreamOwner
from rsp.http.limits cimport Limits
from rsp.http.message cimport ResponseHead
from rsp.http.pieces cimport part
from rsp.http.stream cimport ClientSession, Service
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Transport

cdef int ACCEPTED, BODY, TUNNEL, WAIT
cdef int _CLOSED, _CR, _HEAD, _LF, _LINGER, _REQUESTS, _REQUEST_SHIFT, _STREAM
cdef double _NEVER
cdef Py_ssize_t _LINGER_BYTES


cdef class ServerConnection(StreamOwner):
    # Of a client that does nothing there is little: a bint has four bytes.
    cdef unsigned char _advancing, _counted, _writing_paused
    cdef int _state
    cdef Py_ssize_t _queued, _searched, _start
    cdef bytes _buffer
    cdef Service _service
    cdef public double deadline, send_deadline
    cdef public ClientSession session
    cdef public ServerStream stream
    cpdef set_up(
        self, WorkerContext context, Service service, Transport transport, ClientSession session, bint admitted
    )
    cdef Py_ssize_t _enter(self, Limits limits) except? -1
    cpdef renew(self)
    cpdef data_received(self, bytes data)
    cpdef go_on(self)
    cpdef bint eof_received(self) except -1
    cpdef bytes take_rest(self)
    cpdef put_back(self, bytes rest)
    @cython.locals(data=bytes, start=Py_ssize_t, end=Py_ssize_t, share=Py_ssize_t)
    cdef _advance(self)
    cdef _pace(self)
    cdef _unfinished(self, bytes data)
    @cython.locals(limits=Limits, session=ClientSession, stream=ServerStream)
    cdef _serve(self, bytes data, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(start=Py_ssize_t, piece=bytes)
    cdef _begin_body(self, ServerStream stream, Py_ssize_t framing)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cdef Limits _in_force(self)
    cpdef bint is_due(self, double now)
    cpdef finish(self, ServerStream stream, bint keep_alive)
    cpdef stop(self, int status, reason)
    cpdef close(self)
    cpdef connection_lost(self, error)
