from rsp.proxy.upstream cimport Upstream


cdef class Attempt:
    cdef public object exchange, task
    cdef public double deadline
    cdef public bint timed_out
    cpdef bint is_due(self, double now)


cdef class Pool:
    cdef public object address
    cdef public bytes label
    cdef public Py_ssize_t keepalive
    cdef public list idle
    cdef bint _is_name, _unresolved
    cdef list _hosts
    cdef Py_ssize_t _turn
    cdef object _lookup
    cpdef Upstream take(self)
