from rsp.balance.portions cimport Portion
from rsp.exchange.filter cimport Filter, Notes

cdef int DONE, HOLD, PASS


cdef class DelayNotes(Notes):
    cdef object _timer
    cpdef begin(self, exchange, double seconds, int abort)


cdef class FaultFilter(Filter):
    cdef double _delay
    cdef int _abort
    cdef Portion _portion
    cpdef int request(self, exchange) except -1
