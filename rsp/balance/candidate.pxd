cdef class Candidate:
    cdef public bytes name
    cdef public double nominal, turn, weight
    cpdef Py_ssize_t load(self) except? 0
    cpdef double latency(self) except? 0
