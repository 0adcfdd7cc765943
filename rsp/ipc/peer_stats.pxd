cimport cython

from rsp.ipc.cells cimport cell


@cython.final
cdef class PeerStats:
    cdef object _memory
    cdef cell *_first
    cdef cell *_marks
    cdef cell *_own
    cdef cell *_rows
    cdef public int number
    cdef Py_ssize_t _workers(self)
    cpdef int standing(self, cell now) except -1
    cpdef cell mark(self, int mark) except? 0
    cpdef set_mark(self, int mark, cell value)
    cpdef cell own(self, int tally) except? 0
    cpdef set_own(self, int tally, cell value)
    cpdef add(self, int tally, Py_ssize_t amount)
    cpdef Py_ssize_t total(self, int tally) except? 0
    cpdef answered(self, cell latency, cell smoothed, int status)
    cpdef count_status(self, int status)
    cpdef succeeded(self, cell now)
    cpdef cell last_success(self) except? 0
    cpdef Py_ssize_t failed(self, cell now, cell within) except? 0
