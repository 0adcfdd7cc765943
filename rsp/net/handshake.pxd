cimport cython

from rsp.http.limits cimport Limits
from rsp.net.calls cimport monotonic
from rsp.net.context cimport WorkerContext
from rsp.net.poller cimport Poller, Watched
from rsp.net.secure cimport TlsTransport
from rsp.net.session cimport SecureService, Session
from rsp.net.transport cimport Protocol
from rsp.tls.engine cimport Engine, OpenSslContext
from rsp.tls.facts cimport Facts
from rsp.tls.hello cimport Hello, HelloReader, whole_hello
from rsp.tls.names cimport ServerNames

cdef int HANDSHAKE_FAILURES, HANDSHAKES, IN, RESUMED
cdef double _GRACE, _PAUSE, _SHARE
cdef Py_ssize_t _BUFFER, _MOST_QUEUED, NEVER_FULL


cdef class Line:
    cdef ServerHandshake _first, _last
    cdef Py_ssize_t size
    cdef add(self, ServerHandshake handshake)
    @cython.locals(first=ServerHandshake)
    cdef ServerHandshake take(self)


cdef class Handshakes(Watched):
    cdef Line _begun, _fresh
    cdef bint _due
    cdef ServerHandshake _running
    cdef public WorkerContext context
    cdef public ServerNames names
    cdef public dict former
    cdef public SecureService service
    @cython.locals(handshake=ServerHandshake)
    cpdef accept(self, TlsTransport transport, bytes client, listener, proxied=*)
    cpdef bint queue(self, ServerHandshake handshake, bint begun) except -1
    @cython.locals(poller=Poller, now=double, give_up=double, pause=double, running=ServerHandshake)
    cpdef turn(self)
    @cython.locals(first=ServerHandshake)
    cdef ServerHandshake _next(self)
    cdef bint _waiting(self) noexcept
    cdef _go_on(self)


cdef class ServerHandshake(Protocol):
    cdef bint _admitted, _counted, _entered, _eof, _noted, _queued
    cdef bytes _data, _sni
    cdef Session _session
    cdef ServerHandshake behind
    cdef Facts _facts
    cdef HelloReader _reader
    cdef tuple _versions
    cdef Engine _engine
    cdef Handshakes _owner
    cdef TlsTransport _secure
    cdef public double deadline
    cpdef set_up(self, Handshakes owner, TlsTransport transport, Session session)
    cdef Py_ssize_t _enter(self, Limits limits) except? -1
    cdef _leave(self)
    cpdef data_received(self, bytes data)
    cpdef bint eof_received(self) except -1
    cpdef pause_writing(self)
    cpdef resume_writing(self)
    cpdef connection_lost(self, error)
    @cython.locals(engine=Engine, hello=Hello, reader=HelloReader)
    cdef step(self)
    @cython.locals(names=ServerNames)
    cdef Engine _begin(self, Hello hello)
    cdef _advance(self, Engine engine, bytes data)
    @cython.locals(facts=Facts, transport=TlsTransport, context=WorkerContext)
    cdef _complete(self, Engine engine, bytes plaintext)
    cdef _hand_over(self, Facts facts, bytes plaintext)
    cdef _refuse(self, error, bytes received)
    cdef _fail(self, kind, why, bytes alert=*)
    cdef _note(self, kind, why)
    cpdef bint is_due(self, double now)


cdef _say(Engine engine, TlsTransport transport)
