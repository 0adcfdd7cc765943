cimport cython

from rsp.http.h2.client_stream cimport H2PeerStream, PeerLane
from rsp.http.h2.hpack cimport Fields
from rsp.http.h2.link cimport PeerLink
from rsp.http.h2.stream cimport Stream
from rsp.http.peer_stream cimport PeerRequest
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Transport

cdef int CLOSED, LINGER_SECONDS, NO_ERROR, OPEN, REFUSED_STREAM, SMALL, STREAM_CLOSED
cdef long long LAST_STREAM
cdef double _NEVER


cdef class H2Owner:
    cdef public bint retired
    cpdef bint keeps(self, H2PeerConnection connection) except -1
    cpdef has_room(self, H2PeerConnection connection)
    cpdef leaves(self, H2PeerConnection connection)


cdef class H2PeerConnection(PeerLink):
    cdef object _settling
    cdef long long _last_taken, _number
    cdef public H2Owner owner
    cdef public double made, until
    cdef public bint takes
    cpdef set_up(
        self, WorkerContext context, H2Owner owner, Transport transport, bytes scheme, double age, settling
    )
    cpdef bint has_place(self) except -1
    @cython.locals(stream=H2PeerStream)
    cpdef H2PeerStream open(self, PeerRequest request)
    cdef _rest(self)
    cdef _stop(self)
    cdef _reason(self, reason)
    cpdef bint is_due(self, double now)
