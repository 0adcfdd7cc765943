cimport cython

cdef double DECAY


cdef class PeakEwma:
    cdef double _at
    cdef public double value
    @cython.locals(kept=double)
    cpdef add(self, double sample, double now)
    cpdef fade(self, double now)
