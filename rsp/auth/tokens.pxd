cimport cython

from rsp.http.pieces cimport part

cdef Py_ssize_t _TAIL


cdef class Valid:
    cdef readonly bytes subject, value
    cdef readonly double until


cdef class Tokens:
    cdef object __weakref__
    cdef object _keys, _rules
    cdef dict _valid
    cdef Py_ssize_t _size
    @cython.locals(known=Valid, size=Py_ssize_t)
    cpdef bytes recall(self, bytes value, double now)
    cdef _remember(self, bytes value, double until, bytes subject)
    @cython.locals(known=Valid)
    cdef _forget(self, bytes tail)
