cdef class Notes:
    cdef public bint waits
    cpdef withdraw(self)
    cpdef call_off(self, exchange)


cdef class Filter:
    cpdef int request(self, exchange) except -1
    cpdef int response(self, exchange) except -1
    cpdef list body(self, exchange, list pieces, bint last)
    cpdef int error(self, exchange, int status, reason) except -1
    cpdef ended(self, exchange, int status)
