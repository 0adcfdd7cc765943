cimport cython

from rsp.exchange.forward.announced cimport Announced
from rsp.exchange.forward.pool cimport Pool
from rsp.exchange.forward.secure_pool cimport SecurePool
from rsp.http.h1.client cimport PeerConnection
from rsp.http.peer_stream cimport PeerRequest, PeerStream
from rsp.net.context cimport WorkerContext


cdef class ProxyPool(Pool):
    cdef public Announced local
    cdef public str version
    cpdef PeerStream take(self, PeerRequest request)
    cpdef bint has_idle(self) except -1
    cpdef bint keeps(self, PeerConnection connection) except -1


cdef class SecureProxyPool(SecurePool):
    cdef public Announced local
    cdef public str version
    cpdef PeerStream take(self, PeerRequest request)
    cpdef bint has_idle(self) except -1
    cpdef bint keeps(self, PeerConnection connection) except -1


cdef Announced _announced(PeerRequest request, Announced local)
@cython.locals(at=Py_ssize_t, connection=PeerConnection, stream=PeerStream)
cdef PeerStream _take(Pool pool, Announced announced, PeerRequest request)
@cython.locals(context=WorkerContext)
cdef bint _keep(Pool pool, PeerConnection connection) except -1
cdef _forget(Pool pool, PeerConnection connection)
