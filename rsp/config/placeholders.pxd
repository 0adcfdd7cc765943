cimport cython

from rsp.http.lines cimport one_line


cdef class Template:
    cdef object _escape
    cdef frozenset _uncertain
    cdef readonly frozenset names
    cdef readonly tuple parts
    @cython.locals(pieces=list, value=bytes)
    cpdef bytes fill(self, source=*)
    @cython.locals(found=bint, pieces=list, value=bytes)
    cpdef bytes fill_some(self, source)
