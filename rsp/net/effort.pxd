from rsp.ipc.worker_stats cimport WorkerStats

cdef int CODED, UNCODED


cdef class Effort:
    cdef object _demand, _waiting
    cdef WorkerStats _stats
    cdef bint _is_due
    cdef double _left
    cdef public int relief
    cdef public Py_ssize_t used
    cpdef count(self, Py_ssize_t before, Py_ssize_t after)
    cpdef bint has_time(self) except -1
    cpdef spend(self, double seconds)
    cpdef wait(self, waiting)
    cpdef _end_turn(self)
    cpdef _next_turn(self)
    cpdef int level(self, int configured) except -1
