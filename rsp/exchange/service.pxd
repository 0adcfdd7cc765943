cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.running_config cimport RunningConfig
from rsp.http.message cimport RequestHead
from rsp.http.stream cimport ClientEvents, ClientSession, ClientStream, Service
from rsp.net.context cimport WorkerContext


cdef class HttpService(Service):
    cdef WorkerContext _context
    cdef public RunningConfig config
    cdef public object directory, former
    @cython.locals(session=ClientSession, config=RunningConfig)
    cpdef renew(self, ClientSession session)
    @cython.locals(config=RunningConfig, exchange=Exchange)
    cpdef ClientEvents begin(self, ClientStream stream, RequestHead head)
