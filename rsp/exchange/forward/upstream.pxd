cimport cython

from rsp.balance.policies cimport Policy
from rsp.exchange.forward.request cimport Asker
from rsp.exchange.forward.peer cimport Peer
from rsp.exchange.context cimport Plane

cdef int _OPEN, _HALF_OPEN, _DOUBTFUL, _OUT, _DRAINED, _FULL


cdef class Group:
    cdef bint _armed, _by_hash, _panic, _unknown
    cdef list _backups, _primaries
    cdef Policy _policy, _backup_policy
    cdef object _hedge, _watched
    cdef str _key_kind
    cdef bytes _key_name
    cdef double _counted_at, _panic_share
    cdef Py_ssize_t _out, _up
    cdef Plane _plane
    cdef object _budget
    cdef public object binding, config, latencies, queue, retry_on
    cdef public bint bounded, full, hedges
    cdef public double hedge_after, typical_latency
    cdef public str name
    cdef public list peers
    cdef public Py_ssize_t replay_limit, requests, tries
    @cython.locals(peer=Peer, standing=int, now=cython.ulonglong, eligible=list, tried=set)
    cpdef Peer pick(self, Asker exchange, bint desperate)
