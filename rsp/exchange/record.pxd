cimport cython

from rsp.exchange.running_config cimport RouteTarget
from rsp.exchange.subject cimport Subject
from rsp.http.message cimport RequestHead
from rsp.http.peer_stream cimport Responder
from rsp.logs.access_log cimport AccessLog
from rsp.logs.combined cimport combined
from rsp.net.context cimport WorkerContext

cdef int IN_FLIGHT


@cython.locals(
    context=WorkerContext, responder=Responder, route=RouteTarget, status=int, sent=Py_ssize_t, seconds=double,
    log=AccessLog, head=RequestHead,
)
cpdef record(Subject exchange)
