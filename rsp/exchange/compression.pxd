cimport cython

from rsp.http.lines cimport drop, get, which, without
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.negotiation cimport choose
from rsp.net.effort cimport Effort

cdef int _CODED, _CONTROLLED, _NOT_MODIFIED, _PARTIAL, _RANGE, _TAGGED, _VARIES
cdef Py_ssize_t CHUNK
cdef bytes _ACCEPTED, _CONTROL, _HEAD, _TAG, _TYPE, _VARIES_BY, _VARY
cdef tuple _ASKED


cdef class Compression:
    cdef public Effort effort
    cdef dict _codings, _kinds
    cdef int _level
    cdef Py_ssize_t _min_size
    cdef tuple _offered
    cdef object _types
    @cython.locals(body=bytes, is_head=bint)
    cpdef tuple begin(self, RequestHead request, ResponseHead head, list pieces, bint whole)
    @cython.locals(full=ResponseHead, tag=bytes)
    cpdef unchanged(self, RequestHead request, ResponseHead head, bytes fields, Py_ssize_t size)
    @cython.locals(kind=bytes, there=int, partial=bint, chosen=bytes)
    cdef _choose(self, RequestHead request, ResponseHead head, Py_ssize_t size)


@cython.locals(fields=bytes, tag=bytes, name=bytes, there=int, number=int)
cpdef mark(ResponseHead head, coding)
