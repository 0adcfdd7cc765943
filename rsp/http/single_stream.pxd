from rsp.http.limits cimport Limits
from rsp.http.peer_stream cimport Failure, PeerRequest, PeerStream
from rsp.net.context cimport WorkerContext
from rsp.net.transport cimport Protocol, Transport

cdef double _NEVER


cdef class Connection(Protocol):
    cdef public WorkerContext context
    cdef public SingleStream stream
    cdef public double deadline
    cdef public bint bound, doubtful, full, reused, silent
    cpdef release(self, PeerRequest request)
    cpdef bint is_stale(self) except -1


cdef class SingleStream(PeerStream):
    cdef public Connection _connection
    cdef public PeerRequest _request
    cdef public Limits _limits
    cdef public bint _heard
    cdef public double _end_delay
    cdef public long long _sent_after
    cpdef set_up(self, Connection connection, PeerRequest request)
    cpdef bint is_full(self) except -1
    cpdef bint is_bound(self) except -1
    cpdef bint is_doubtful(self) except -1
    cpdef bint is_stale(self) except -1
    cpdef pause(self)
    cpdef PeerRequest _let_go(self)
    cpdef _fail(self, Failure failure)
    cpdef data_received(self, bytes data)
    cpdef go_on(self)
    cpdef flush(self)
    cpdef bint eof_received(self) except -1
    cpdef _note_early_end(self, PeerRequest request)
    cpdef _note_end(self, PeerRequest request, double delay)
    cpdef connection_lost(self, error)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef _hear(self)
