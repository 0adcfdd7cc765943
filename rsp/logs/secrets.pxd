from rsp.logs.suspicion cimport has_at, is_suspect


cdef class Secrets:
    cdef frozenset _keys
    cdef bytes _lengths
    cpdef bytes target(self, bytes target)
    cpdef bytes query(self, bytes query)
    cpdef bytes url(self, bytes text)
    cpdef bytes field(self, bytes name, bytes value)
    cdef bytes _masked(self, bytes text)
