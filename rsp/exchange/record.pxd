from rsp.http.message cimport RequestHead
from rsp.http.peer_stream cimport Responder
from rsp.logs.access_log cimport AccessLog
from rsp.logs.combined cimport combined
from rsp.net.context cimport WorkerContext

cdef int IN_FLIGHT

cpdef record(
    WorkerContext context, AccessLog log, bytes client, RequestHead head, int status, Py_ssize_t sent, double started,
    bytes request_id, Responder responder,
)
