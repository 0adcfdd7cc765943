cimport cython

from rsp.files.calls cimport read, read_now

cdef Py_ssize_t PART, _MOST, _PIECE, _STEP


cdef class Warm:
    cdef double _moment
    cdef dict _ends, _starts
    cpdef set_up(self)
    @cython.locals(part=Py_ssize_t)
    cpdef bint has(self, int descriptor, Py_ssize_t start, Py_ssize_t size, double now) except -1
    @cython.locals(part=Py_ssize_t)
    cpdef note(self, Py_ssize_t start, Py_ssize_t size, double now)


@cython.locals(at=Py_ssize_t, last=Py_ssize_t)
cdef bint _is_in_memory(int descriptor, Py_ssize_t start, Py_ssize_t size) except -1
@cython.locals(end=Py_ssize_t)
cpdef warm(int descriptor, Py_ssize_t start, Py_ssize_t size)
