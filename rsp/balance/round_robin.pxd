cdef class RoundRobin:
    cdef tuple _order
    cdef Py_ssize_t _next
    cpdef pick(self, tried=*)
