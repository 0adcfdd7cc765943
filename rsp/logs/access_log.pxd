cdef class AccessLog:
    cdef public bint enabled
    cdef public bytes stamp
    cdef public str target
    cdef list _lines
    cdef Py_ssize_t _size, _lost
    cdef object _outlet
    cdef bint _stuck
    cpdef add(self, bytes line)
