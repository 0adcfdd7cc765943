cdef class Pattern:
    cdef object _regex, _search
    cdef public Py_ssize_t instructions
    cdef public bytes literal, text
    cdef public tuple names
    cpdef bint finds(self, bytes path)


cdef class Sieve:
    cdef Py_ssize_t _instructions
    cdef tuple _literals
    cdef object _patterns, _set
    cpdef list find(self, bytes text)
    cpdef list _match(self, bytes text)


cpdef try_beginning(search, Py_ssize_t instructions, bytes text)
