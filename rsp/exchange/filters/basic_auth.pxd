cimport cython

from rsp.auth.passwords cimport Users
from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter, Notes
from rsp.http.lines cimport get

cdef int DONE, HOLD, PASS
cdef bytes _AUTHORIZATION


cdef class _Waiting(Notes):
    cpdef call_off(self, exchange)
    cdef public object cancel


cdef class BasicAuthFilter(Filter):
    cdef bytes _challenge
    cdef str _file
    cdef Users _users
    @cython.locals(request=Exchange, value=bytes, user=bytes)
    cpdef int request(self, exchange) except -1
    cdef int _ask(self, Exchange exchange, bytes value) except -1
    cdef int _refuse(self, Exchange exchange, str reason) except -1
