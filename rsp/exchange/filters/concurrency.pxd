cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter, Notes
from rsp.exchange.limit_key cimport LimitKey
from rsp.ipc.entries cimport Word
from rsp.ipc.shared_memory cimport Shard, Shared
from rsp.net.context cimport WorkerContext

cdef int DONE, PASS


cdef class Slot(Notes):
    cdef Shard _shard
    cdef Word _hashed, _pid
    cdef set_up(self, Shard shard, Word hashed, Word pid)
    cpdef ended(self, exchange, int status)


cdef class ConcurrencyFilter(Filter):
    cdef WorkerContext _context
    cdef Shared _slots
    cdef LimitKey _key
    cdef int _most, _status
    cdef Word _pid
    cdef set _alive
    cdef double _looked_at
    @cython.locals(request=Exchange, hashed=Word, shard=Shard, slot=Slot)
    cpdef int request(self, exchange) except -1
    cdef bint _hold_again(self, Shard shard, Word hashed) except -1
