cimport cython

from rsp.config.placeholders cimport Template
from rsp.http.lines cimport without


cdef class Rules:
    cdef public object host, remove
    cdef public bint ours
    cdef bytes _added
    cdef tuple _gone, _lines
    cdef public bint connection_bound
    @cython.locals(line=Template)
    cpdef bytes apply(self, bytes fields, source)
