cimport cython

from rsp.exchange.filter cimport FieldRule, Filter
from rsp.exchange.subject cimport Subject
from rsp.http.lines cimport get, which, without
from rsp.http.message cimport ResponseHead
from rsp.http.pieces cimport joined

cdef int DONE, PASS
cdef bytes _HEADERS, _METHOD, _OPTIONS, _ORIGIN, _VARY
cdef tuple _WRITTEN


cdef class Origins:
    cdef dict _known
    cdef list _patterns
    cdef public bint any
    cpdef bint have(self, bytes origin) except -1


cdef class CorsRule(FieldRule):
    cdef bytes _after, _for_all, _last, _told
    cdef dict _lines
    cdef Origins _origins
    @cython.locals(subject=Subject, lines=bytes, origin=bytes)
    cpdef apply(self, exchange, ResponseHead head)
    cdef bytes _make_lines(self, bytes origin)


cdef class CorsFilter(Filter):
    cdef bint _any_header, _any_method
    cdef bytes _headers, _lines
    cdef Origins _origins
    @cython.locals(subject=Subject)
    cpdef int request(self, exchange) except -1
    cpdef int _answer(self, exchange) except -1
