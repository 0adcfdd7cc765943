cimport cython

from rsp.exchange.forward.attempt cimport Attempt
from rsp.http.h2.client cimport H2Owner, H2PeerConnection
from rsp.http.message cimport RequestHead
from rsp.http.peer_stream cimport PeerRequest, PeerStream
from rsp.net.context cimport WorkerContext


cdef class Waiter:
    cdef WorkerContext _context
    cdef PeerRequest _request
    cdef public double deadline
    cpdef bint is_due(self, double now)


cdef class SharedAttempt(Attempt):
    cdef H2PeerConnection _connection
    cdef Shared _shared


cdef class Shared(H2Owner):
    cdef double _http1_until
    cdef Py_ssize_t _most
    cdef object _waiting
    cdef H2PeerConnection _learned_from
    cdef public Py_ssize_t attempts
    cdef public WorkerContext context
    cdef public object http, pool
    cdef public list open
    @cython.locals(connection=H2PeerConnection, head=RequestHead)
    cpdef PeerStream take(self, PeerRequest request)
    @cython.locals(connection=H2PeerConnection)
    cpdef bint is_ready(self) except -1
    @cython.locals(keepalive=Py_ssize_t)
    cpdef bint keeps(self, H2PeerConnection connection) except -1
    @cython.locals(request=PeerRequest)
    cpdef has_room(self, H2PeerConnection connection)
