cimport cython

from rsp.http.h1.client_stream cimport Connection, H1PeerStream
from rsp.http.peer_stream cimport PeerRequest, PeerStream


cdef class ConnectionOwner:
    cdef public bint retired, strict
    cpdef bint keeps(self, PeerConnection connection) except -1


cdef class PeerConnection(Connection):
    cdef public ConnectionOwner owner
    cdef public double made
    @cython.locals(stream=H1PeerStream)
    cpdef PeerStream open(self, PeerRequest request)
    cpdef release(self, PeerRequest request)
    cpdef bint is_due(self, double now)
    @cython.locals(stream=H1PeerStream)
    cpdef data_received(self, bytes data)
    @cython.locals(stream=H1PeerStream)
    cpdef go_on(self)
    @cython.locals(stream=H1PeerStream)
    cpdef bint eof_received(self) except -1
    cpdef bint reads_on(self) except -1
    cpdef connection_lost(self, error)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
