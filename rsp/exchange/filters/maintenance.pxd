from rsp.exchange.filter cimport Filter

cdef int DONE, PASS


cdef class MaintenanceFilter(Filter):
    cdef object _mark
    cdef bint _on
    cpdef use(self, keyring)
    cpdef int request(self, exchange) except -1
