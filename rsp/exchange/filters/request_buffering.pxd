cimport cython

from rsp.exchange.filter cimport Filter
from rsp.exchange.forward.body cimport RequestBody
from rsp.http.message cimport RequestHead

cdef int DONE, HOLD, PASS


cdef class RequestBufferingFilter(Filter):
    cdef bint _unsized_only
    @cython.locals(head=RequestHead, body=RequestBody)
    cpdef int request(self, exchange) except -1
