cdef double _MOST, _RATE, _PER_KILOBYTE


cdef class Guard:
    cdef double _at, _points
    cpdef spend(self, int points, double now)
    cpdef earn(self, Py_ssize_t size)
