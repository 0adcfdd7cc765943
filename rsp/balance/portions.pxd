cimport cython

cdef double _STEP


cdef class Portion:
    cdef double _at, _share
    cpdef bint take(self) except -1


cdef class Shares:
    cdef double _at
    cdef list _edges
    @cython.locals(edge=double, number=Py_ssize_t)
    cpdef Py_ssize_t choose(self) except -1
