from rsp.http.limits cimport Limits
from rsp.net.calls cimport monotonic
from rsp.net.context cimport WorkerContext
from rsp.net.poller cimport Watched
from rsp.net.secure cimport TlsTransport
from rsp.net.transport cimport Protocol
from rsp.tls.engine cimport Engine

cdef int HANDSHAKE_FAILURES, HANDSHAKES, RESUMED
cdef double _GRACE, _SHARE
cdef Py_ssize_t _BUFFER, _MOST_QUEUED, _NEVER_FULL


cdef class Handshakes(Watched):
    cdef object _begun, _fresh
    cdef ServerHandshake _running
    cdef public WorkerContext context
    cdef public object names, service
    cpdef bint queue(self, ServerHandshake handshake, bint begun) except -1
    cpdef turn(self)


cdef class ServerHandshake(Protocol):
    cdef bint _admitted, _counted, _entered, _eof, _noted, _queued
    cdef bytes _client, _data, _sni
    cdef object _facts, _listener, _reader
    cdef tuple _versions
    cdef Engine _engine
    cdef Handshakes _owner
    cdef TlsTransport _secure
    cdef public double deadline
    cdef Py_ssize_t _enter(self, Limits limits, bint counted) except? -1
    cdef _leave(self)
    cpdef data_received(self, bytes data)
    cpdef bint eof_received(self) except -1
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef connection_lost(self, error)
    cdef step(self)
    cdef Engine _begin(self, bytes data)
    cdef _advance(self, Engine engine, bytes data)
    cdef _complete(self, Engine engine, bytes plaintext)
    cdef _hand_over(self, facts, bytes plaintext)
    cdef _refuse(self, error)
    cdef _fail(self, kind, why, bytes alert=*)
    cdef _note(self, kind, why)
    cpdef bint is_due(self, double now)


cdef class ClientHandshake(Protocol):
    cdef object _done, _name
    cdef Engine _engine
    cdef TlsTransport _secure
    cpdef data_received(self, bytes data)
    cpdef bint eof_received(self) except -1
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef connection_lost(self, error)
    cdef _end(self, reason)


cdef _say(Engine engine, TlsTransport transport)
