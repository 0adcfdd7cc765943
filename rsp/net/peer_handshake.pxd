from rsp.net.secure cimport TlsTransport
from rsp.net.transport cimport Protocol
from rsp.tls.engine cimport Engine

cdef Py_ssize_t NEVER_FULL


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
    cdef _say(self)
