cimport cython

from rsp.exchange.request_log cimport RequestLog
from rsp.exchange.running_config cimport RouteTarget
from rsp.exchange.subject cimport Subject
from rsp.http.peer_stream cimport Responder
from rsp.net.context cimport WorkerContext

cdef int IN_FLIGHT


@cython.locals(
    context=WorkerContext, responder=Responder, route=RouteTarget, ended=double, log=RequestLog,
)
cpdef record(Subject exchange)
