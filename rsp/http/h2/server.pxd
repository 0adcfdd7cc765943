cimport cython

from rsp.http.h2.connection cimport Connection
from rsp.http.h2.heads cimport request_of
from rsp.http.h2.hpack cimport Fields
from rsp.http.h2.server_stream cimport H2ServerStream, ServerLane, respond
from rsp.http.h2.stream cimport Stream
from rsp.http.h2.wire cimport frame_head
from rsp.http.limits cimport Limits
from rsp.http.message cimport RequestHead
from rsp.http.stream cimport ClientSession, Service
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Transport

cdef int ACCEPTED, CLOSED, LINGERING, OPEN
cdef int ENHANCE_YOUR_CALM, NO_ERROR, PING, PROTOCOL_ERROR, REFUSED_STREAM, RESET, SETTINGS, SMALL
cdef int STREAM_CLOSED
cdef int LINGER_SECONDS, _FEW, _MOST_FRAMES, _REQUEST
cdef double _ECHO_SECONDS, _NEVER


cdef class H2ServerConnection(Connection):
    cdef bint _counted, _eof, _final
    cdef double _drain_at, _section_deadline, _stalled
    cdef bytes _preface
    cdef Service _service
    cdef H2ServerStream _starting
    cdef public ClientSession session
    cpdef set_up(
        self, WorkerContext context, Service service, Transport transport, ClientSession session, bint admitted
    )
    cdef Py_ssize_t _enter(self, Limits limits) except? -1
    cpdef renew(self)
    cdef _renew_limits(self, Limits before, Limits limits)
    @cython.locals(session=ClientSession, limits=Limits, head=RequestHead, stream=H2ServerStream, lane=ServerLane,
                   at=Py_ssize_t)
    cdef _serve(self, long long number, Fields fields, bint last)
    @cython.locals(lane=ServerLane)
    cdef _refuse(self, long long number, error, int code, bint last, bint call)
    cdef _start(self)
    cpdef bint is_due(self, double now) except -1
    cdef bint _drain_is_due(self, double now) except -1
    cdef bint _section_is_late(self, double now) except -1
    cpdef drain(self)
    cdef _say_last(self)
    cdef _end(self)
    cdef _half_close(self)
