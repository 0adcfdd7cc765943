cimport cython

from rsp.exchange.forward.idle cimport Idle
from rsp.exchange.forward.shared cimport Shared
from rsp.http.h1.client cimport ConnectionOwner, PeerConnection
from rsp.http.peer_stream cimport PeerRequest, PeerStream
from rsp.net.context cimport WorkerContext

cdef int CONNECTING


cdef class Pool(ConnectionOwner):
    cdef public double age
    cdef public WorkerContext context
    cdef public Idle idle
    cdef public Py_ssize_t keepalive, most_connecting
    cdef public str name
    cdef public bytes scheme
    cdef public object http, peer, where
    cdef public Shared shared
    @cython.locals(connection=PeerConnection, stream=PeerStream)
    cpdef PeerStream take(self, PeerRequest request)
    cpdef bint has_idle(self) except -1
    @cython.locals(context=WorkerContext, idle=Idle)
    cpdef bint keeps(self, PeerConnection connection) except -1
