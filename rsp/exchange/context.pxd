from rsp.logs.access_log cimport AccessLog
from rsp.http.h1.codec cimport make_id
from rsp.net.poller cimport Poller
from rsp.exchange.running_config cimport Site


cdef class Plane:
    cdef public double now
    cdef public bytes date, own_lines
    cdef public Poller poller
    cdef public Site site
    cdef public AccessLog access_log
    cdef public dict peers, by_client
    cdef public object former, scoreboard
    cdef public int row_number
    cdef public bytes secret
    cdef public set downstreams, upstreams, attempts
    cdef public bint draining
    cdef public Py_ssize_t accepted, requests, in_flight, retries, hedges, queued, sent
    cdef public Py_ssize_t status_2xx, status_3xx, status_4xx, status_5xx
    cdef bytes _id_prefix
    cdef object _limbo, _outside
    cdef public Py_ssize_t _ids
    cdef object _row
    cdef list _due
    cpdef bytes new_id(self)
    cpdef count(self, int status, Py_ssize_t sent)
