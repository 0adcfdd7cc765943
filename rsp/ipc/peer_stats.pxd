cimport cython

cdef int ERRORS, FAILURES, LAST_FAILURE, LAST_SUCCESS, LATENCY, LATENCY_SUM, REQUESTS, RUN, STATUS_1XX, TALLY
cdef int DRAIN, EJECTED_UNTIL, HEALTH, HEALTH_DEAD, HEALTH_DOUBTFUL, MARKS
cdef int DOUBTFUL, DRAINED, HALF_OPEN, OPEN, OUT
cdef int ROW, ROWS, SLOTS, _ROWS_AT

ctypedef unsigned long long cell

cdef cell MOST

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
    cpdef answered(self, cell latency, cell smoothed, int status)
    @cython.locals(own=Py_ssize_t, number=int)
    cpdef count_status(self, int status)
    @cython.locals(own=Py_ssize_t)
    cpdef succeeded(self, cell now)
    cpdef cell last_success(self) except? 0
    @cython.locals(own=Py_ssize_t, first=Py_ssize_t, at=Py_ssize_t, row=Py_ssize_t, success=cell, last=cell, run=Py_ssize_t, fresh=bint)
    cpdef Py_ssize_t failed(self, cell now, cell within) except? 0
