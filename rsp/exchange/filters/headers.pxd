cdef class Rules:
    cdef public object host, remove
    cdef public bint ours
    cdef object _template
    cdef bytes _added
    cdef tuple _optional
    cdef public bint connection_bound
    cpdef bytes apply(self, bytes fields, source)
