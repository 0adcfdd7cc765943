cimport cython

from rsp.balance.policies cimport Policy
from rsp.exchange.forward.peer cimport Peer
from rsp.http.peer_stream cimport PeerRequest
from rsp.net.context cimport WorkerContext

cdef int DOUBTFUL, FULL, HALF_OPEN, OPEN, OUT, _DRAWS, _PROBES, _STEPS
cdef double _CHANGED, _MISSED


cdef class Crowd:
    cdef bint _panic, _waits
    cdef double _looked_at
    cdef list _backups, _doubtful, _full, _half_open, _open, _out
    cdef object _owner
    cdef Policy _policy
    cdef WorkerContext _context
    cdef public bint changed, drained, full
    @cython.locals(peer=Peer, standing=int, now=cython.ulonglong, opened=list, full=list, half_open=list, backups=list, doubtful=list, out=list)
    cpdef look(self, bint panic)
    @cython.locals(peer=Peer, now=cython.ulonglong)
    cpdef Peer choose(self, PeerRequest request, bytes key, bint panic, bint desperate)
    @cython.locals(peer=Peer, now=cython.ulonglong)
    cdef Peer _good(self, PeerRequest request, bytes key)
    @cython.locals(peer=Peer, usable=bint)
    cdef Peer _probed(self, PeerRequest request, unsigned long long now)
    @cython.locals(peer=Peer, standing=int, wanted=int, found=list, tried=set, _=int)
    cdef Peer _drawn(self, PeerRequest request, unsigned long long now)
    @cython.locals(peer=Peer, standing=int, left=int, tried=set)
    cdef Peer _owned(self, PeerRequest request, bytes key, unsigned long long now)
    @cython.locals(peer=Peer, count=Py_ssize_t, start=Py_ssize_t, number=Py_ssize_t, tried=set)
    cdef Peer _any(self, list peers, PeerRequest request, int wanted, unsigned long long now)
