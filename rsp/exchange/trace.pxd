cimport cython

from rsp.exchange.forward.journal cimport Try
from rsp.exchange.subject cimport Subject
from rsp.http.message cimport OutgoingHead

cdef tuple _CONTINUED, _RANDOM


cpdef bytes new_ids()
cpdef bytes new_span_id()


cdef class Trace:
    cdef object _tracer
    cdef bytes _end, _line
    cdef public bytes parent, span_id, state, trace_id
    cdef public bint is_sampled
    cdef public int flags
    @cython.locals(ids=bytes, is_random=bint)
    cpdef set_up(self, tracer, caller, bytes state, bint is_sampled)
    cdef bytes _about(self, bytes span_id)
    cpdef bytes lines(self, Try noted)
    cdef bytes _of_try(self, Try noted)
    cpdef name_try(self, OutgoingHead outgoing, Try noted)
    cpdef end(self, Subject exchange)
