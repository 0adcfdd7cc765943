from rsp.http.message cimport RequestHead
from rsp.http.peer_stream cimport Responder
from rsp.ipc.worker_stats cimport WorkerStats
from rsp.logs.access_log cimport AccessLog
from rsp.logs.combined cimport combined

cdef int IN_FLIGHT

cpdef record(
    WorkerStats stats, AccessLog log, bytes client, RequestHead head, int status, Py_ssize_t sent, double started,
    bytes request_id, Responder responder,
)
