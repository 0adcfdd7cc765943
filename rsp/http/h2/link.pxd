from rsp.http.h2.connection cimport Connection
from rsp.http.h2.stream cimport Stream


cdef class PeerLink(Connection):
    cdef public bint heard, reused, told_of_end
    cdef public double end_delay, heard_at
    cdef public str reason
    cdef public bytes scheme
    cpdef begin_lane(self, Stream lane)
    cpdef leave(self)
    cpdef bint is_stale(self) except -1
    cpdef stream_unused(self)
