from rsp.http.message cimport RequestHead
from rsp.http.lines cimport drop, get
from rsp.ipc.shared_memory cimport Shared


cdef class Phases:
    cdef public int error, log, request, response, upstream
    cdef public object fail_open


cdef class Host:
    cdef public bint serving
    cdef public object current, plane, table
    cdef public RequestHead head
    cdef public Shared store
    cpdef get_field(self, int which, name)
    cpdef set_field(self, int which, bytes name, bytes lines)


cdef class Hooks:
    cdef public Host host
    cdef object _evaluation
    cdef public Py_ssize_t _last
    cdef bint _stopped
    cdef dict _timers
    cdef public Py_ssize_t body_limit
    cdef public object cancel, config, long, operations, phases, plane, release, resume, services, table
    cdef public Shared store
    cdef public object request, response, too_long, tracing, witness
    cdef public Phases everywhere
    cdef public bint fail_open, keeps
    cdef public dict routes
    cdef public double timeout
    cpdef settle(self, exchange, then, outcome)
