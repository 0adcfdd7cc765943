from rsp.net.connector cimport Connector
from rsp.proxy.exchange cimport Exchange
from rsp.proxy.plane cimport Plane
from rsp.proxy.upstream cimport Upstream


cdef class Attempt:
    cdef bint _over, _timed_out
    cdef Connector _connector
    cdef Plane _plane
    cdef Pool _pool
    cdef public double deadline
    cdef public Exchange exchange
    cpdef bint is_due(self, double now)


cdef class Pool:
    cdef public object address
    cdef public bytes label
    cdef public Py_ssize_t keepalive
    cdef public list idle
    cdef bint _is_name, _unresolved
    cdef list _hosts, _unaddressed
    cdef Py_ssize_t _turn
    cdef object _lookup
    cpdef Upstream take(self)
