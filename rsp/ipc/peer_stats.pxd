cimport cython

cdef int _ROWS_AT, _SLOTS, _MARKS, _TALLY, _EJECTED_UNTIL, _HEALTH, _HEALTH_DOUBTFUL, _HEALTH_DEAD, _DRAIN
cdef int _LAST_SUCCESS, _LATENCY, _REQUESTS, _ERRORS, _FAILURES, _LATENCY_SUM, _RUN, _LAST_FAILURE
cdef int _OPEN, _HALF_OPEN, _DOUBTFUL, _OUT, _DRAINED

ctypedef unsigned long long cell

cdef cell _MOST

cdef class PeerStats:
    cdef cell[::1] _cells
    cdef Py_ssize_t _own, _start
    cdef public int number
    @cython.locals(start=Py_ssize_t, health=cell, until=cell)
    cpdef int standing(self, cell now) except -1
    cpdef cell mark(self, int mark) except? 0
    cpdef set_mark(self, int mark, cell value)
    cpdef cell own(self, int tally) except? 0
    cpdef set_own(self, int tally, cell value)
    cpdef add(self, int tally, Py_ssize_t amount)
    @cython.locals(at=Py_ssize_t, total=Py_ssize_t, _=cell)
    cpdef Py_ssize_t total(self, int tally) except? 0
    @cython.locals(own=Py_ssize_t)
    cpdef answered(self, cell latency, cell smoothed, bint error)
    @cython.locals(own=Py_ssize_t)
    cpdef succeeded(self, cell now)
    cpdef cell last_success(self) except? 0
    @cython.locals(own=Py_ssize_t, first=Py_ssize_t, at=Py_ssize_t, row=Py_ssize_t, success=cell, last=cell, run=Py_ssize_t, fresh=bint)
    cpdef Py_ssize_t failed(self, cell now, cell within) except? 0
