from rsp.http.limits cimport Limits
from rsp.http.request_id cimport make_id
from rsp.ipc.worker_stats cimport WorkerStats
from rsp.net.calls cimport monotonic
from rsp.net.deadlines cimport Deadlines
from rsp.net.poller cimport Poller
from rsp.net.watcher cimport Watcher


cdef int CONNECTIONS, HEARTBEAT


cdef class WorkerContext:
    cdef public double now
    cdef public bytes date, own_lines, secret
    cdef public long long dated
    cdef public Poller poller
    cdef public Limits limits
    cdef public object scoreboard
    cdef public object temp
    cdef public int row_number
    cdef public Deadlines attempts, connections, peer_connections
    cdef public list tickers
    cdef public object effort, lease_clients, stores, tap, usage
    cdef public Watcher watch
    cdef public bint leaving
    cdef public bint draining
    cdef public Py_ssize_t senders, window_room
    cdef readonly WorkerStats stats
    cdef bytes _id_prefix
    cdef dict _by_client
    cdef public Py_ssize_t _ids
    cdef set _due
    cdef bint _expiring
    cdef object _rounds
    cpdef double clock(self) except? -1
    cpdef tell_time(self, double wall)
    cpdef bytes new_id(self)
