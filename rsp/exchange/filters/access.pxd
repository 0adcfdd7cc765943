cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter

cdef int DONE, PASS
cdef str _DENIED, _OUTSIDE, _SERVED
cdef Py_ssize_t _KNOWN, _LONGEST


cdef class AccessFilter(Filter):
    cdef object _countries, _country, _route, _sources
    cdef tuple _allow, _deny
    cdef bint _any, _has_allow, _has_auth
    cdef dict _known
    cpdef use(self, keyring)
    @cython.locals(request=Exchange, verdict=str)
    cpdef int request(self, exchange) except -1
    cdef str _judge(self, bytes client)
    cdef str _look_up(self, bytes client)
