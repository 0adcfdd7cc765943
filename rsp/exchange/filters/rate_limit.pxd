cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport FieldRule, Filter
from rsp.exchange.limit_key cimport LimitKey
from rsp.http.lines cimport with_line
from rsp.http.message cimport ResponseHead
from rsp.ipc.entries cimport Word
from rsp.ipc.shared_memory cimport Shard, Shared

cdef int DONE, PASS, _KNOWN
cdef double _EXACT


cdef class _Limit:
    cdef LimitKey _key
    cdef double _burst, _interval
    cdef bytes _name, _told
    cdef dict _known
    cdef long _last
    cdef public bytes policy
    cdef int _status
    @cython.locals(hashed=Word, shard=Shard)
    cdef double draw(self, exchange, Shared rates) except? -1
    @cython.locals(request=Exchange, item=bytes)
    cdef bint admits(self, exchange, double full) except -1
    @cython.locals(left=long, seconds=long, state=long)
    cdef bytes _item(self, double full)
    @cython.locals(known=bytes)
    cdef bytes _remembered(self, long state, long left, long seconds)
    cdef bytes _text(self, long left, long seconds)


cdef class RateLimitFilter(Filter):
    cdef tuple _limits
    cdef Shared _rates
    @cython.locals(limit=_Limit)
    cpdef int request(self, exchange) except -1


cdef class RateLimitFields(FieldRule):
    cdef bytes _start
    @cython.locals(request=Exchange)
    cpdef apply(self, exchange, ResponseHead head)
