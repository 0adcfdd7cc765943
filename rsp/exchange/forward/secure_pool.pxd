from rsp.exchange.forward.pool cimport Pool
from rsp.http.h1.client cimport PeerConnection
from rsp.http.peer_stream cimport PeerRequest


cdef class SecurePool(Pool):
    cdef object _session
    cdef double _session_made
    cdef public object rules


cdef class SecureConnection(PeerConnection):
    cpdef release(self, PeerRequest request)


cdef class SecureDial:
    cdef object _attempt, _connector, _handshake
    cdef bint _single
    cdef SecurePool _pool
