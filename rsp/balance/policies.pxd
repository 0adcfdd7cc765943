cimport cython
from rsp.balance.candidate cimport Candidate

cdef double _LEAST


cdef class Policy:
    cpdef Candidate choose(self, list eligible, bytes key)


cdef class RoundRobin(Policy):
    cdef double _offset
    @cython.locals(peer=Candidate, best=Candidate, total=double)
    cpdef Candidate choose(self, list eligible, bytes key)


cdef class LeastConn(RoundRobin):
    @cython.locals(peer=Candidate, cost=double, least=double, equals=list)
    cpdef Candidate choose(self, list eligible, bytes key)


cdef class Random2(Policy):
    cdef object _draw
    @cython.locals(first=Candidate, second=Candidate)
    cpdef Candidate choose(self, list eligible, bytes key)
    cdef double _cost(self, Candidate peer) except? 0
    @cython.locals(peer=Candidate, last=Candidate, total=double, left=double)
    cdef Candidate _drawn(self, list eligible, Candidate but)


cdef class Ewma(Random2):
    cdef double _cost(self, Candidate peer) except? 0


cdef class Hash(Policy):
    cdef object _ring
    cdef list _peers
    cdef public list weights
    cdef RoundRobin _turns
    cpdef Candidate choose(self, list eligible, bytes key)


cdef double _share(Candidate peer) except? 0
