from rsp.http.limits cimport Limits
from rsp.http.peer_stream cimport PeerRequest

cdef int CONNECTING, CONNECTS


cdef class Attempt:
    cdef bint _keep
    cdef object _dial
    cdef Limits _limits
    cdef public PeerRequest request
    cdef public bint over, timed_out
    cdef public double deadline
    cdef public object pool
    cpdef begin_handshake(self)
    cpdef bint is_due(self, double now)
    cpdef finish(self, bint connected)
