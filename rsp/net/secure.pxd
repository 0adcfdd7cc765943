from rsp.http.pieces cimport joined
from rsp.net.calls cimport receive, send
from rsp.net.poller cimport Poller
from rsp.net.transport cimport Protocol, Transport
from rsp.tls.engine cimport Engine

cdef Py_ssize_t _JOIN_BELOW, _LARGE, _MOST_SAID


cdef class TlsTransport(Transport):
    cdef int _said
    cdef bint _parted, _spoken
    cdef public bint exact
    cdef public Engine engine
    cpdef set_up(self, Poller poller, int descriptor)
    cpdef begin(self, Protocol protocol, Py_ssize_t limit)
    cpdef secure(self, Engine engine, bint exact)
    cpdef deliver(self, bytes plaintext)
    cdef _read(self)
    cdef _open(self, Protocol protocol, Engine engine, bytes data)
    cdef _pass_on(self, Protocol protocol, Engine engine, bytes plaintext)
    cdef _refuse(self, Engine engine, error)
    cdef _fail(self, error)
    cdef _say(self, bytes data)
    cdef _read_eof(self, Protocol protocol)
    cdef _end_reading(self)
    cpdef resume_reading(self)
    cpdef turn(self)
    cpdef write(self, bytes data)
    cpdef write_both(self, bytes first, bytes second)
    cpdef bint takes_files(self) except -1
    cpdef write_eof(self)
    cpdef close(self)
    cpdef abort(self)
    cdef _take_leave(self)
