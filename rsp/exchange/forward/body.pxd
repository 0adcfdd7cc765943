cimport cython

cdef list _NOTHING


cdef class BodySource:
    cpdef pause(self)
    cpdef resume(self)
    cpdef rewind(self)
    cpdef bytes whole(self)


cdef class RequestBody:
    cdef list _kept
    cdef Py_ssize_t _kept_size
    cdef public list trailers, waiting
    cdef public BodySource source
    cdef public Py_ssize_t size
    cdef public bint spent
    cdef bint _shared
    cpdef set_up(self)
    @cython.locals(piece=bytes)
    cpdef add(self, list pieces)
    cpdef list take(self, Py_ssize_t most)
    @cython.locals(piece=bytes)
    cpdef keep(self, list pieces, Py_ssize_t most)
    cpdef take_back(self)
    cpdef replace(self, bytes body)
