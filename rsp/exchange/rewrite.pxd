cimport cython

from rsp.http.lines cimport drop, get
from rsp.http.message cimport RequestHead
from rsp.http.pieces cimport joined, part


cdef class Rewrite:
    cdef public bytes stripped
    cpdef bytes target(self, RequestHead head, source)
    cpdef bytes with_prefix(self, bytes fields)


cdef class PrefixRewrite(Rewrite):
    cdef bytes _by
    cdef Py_ssize_t _size
    @cython.locals(changed=bytes)
    cpdef bytes target(self, RequestHead head, source)


cdef class TemplateRewrite(Rewrite):
    cdef object _path, _query, _size
    cdef bint _keeps_query
