cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter
from rsp.exchange.limit_key cimport LimitKey
from rsp.exchange.pace cimport Pace, Row
from rsp.exchange.passage cimport Passage
from rsp.ipc.entries cimport Word
from rsp.ipc.shared_memory cimport Shard, Shared

cdef int PASS
cdef double _CREDIT


cdef class SharedRow(Row):
    cdef Shard _shard
    cdef Word _hashed
    cdef set_up(self, Shared rates, Word hashed)
    cpdef double reserve(self, double seconds) except? -1


cdef class BandwidthFilter(Filter):
    cdef Shared _rates
    cdef double _down, _up
    cdef LimitKey _down_key, _up_key
    @cython.locals(request=Exchange, pace=Pace)
    cpdef int request(self, exchange) except -1
    @cython.locals(pace=Pace)
    cdef Pace _pace(self, Exchange exchange, LimitKey key, double rate, bint upward)
    @cython.locals(shared=SharedRow)
    cdef Row _row(self, Exchange exchange, LimitKey key)
