cimport cython

from rsp.balance.candidate cimport Candidate
from rsp.balance.latency cimport PeakEwma
from rsp.exchange.forward.pool cimport Pool
from rsp.http.peer_stream cimport PeerRequest
from rsp.ipc.peer_stats cimport PeerStats
from rsp.net.context cimport WorkerContext

cdef int CONNECTING, EJECTED, EJECTED_UNTIL, FULL, IDLE, IN_FLIGHT, OPEN, OUT, REQUESTS, SINCE


cdef class PeerOwner:
    cdef public str name
    cdef public object rules
    cdef public double typical_latency
    cpdef freed(self)


cdef class Peer(Candidate):
    cdef object _config, _failures, _rules
    cdef double _drain, _slow_start, _spurned
    cdef Py_ssize_t _given, _requests, _warm
    cdef unsigned long long _since
    cdef public object address, for_pools, scoreboard
    cdef public bint backup
    cdef public WorkerContext context
    cdef public PeakEwma ewma
    cdef public double leaving_at
    cdef public Py_ssize_t max_connecting, max_conns
    cdef public PeerOwner owner
    cdef public Pool former_pool, pool
    cdef public PeerRequest probe
    cdef public PeerStats stats
    cpdef Py_ssize_t load(self) except? 0
    @cython.locals(value=double)
    cpdef double latency(self) except? 0
    @cython.locals(standing=int)
    cpdef int standing(self, unsigned long long now) except -1
    cpdef bint has_room(self) except -1
    @cython.locals(anew=bint)
    cpdef configure(self, entry, config, PeerOwner owner)
    cpdef bint claim(self, PeerRequest request) except -1
    cpdef bint begin(self) except -1
    cpdef end(self, PeerRequest request)
    cpdef answered(self, double now, double latency, int status)
    cpdef succeeded(self, double now)
