cimport cython

from rsp.ipc.cells cimport cell as count


@cython.final
cdef class WorkerStats:
    cdef object _memory
    cdef count *_cells
    cpdef add(self, int cell, Py_ssize_t amount)
    cpdef answered(self, int status, Py_ssize_t sent)
    cpdef count get(self, int cell) except? 0
    cpdef put(self, int cell, count value)
