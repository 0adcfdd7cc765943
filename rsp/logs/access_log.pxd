cdef Py_ssize_t _AGAIN, _BATCH, _HELD


cdef class AccessLog:
    cdef object __weakref__
    cdef public bint json
    cdef public bytes stamp
    cdef public double offset
    cdef public str path
    cdef public Py_ssize_t widest
    cdef list _lines
    cdef Py_ssize_t _size, _flush_at, _lost
    cdef readonly object taker
    cdef object _tell_lost
    cdef bint _stuck
    cpdef add(self, bytes line)
