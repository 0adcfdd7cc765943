cimport cython

from rsp.balance.policies cimport Policy
from rsp.exchange.forward.crowd cimport Crowd
from rsp.exchange.forward.hash_key cimport HashKey
from rsp.exchange.forward.peer cimport Peer, PeerOwner
from rsp.exchange.forward.queue cimport Queue
from rsp.exchange.forward.retry cimport RetryOn
from rsp.http.peer_stream cimport PeerRequest
from rsp.ipc.series cimport TimesSeries
from rsp.net.context cimport WorkerContext

cdef int DOUBTFUL, DRAINED, FULL, HALF_OPEN, OPEN, OUT


cdef class Upstream(PeerOwner):
    cdef bint _panic, _unknown
    cdef HashKey _key
    cdef list _backups, _primaries
    cdef Policy _policy, _backup_policy
    cdef double _counted_at, _panic_share
    cdef Py_ssize_t _out, _up
    cdef WorkerContext _context
    cdef object __weakref__
    cdef object _budget, _late, _source
    cdef Crowd _crowd
    cdef object _names
    cdef public object binding, config, latencies, scripts
    cdef public RetryOn retry_on
    cdef public Queue queue
    cdef public bint bounded, full, hedges, shares
    cdef public list peers
    cdef public TimesSeries series
    cdef public Py_ssize_t replay_limit, requests, tries
    @cython.locals(peer=Peer, first=Peer, standing=int, now=cython.ulonglong, eligible=list, tried=set)
    cpdef Peer pick(self, PeerRequest request, bint desperate)
    @cython.locals(peer=Peer, left=list, gone=list)
    cpdef list _take_out(self, set places)
    @cython.locals(peer=Peer, primaries=list, backups=list, bounded=bint)
    cpdef _sort(self)
    @cython.locals(peer=Peer, known=Py_ssize_t, latency=double)
    cpdef _note_latency(self)
    @cython.locals(peer=Peer, standing=int, now=cython.ulonglong, up=Py_ssize_t, asked=Py_ssize_t, doubtful=Py_ssize_t)
    cpdef _look_for_panic(self)
    cpdef freed(self)
