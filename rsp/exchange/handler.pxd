cdef class Handler:
    cpdef start(self, exchange)
