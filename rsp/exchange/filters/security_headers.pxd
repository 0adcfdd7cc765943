cimport cython

from rsp.exchange.filter cimport FieldRule
from rsp.exchange.subject cimport Subject
from rsp.exchange.told cimport scheme_of
from rsp.http.lines cimport which, without
from rsp.http.message cimport ResponseHead
from rsp.http.pieces cimport joined

cdef bytes _HSTS, _HTTPS


cdef class SecurityRule(FieldRule):
    cdef bytes _all, _plain
    cdef bint _has_hsts
    cdef tuple _lines, _names
    @cython.locals(subject=Subject, secure=bint, there=int)
    cpdef apply(self, exchange, ResponseHead head)
    cdef dict _rests
    @cython.locals(last=int, rest=bytes)
    cpdef _complete(self, ResponseHead head, int there, bint secure)
