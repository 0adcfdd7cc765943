from rsp.exchange.subject cimport Subject


cdef class Condition:
    cdef object _matches
    cdef dict _readers
    cdef Subject _exchange
    cdef double _ended
    cpdef bint holds(self, Subject exchange, double ended) except -1
    cpdef object _read(self, str name)
