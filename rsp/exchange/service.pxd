cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.running_config cimport RunningConfig
from rsp.http.h1.server cimport ServerConnection
from rsp.http.h2.server cimport H2ServerConnection
from rsp.http.message cimport RequestHead
from rsp.http.stream cimport ClientEvents, ClientSession, ClientStream, Service
from rsp.net.context cimport WorkerContext
from rsp.net.session cimport Session
from rsp.net.transport cimport Transport
from rsp.tls.facts cimport Facts

cdef int IN_FLIGHT, STAGE, STOPPING


cdef class HttpService(Service):
    cdef WorkerContext _context
    cdef object _rounds
    cdef public RunningConfig config
    cdef public object directory, former
    cpdef accept(self, Transport transport, bytes client, listener, proxied=*)
    @cython.locals(known=ClientSession)
    cpdef accept_secure(self, Transport transport, Session session, Facts tls, bint admitted)
    cpdef refuse_plain(self, Transport transport, Session session, bytes data)
    @cython.locals(connection=ServerConnection)
    cdef ServerConnection _connect(self, Transport transport, ClientSession session, bint admitted)
    @cython.locals(connection=H2ServerConnection)
    cdef H2ServerConnection _connect_http2(self, Transport transport, ClientSession session, bint admitted)
    @cython.locals(session=ClientSession, config=RunningConfig)
    cpdef ClientSession session(self, bytes client, listener, proxied=*)
    @cython.locals(session=ClientSession, config=RunningConfig)
    cpdef renew(self, ClientSession session)
    @cython.locals(config=RunningConfig, exchange=Exchange)
    cpdef ClientEvents begin(self, ClientStream stream, RequestHead head)
