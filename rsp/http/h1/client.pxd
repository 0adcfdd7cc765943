cimport cython

from rsp.http.h1.client_stream cimport H1PeerStream
from rsp.http.peer_stream cimport PeerRequest, PeerStream
from rsp.http.single_stream cimport Connection, SingleStream
from rsp.net.calls cimport has_news


cdef class ConnectionOwner:
    cdef public bint retired, strict
    cpdef bint keeps(self, PeerConnection connection) except -1


cdef class PeerConnection(Connection):
    cdef public ConnectionOwner owner
    cdef public object announced
    cdef public PeerConnection older, newer
    cdef public bint waits
    cdef public double made
    @cython.locals(stream=H1PeerStream)
    cpdef PeerStream open(self, PeerRequest request)
    cpdef release(self, PeerRequest request)
    cpdef bint is_stale(self) except -1
    cpdef bint is_due(self, double now)
    @cython.locals(stream=SingleStream)
    cpdef data_received(self, bytes data)
    @cython.locals(stream=SingleStream)
    cpdef go_on(self)
    @cython.locals(stream=SingleStream)
    cpdef flush(self)
    @cython.locals(stream=SingleStream)
    cpdef bint eof_received(self) except -1
    cpdef bint reads_on(self) except -1
    cpdef connection_lost(self, error)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
