from rsp.balance.portions cimport Shares
from rsp.exchange.exchange cimport Exchange
from rsp.exchange.forward.forward cimport Forward
from rsp.exchange.forward.upstream cimport Upstream
from rsp.exchange.handler cimport Handler
from rsp.exchange.handlers.failover cimport Failover
from rsp.exchange.handlers.proxy cimport prepare

cimport cython


cdef class Choice:
    cdef bytes _name
    cdef Py_ssize_t _size
    cdef dict _lines, _upstreams
    @cython.locals(at=Py_ssize_t)
    cpdef Upstream find(self, bytes fields)


cdef class Split(Handler):
    cdef Failover _failover
    cdef Shares _shares
    cdef list _upstreams
    cdef public Choice choice
    @cython.locals(asked=Exchange, forward=Forward, line=bytes, upstream=Upstream)
    cpdef start(self, exchange)
