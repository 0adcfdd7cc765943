from rsp.http.grpc cimport status_in
from rsp.http.message cimport ResponseHead


cdef bytes _GET, _POST
cpdef bint is_safe(bytes method) except -1
cpdef bint is_idempotent(bytes method) except -1


cdef class RetryOn:
    cdef object _codes, _statuses
    cpdef str reason(self, ResponseHead head, bint repeatable, bint call)
