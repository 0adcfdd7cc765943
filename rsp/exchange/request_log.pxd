cdef class RequestLog:
    cpdef write(self, exchange, double ended)
