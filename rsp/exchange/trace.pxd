from rsp.exchange.forward.journal cimport Try, new_span_id
from rsp.exchange.subject cimport Subject
from rsp.http.message cimport OutgoingHead

cdef int RANDOM, SAMPLED


cdef class Trace:
    cdef object _tracer
    cdef bytes _field
    cdef public bytes parent, span_id, state, trace_id
    cdef public int flags
    cpdef bytes lines(self, Try noted)
    cdef bytes _told(self, Try noted)
    cpdef name_try(self, OutgoingHead outgoing, Try noted)
    cpdef end(self, Subject exchange)
