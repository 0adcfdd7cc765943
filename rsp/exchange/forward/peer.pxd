cimport cython

from rsp.balance.candidate cimport Candidate
from rsp.balance.latency cimport PeakEwma
from rsp.net.connector cimport Connector
from rsp.ipc.peer_stats cimport PeerStats
from rsp.exchange.forward.request cimport Asker
from rsp.exchange.forward.upstream cimport Group
from rsp.exchange.context cimport Plane
from rsp.http.h1.client cimport Upstream

cdef int _OUT, _FULL, _SINCE, _IN_FLIGHT, _CONNECTING, _EJECTED_UNTIL


cdef class Attempt:
    cdef bint _keep, _over, _timed_out
    cdef Connector _connector
    cdef Peer _peer
    cdef Plane _plane
    cdef public double deadline
    cdef public Asker exchange
    cpdef bint is_due(self, double now)


cdef class Peer(Candidate):
    cdef object _failures
    cdef double _age, _given_weight, _slow_start, _spurned
    cdef Py_ssize_t _requests, _warm
    cdef unsigned long long _since
    cdef public object address, scoreboard, where
    cdef public bint backup
    cdef public PeakEwma ewma
    cdef public Group group
    cdef public list idle
    cdef public double leaving_at
    cdef public Py_ssize_t keepalive, max_connecting, max_conns
    cdef public PeerStats place
    cdef public Plane plane
    cdef public Asker probe
    cpdef Py_ssize_t load(self) except? 0
    @cython.locals(value=double)
    cpdef double latency(self) except? 0
    @cython.locals(standing=int)
    cpdef int standing(self, unsigned long long now) except -1
    cpdef bint has_room(self) except -1
    cpdef bint claim(self, Asker exchange) except -1
    cpdef bint begin(self) except -1
    cpdef end(self, Asker exchange)
    cpdef answered(self, double now, double latency, int status)
    cpdef succeeded(self, double now)
    cpdef Upstream take(self)
    cpdef bint keeps(self, Upstream upstream) except -1
