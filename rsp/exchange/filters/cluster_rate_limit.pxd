cimport cython

from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.filters.rate_limit cimport _Limit
from rsp.exchange.limit_key cimport LimitKey
from rsp.ipc.leases cimport Leases
from rsp.ipc.shared_memory cimport Shared

cdef int DONE, HOLD, PASS, ASK, PASS_AND_ASK, REFUSE_AND_ASK


cdef class ClusterNotes(Notes):
    cdef Py_ssize_t number
    cdef set_up(self, Py_ssize_t number)


cdef class ClusterLimit:
    cdef object _client, _terms
    cdef double _interval
    cdef LimitKey _key
    cdef Leases _leases
    cdef Py_ssize_t _number
    cdef double full
    @cython.locals(key=bytes, code=int)
    cdef bint is_decided(self, exchange, owner) except -1
    @cython.locals(notes=ClusterNotes)
    cdef bint _ask(self, bytes key, exchange, owner) except -1


cdef class ClusterRateLimitFilter(Filter):
    cdef tuple _limits, _shared
    cdef Shared _rates
    cpdef int request(self, exchange) except -1
    @cython.locals(limit=_Limit, shared=ClusterLimit, full=double)
    cdef int _go_through(self, exchange, Py_ssize_t number) except -1
    @cython.locals(limit=_Limit)
    cpdef decided(self, exchange, ClusterNotes notes, double full)
