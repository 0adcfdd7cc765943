cimport cython

from rsp.http.message cimport RequestHead
from rsp.http.paths cimport Choice, PathTable


cdef class Level:
    cdef public list choices
    cdef public PathTable normal, written


cpdef match(list levels, RequestHead head, source)


@cython.locals(level=Level, choice=Choice, table=PathTable)
cpdef find(list levels, bytes path, bint normal, RequestHead head, source)
