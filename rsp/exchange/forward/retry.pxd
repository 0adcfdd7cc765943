from rsp.http.grpc cimport status_in
from rsp.http.message cimport ResponseHead


cdef class RetryOn:
    cdef object _codes, _statuses
    cpdef str reason(self, ResponseHead head, bint repeatable, bint call)
