cimport cython

from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.grpc cimport code_told
from rsp.exchange.request_log cimport RequestLog
from rsp.exchange.running_config cimport RouteTarget
from rsp.exchange.subject cimport Subject
from rsp.http.peer_stream cimport Responder
from rsp.http.stream cimport ClientSession
from rsp.net.context cimport WorkerContext

cdef int GRPC_CALLS, GRPC_FAILURES, IN_FLIGHT


@cython.locals(
    context=WorkerContext, responder=Responder, route=RouteTarget, ended=double, log=RequestLog,
)
cpdef record(Subject exchange)
@cython.locals(
    route=RouteTarget, responder=Responder, session=ClientSession, upstream=Upstream, status=int, sent=Py_ssize_t,
    first=double, connect=double, begun=double, started=double,
)
cdef _count(Subject exchange, double ended)
cdef _count_call(Subject exchange)
