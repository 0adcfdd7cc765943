cimport cython

cdef int BYTES_SENT, REQUESTS, ROW, STATUS_2XX, STATUS_3XX, STATUS_4XX, STATUS_5XX

ctypedef unsigned long long count

cdef count MOST


@cython.final
cdef class WorkerStats:
    cdef count[::1] _cells
    cdef Py_ssize_t _start
    cpdef add(self, int cell, Py_ssize_t amount)
    cpdef answered(self, int status, Py_ssize_t sent)
    cpdef count get(self, int cell) except? 0
    cpdef put(self, int cell, count value)
