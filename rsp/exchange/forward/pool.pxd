cimport cython

from rsp.http.h1.client cimport ConnectionOwner, PeerConnection
from rsp.http.limits cimport Limits
from rsp.http.peer_stream cimport PeerRequest, PeerStream
from rsp.net.context cimport WorkerContext

cdef int CONNECTING, CONNECTS


cdef class Attempt:
    cdef bint _keep, _over, _timed_out
    cdef object _dial
    cdef Limits _limits
    cdef Pool _pool
    cdef PeerRequest _request
    cdef public double deadline
    cpdef bint is_due(self, double now)


cdef class Pool(ConnectionOwner):
    cdef double _age
    cdef public WorkerContext context
    cdef public list idle
    cdef public Py_ssize_t keepalive
    cdef public str name
    cdef public object peer, where
    @cython.locals(idle=list, connection=PeerConnection, stream=PeerStream)
    cpdef PeerStream take(self, PeerRequest request)
    @cython.locals(context=WorkerContext)
    cpdef bint keeps(self, PeerConnection connection) except -1
