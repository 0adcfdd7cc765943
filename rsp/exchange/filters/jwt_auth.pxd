cimport cython

from rsp.auth.tokens cimport Tokens
from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.passage cimport Passage
from rsp.http.lines cimport get
from rsp.ipc.clock cimport wall
from rsp.net.context cimport WorkerContext

cdef int DONE, HOLD, PASS, KEYS_WANTED
cdef bytes _AUTHORIZATION


cdef class _Waiting(Notes):
    cpdef call_off(self, exchange)
    cdef public Exchange exchange
    cdef public bytes value
    cdef public double until


cdef class JwtAuthFilter(Filter):
    cdef object _config, _rules
    cdef WorkerContext _context
    cdef double _quiet_until
    cdef bytes _realm
    cdef Tokens _tokens
    cdef list _waiting
    @cython.locals(request=Exchange, value=bytes, subject=bytes)
    cpdef int request(self, exchange) except -1
    cdef int _check(self, Exchange exchange, bytes value) except -1
    cdef bint _may_wait(self) except -1
    @cython.locals(passage=Passage, exchange=Exchange)
    cdef _decide(self, _Waiting waiting)
    cdef int _refuse(self, Exchange exchange, error) except -1
    cdef bytes _challenge(self, error)
