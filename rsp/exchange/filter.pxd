from rsp.http.message cimport ResponseHead


cdef class Notes:
    cdef public Notes following
    cdef public bint waits
    cpdef withdraw(self)
    cpdef call_off(self, exchange)
    cpdef ended(self, exchange, int status)
    cpdef request_body(self, list pieces, list trailers)


cdef class FieldRule:
    cpdef apply(self, exchange, ResponseHead head)


cdef class Filter:
    cpdef bint is_light(self) except -1
    cpdef bint looks_back(self) except -1
    cpdef int request(self, exchange) except -1
    cpdef int response(self, exchange) except -1
    cpdef list body(self, exchange, list pieces, bint last)
    cpdef int error(self, exchange, int status, reason) except -1
    cpdef ended(self, exchange, int status)
