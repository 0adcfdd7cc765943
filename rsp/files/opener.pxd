cdef class Opener:
    cdef str _links
    cdef int _flags
    cpdef int open(self, int root, bytes name, int flags, bint wait) except? -1
    cdef int _open_and_look(self, int root, bytes name, int flags, bint wait) except? -1
    cdef bint _is_inside(self, int root, bytes name, int found) except -1


cdef int _open(int root, bytes name, int flags, int resolve, bint wait) except? -1
cdef int _open_now(int root, bytes name, int flags, int resolve) except? -1
